//! Customer portal sessions and what a customer does in the portal.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::card::Card;
use crate::customer::is_email;
use crate::error::{ApiError, ApiResult};
use crate::params::Params;
use crate::pay::CardForm;
use crate::plan_change::{Change, Proration, Unpaid};
use crate::portal_configuration::DEFAULT;
use crate::price::Price;
use crate::state::State;
use crate::subscription::Subscription;

/// A portal link works so long.
const LIFE_SECONDS: i64 = 3600;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PortalSession {
    pub(crate) id: String,
    /// The hard-to-guess part of its address.
    pub(crate) secret: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) return_url: Option<String>,
    pub(crate) locale: Option<String>,
    #[serde(default = "default_configuration")]
    pub(crate) configuration: String,
}

fn default_configuration() -> String {
    DEFAULT.to_owned()
}

impl PortalSession {
    fn render(&self, state: &State) -> Value {
        json!({
            "id": self.id,
            "object": "billing_portal.session",
            "configuration": self.configuration,
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "flow": null,
            "livemode": false,
            "locale": self.locale,
            "on_behalf_of": null,
            "return_url": self.return_url,
            "url": format!("{}/p/session/{}", state.public_url, self.secret),
        })
    }
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&["customer", "return_url", "locale", "configuration"])?;
    let customer = params.required("customer")?;
    state.live_customer(customer, "customer")?;
    let return_url = params.address("return_url")?;
    let configuration = state.portal_configuration(params.text("configuration"))?;
    let id = state.new_id("bps", 10);
    let session = PortalSession {
        secret: format!("test_{}", state.scatter(&id, 40)),
        id: id.clone(),
        created: state.now,
        customer: customer.to_owned(),
        return_url,
        locale: params.text("locale").map(str::to_owned),
        configuration,
    };
    let shown = session.render(state);
    state
        .portal_sessions
        .retain(|_, one| state.now - one.created < LIFE_SECONDS);
    state.portal_sessions.insert(id, session);
    Ok(shown)
}

impl State {
    /// The portal session behind an address, while it lives and its customer exists.
    pub(crate) fn portal(&self, secret: &str) -> Option<&PortalSession> {
        let found = self.portal_sessions.values().find(|one| one.secret == secret)?;
        let live = self.now - found.created < LIFE_SECONDS && self.live_customer(&found.customer, "customer").is_ok();
        live.then_some(found)
    }

    /// A subscription of the portal's customer; of nobody else.
    pub(crate) fn portal_subscription(&self, customer: &str, id: &str) -> Result<&Subscription, ApiError> {
        self.subscriptions
            .get(id)
            .filter(|one| one.customer == customer)
            .ok_or_else(|| ApiError::no_such("subscription", id))
    }

    /// The prices that a subscription can change to: active, recurring, of its currency, of an active product.
    pub(crate) fn portal_choices(&self, subscription: &Subscription) -> Vec<&Price> {
        let current = subscription.items.first().map(|item| item.price.as_str());
        let offered = |price: &&Price| {
            price.active
                && price.recurring.is_some()
                && price.amount_in(&subscription.currency).is_some()
                && Some(price.id.as_str()) != current
                && self.products.get(&price.product).is_some_and(|product| product.active)
        };
        self.prices.values().filter(offered).collect()
    }

    /// Changes the plan at once; if the difference cannot be paid, nothing changes.
    pub(crate) fn portal_change_plan(&mut self, customer: &str, id: &str, price: &str) -> Result<(), ApiError> {
        let subscription = self.portal_subscription(customer, id)?.clone();
        if !self
            .portal_choices(&subscription)
            .iter()
            .any(|offered| offered.id == price)
        {
            return Err(ApiError::no_such_param("price", price, "price"));
        }
        let item = subscription
            .items
            .first()
            .ok_or_else(|| ApiError::no_such("subscription_item", id))?;
        let change = Change {
            item: item.id.clone(),
            price: price.to_owned(),
            quantity: item.quantity,
            proration: Proration::InvoiceNow,
            unpaid: Unpaid::Refuse,
            at: None,
        };
        self.change_plan(id, &change)
    }

    /// Puts a new card on file for the customer and each of its live subscriptions.
    pub(crate) fn portal_change_card(&mut self, customer: &str, form: &CardForm) -> Result<(), ApiError> {
        let card = Card::read(&form.number, &form.expiry, &form.cvc, self.now)
            .map_err(|fault| ApiError::card("invalid_card", None, fault.message))?;
        let failing = self.failing.remove(customer);
        // Saving a card asks the bank as a payment would, and takes no money.
        let asked = self.charge(None, &card, false);
        if let Some(left) = failing {
            self.failing.insert(customer.to_owned(), left);
        }
        asked?;
        let method = self.add_card(card, Some(customer), Some(&form.name));
        self.edit_customer(customer, |one| one.default_payment_method = Some(method.clone()));
        let ids: Vec<String> = self.subscriptions_of(customer).map(|one| one.id.clone()).collect();
        for id in ids {
            self.edit_subscription(&id, |one| one.default_payment_method = Some(method.clone()));
        }
        Ok(())
    }

    pub(crate) fn portal_change_email(&mut self, customer: &str, email: &str) -> Result<(), ApiError> {
        let email = email.trim();
        if !is_email(email) {
            return Err(ApiError::invalid("Your email is incomplete.", Some("email")));
        }
        self.edit_customer(customer, |one| one.email = Some(email.to_owned()));
        Ok(())
    }
}
