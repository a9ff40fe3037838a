//! A purchase begun: the customer, and the page to pay on.

use latchkey_billing::{CheckoutSession, CheckoutTerms, IdempotencyKey, NewCheckout, NewCustomer, StripeError};
use latchkey_entitlement::{AccountId, EventId};

use crate::{Sync, SyncError};

/// Most keys that are tried at once for one thing to be done.
pub(crate) const MAX_KEYS: u32 = 3;

/// What somebody is about to buy.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// Who buys.
    pub account: AccountId,
    /// Our record of it; the idempotency key follows from it.
    pub attempt: EventId,
    /// `price_…`.
    pub price: String,
    /// Where Stripe sends the reader after paying; may hold `{CHECKOUT_SESSION_ID}`.
    pub success_url: String,
    /// Where Stripe sends a reader who turns back.
    pub cancel_url: String,
}

impl Sync {
    /// Makes the page to pay on. The same purchase again gives the same page, as long as Stripe keeps the key (24 hours at least).
    ///
    /// A customer that was deleted in Stripe, which we may not have heard of yet, is replaced by a new one.
    pub async fn open_checkout(&self, purchase: &Purchase) -> Result<CheckoutSession, SyncError> {
        self.open_checkout_on(purchase, &CheckoutTerms::default()).await
    }

    /// The same with terms beside the price. They are part of what the key stands for: one attempt has one set of them.
    pub async fn open_checkout_on(
        &self,
        purchase: &Purchase,
        terms: &CheckoutTerms,
    ) -> Result<CheckoutSession, SyncError> {
        let customer = self.customer_for(&purchase.account).await?;
        match self.page_for(purchase, terms, &customer).await {
            Err(SyncError::Stripe(StripeError::NotFound)) => {
                self.sync_customer(&customer).await?;
                let other = self.customer_for(&purchase.account).await?;
                if other == customer {
                    return Err(StripeError::NotFound.into());
                }
                self.page_for(purchase, terms, &other).await
            }
            other => other,
        }
    }

    async fn page_for(
        &self,
        purchase: &Purchase,
        terms: &CheckoutTerms,
        customer: &str,
    ) -> Result<CheckoutSession, SyncError> {
        let new = NewCheckout {
            customer: customer.to_owned(),
            account: purchase.account.clone(),
            attempt: purchase.attempt.clone(),
            price: purchase.price.clone(),
            terms: terms.clone(),
            success_url: purchase.success_url.clone(),
            cancel_url: purchase.cancel_url.clone(),
            locale: None,
            once: self.is_paid_once(&purchase.price),
        };
        // With the customer in it, since the same key must always stand for the same parameters.
        let name = format!("checkout.{}.{customer}", purchase.attempt);
        let mut tries = 1;
        loop {
            let (key, turn) = self.key(&name).await?;
            match self.stripe.create_checkout_session(&key, &new).await {
                // A page that was made all the same has no reader, and cannot be paid.
                Err(StripeError::KeySpent) if tries < MAX_KEYS => {
                    self.take_another_key(&name, turn.as_deref()).await?;
                }
                other => return Ok(other?),
            }
            tries += 1;
        }
    }

    /// Whether a price of ours is paid once, and is no subscription.
    fn is_paid_once(&self, stripe_price: &str) -> bool {
        let mut prices = self.config.plans.iter().flat_map(|plan| &plan.prices);
        prices.any(|price| price.stripe_price == stripe_price && price.once.is_some())
    }

    /// The idempotency key of something that is done once, and which key it is in turn.
    pub(crate) async fn key(&self, name: &str) -> Result<(IdempotencyKey, Option<String>), SyncError> {
        let turn = self.store.setting(&format!("key.{name}")).await?;
        let key = match &turn {
            None => name.to_owned(),
            Some(turn) => format!("{name}.{turn}"),
        };
        Ok((IdempotencyKey::new(key), turn))
    }

    /// From now on another key, because Stripe repeats a failure of its own under the one of `turn`. Of several processes that come to
    /// it one takes it, and all use the same.
    pub(crate) async fn take_another_key(&self, name: &str, turn: Option<&str>) -> Result<(), SyncError> {
        let next: u32 = turn
            .and_then(|turn| turn.parse().ok())
            .unwrap_or(0_u32)
            .saturating_add(1);
        let setting = format!("key.{name}");
        if self.store.replace_setting(&setting, turn, &next.to_string()).await? {
            tracing::warn!(
                name,
                "Stripe failed under an idempotency key and repeats it; another key is taken"
            );
        }
        Ok(())
    }

    /// The Stripe customer of an account: the one it has, or a new one.
    ///
    /// The idempotency key follows from the account, and the parameters are stored before the call: a call that is repeated
    /// after a lost answer finds the customer that the first one made.
    pub async fn customer_for(&self, account: &AccountId) -> Result<String, SyncError> {
        let known = self.store.customers_of(account).await?;
        let mut own = known
            .iter()
            .filter(|customer| customer.livemode == self.config.livemode);
        if let Some(customer) = own.clone().find(|customer| customer.deleted_at.is_none()) {
            return Ok(customer.id.clone());
        }
        // The last that was deleted tells this one's key from those before it.
        let name = match own.next_back() {
            None => format!("customer.{account}"),
            Some(before) => format!("customer.{account}.{}", before.id),
        };
        let reader = self.store.account(account).await?;
        let email = reader
            .and_then(|reader| reader.email_proven.or(reader.email_unproven))
            .unwrap_or_default();
        let email = self
            .store
            .put_setting_if_absent(&format!("email_of.{name}"), &email)
            .await?;
        let new = NewCustomer {
            account: account.clone(),
            email: Some(email).filter(|email| !email.is_empty()),
        };
        let mut tries = 1;
        let customer = loop {
            let (key, turn) = self.key(&name).await?;
            match self.stripe.create_customer(&key, &new).await {
                // A customer that was made all the same stays without purchases.
                Err(StripeError::KeySpent) if tries < MAX_KEYS => {
                    self.take_another_key(&name, turn.as_deref()).await?;
                }
                other => break other?,
            }
            tries += 1;
        };
        self.store
            .link_customer(&customer, account, self.config.livemode, self.clock.now())
            .await?;
        Ok(customer)
    }
}
