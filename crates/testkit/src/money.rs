//! Money that goes back in a story, and readers who pay twice.

use latchkey_billing::ACCOUNT_KEY;
use serde_json::Value;

use crate::{Offer, Reader, StripeHand, stripe::text};

impl StripeHand<'_> {
    /// The charge that a customer paid last.
    #[track_caller]
    pub fn last_charge(&self, customer: &str) -> String {
        let charges = self.control().paid_charges_of(customer);
        charges.last().expect("the customer has paid").clone()
    }

    /// In Stripe's dashboard somebody refunds the reader's last payment: so many minor units, or all of it. Gives the refund's id.
    pub async fn refunds(&self, reader: &Reader<'_>, amount: Option<i64>) -> String {
        let charge = self.last_charge(&reader.customer());
        let amount = amount.map(|amount| amount.to_string());
        let mut fields = vec![("charge", charge.as_str())];
        fields.extend(amount.as_deref().map(|amount| ("amount", amount)));
        text(&self.posts("/v1/refunds", &fields).await, "id")
    }

    /// The bank takes the reader's last payment back, or asks about it. Gives the dispute's id.
    pub fn disputes(&self, reader: &Reader<'_>, inquiry: bool) -> String {
        let charge = self.last_charge(&reader.customer());
        self.control()
            .open_dispute(&charge, inquiry)
            .expect("the charge can be disputed")
    }

    /// The reader has a second subscription to an offer in the same customer, as a checkout that nobody guards would make it. Gives its id.
    pub async fn subscribes_again(&self, reader: &Reader<'_>, offer: Offer) -> String {
        let customer = reader.customer();
        let price = self.0.stripe_price(offer);
        let cards = self.object(&format!("/v1/payment_methods?customer={customer}")).await;
        let sale = [
            ("customer", customer.clone()),
            ("items[0][price]", price),
            ("default_payment_method", text(&cards["data"][0], "id")),
        ];
        let sale = sale.each_ref().map(|(name, value)| (*name, value.as_str()));
        text(&self.posts("/v1/subscriptions", &sale).await, "id")
    }

    /// The reader buys an offer through a payment link, as another customer that is bound to her account. Gives customer and subscription.
    pub async fn subscribes_elsewhere(&self, reader: &Reader<'_>, offer: Offer) -> (String, String) {
        let price = self.0.stripe_price(offer);
        let bought = self
            .control()
            .buy_elsewhere(&reader.email(), &price, "4242424242424242");
        let (customer, subscription) = bought.expect("the card pays");
        let account = reader.account();
        let name = format!("metadata[{ACCOUNT_KEY}]");
        self.posts(&format!("/v1/customers/{customer}"), &[(&name, account.as_str())])
            .await;
        (customer, subscription)
    }

    /// Somebody ends a subscription at once.
    pub async fn ends(&self, subscription: &str) {
        self.calls("DELETE", &format!("/v1/subscriptions/{subscription}"), "")
            .await;
    }

    /// The ids of the subscriptions that are not over, in order of making.
    pub fn live_subscriptions(&self) -> Vec<String> {
        let all = self.control().subscriptions().into_iter();
        let live = all.filter(|one| !["canceled", "incomplete_expired"].contains(&one.status.as_str()));
        live.map(|one| one.id).collect()
    }

    /// Every refund that was ever asked for, the oldest first.
    pub async fn all_refunds(&self) -> Vec<Value> {
        let list = self.object("/v1/refunds?limit=100").await;
        let mut all = list["data"].as_array().expect("a list").clone();
        all.reverse();
        all
    }
}
