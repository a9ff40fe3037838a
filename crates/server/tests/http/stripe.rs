//! A Stripe that does what a test says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use latchkey_billing::{
    ACCOUNT_KEY, ATTEMPT_KEY, ChangePreview, CheckoutSession, Customer, CustomerState, EventEnvelope, IdempotencyKey,
    Invoice, InvoicePayment, NewCheckout, NewCustomer, NewPrice, NewRefund, Page, Price, PriceChange, PromotionCode,
    Refund, SessionLine, Stripe, StripeError, Subscription, SubscriptionChange, SubscriptionItem, SubscriptionStatus,
};
use latchkey_entitlement::{
    Clock, Timestamp,
    time::{DAY, HOUR},
};

#[derive(Default)]
struct State {
    down: bool,
    refuses_key: bool,
    customers: Vec<(String, Option<String>)>,
    codes_asked: usize,
    sessions: Vec<(String, CheckoutSession)>,
    subscriptions: Vec<Subscription>,
}

pub(crate) struct FakeStripe {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// A session that is paid as soon as the customer's state was read, before the session itself is.
    paid_between: Mutex<Option<String>>,
    was_read: tokio::sync::Notify,
}

impl FakeStripe {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::default(),
            paid_between: Mutex::default(),
            was_read: tokio::sync::Notify::new(),
        })
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// The reader is done, and the money is on its way for days.
    pub(crate) fn pay_slowly(&self, session: &str) {
        let mut state = self.state.lock().unwrap();
        let (_, session) = state.sessions.iter_mut().find(|(_, s)| s.id == session).unwrap();
        session.status = Some("complete".into());
    }

    /// The payment goes through between the two reads that the return makes at once.
    pub(crate) fn pay_between_reads(&self, session: &str) {
        *self.paid_between.lock().unwrap() = Some(session.to_owned());
    }

    /// Stripe does not accept the key any more: somebody rolled it.
    pub(crate) fn set_refuses_key(&self, refuses: bool) {
        self.state.lock().unwrap().refuses_key = refuses;
    }

    pub(crate) fn session_ids(&self) -> Vec<String> {
        self.state
            .lock()
            .unwrap()
            .sessions
            .iter()
            .map(|(_, session)| session.id.clone())
            .collect()
    }

    /// Whether every subscription is set to end.
    pub(crate) fn is_set_to_end(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.subscriptions.iter().all(|own| own.cancel_at_period_end)
    }

    /// The subscription of the customer with this address.
    pub(crate) fn subscription_of(&self, email: &str) -> String {
        let state = self.state.lock().unwrap();
        let number = state
            .customers
            .iter()
            .position(|(_, own)| own.as_deref() == Some(email));
        let customer = format!("cus_{}", number.expect("a customer"));
        let own = state.subscriptions.iter().find(|own| own.customer == customer);
        own.expect("a subscription").id.clone()
    }

    /// How often a promotion code was asked for.
    pub(crate) fn codes_asked(&self) -> usize {
        self.state.lock().unwrap().codes_asked
    }

    pub(crate) fn customers(&self) -> usize {
        self.state.lock().unwrap().customers.len()
    }

    /// The reader pays on the payment page.
    pub(crate) fn pay(&self, session: &str) {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        let number = state.subscriptions.len();
        let (_, session) = state.sessions.iter_mut().find(|(_, s)| s.id == session).unwrap();
        session.status = Some("complete".into());
        session.payment_status = "paid".into();
        if session.mode == "payment" {
            session.paid_at = Some(now);
            return;
        }
        session.subscription = Some(format!("sub_{number}"));
        let subscription = Subscription {
            id: format!("sub_{number}"),
            customer: session.customer.clone().unwrap(),
            status: SubscriptionStatus::Active,
            items: vec![SubscriptionItem {
                id: format!("si_{number}"),
                price_id: "price_month".into(),
                product_id: "prod_1".into(),
                quantity: 1,
                current_period_start: now,
                current_period_end: now.plus(30 * DAY),
                price: None,
            }],
            more_items: false,
            cancel_at_period_end: false,
            cancel_at: None,
            canceled_at: None,
            ended_at: None,
            trial_end: None,
            created: now,
            start_date: now,
            pause_collection: false,
            latest_invoice: None,
            metadata: session.metadata.clone(),
            livemode: false,
            default_payment_method: Some("Visa •••• 4242".into()),
            ..Subscription::default()
        };
        state.subscriptions.push(subscription);
    }

    /// The subscription that was bought last has another status now.
    pub(crate) fn set_status_of_newest(&self, status: SubscriptionStatus) {
        let mut state = self.state.lock().unwrap();
        state.subscriptions.last_mut().unwrap().status = status;
    }

    fn up(&self) -> Result<std::sync::MutexGuard<'_, State>, StripeError> {
        let state = self.state.lock().unwrap();
        if state.refuses_key {
            Err(StripeError::Unauthorized)
        } else if state.down {
            Err(StripeError::Unreachable {
                what: "switched off".into(),
            })
        } else {
            Ok(state)
        }
    }
}

#[async_trait]
impl Stripe for FakeStripe {
    async fn customer_state(&self, customer: &str) -> Result<CustomerState, StripeError> {
        let state = self.up()?;
        let (id, email) = state
            .customers
            .iter()
            .find(|(id, _)| id == customer)
            .cloned()
            .ok_or(StripeError::NotFound)?;
        let of = |own: &Option<String>| own.as_deref() == Some(customer);
        self.was_read.notify_one();
        Ok(CustomerState {
            id,
            deleted: false,
            livemode: false,
            email,
            metadata: BTreeMap::new(),
            subscriptions: state
                .subscriptions
                .iter()
                .filter(|s| s.customer == customer)
                .cloned()
                .collect(),
            sessions: state
                .sessions
                .iter()
                .map(|(_, s)| s.clone())
                .filter(|s| of(&s.customer))
                .collect(),
            purchases: state
                .sessions
                .iter()
                .map(|(_, s)| s.clone())
                .filter(|s| of(&s.customer) && s.mode == "payment" && s.status.as_deref() == Some("complete"))
                .collect(),
            read_at: self.clock.now(),
            ..CustomerState::default()
        })
    }

    async fn create_customer(&self, _: &IdempotencyKey, new: &NewCustomer) -> Result<String, StripeError> {
        let mut state = self.up()?;
        let id = format!("cus_{}", state.customers.len());
        state.customers.push((id.clone(), new.email.clone()));
        Ok(id)
    }

    async fn create_checkout_session(
        &self,
        key: &IdempotencyKey,
        new: &NewCheckout,
    ) -> Result<CheckoutSession, StripeError> {
        let now = self.clock.now();
        let mut state = self.up()?;
        if let Some((_, session)) = state.sessions.iter().find(|(known, _)| known == key.as_str()) {
            return Ok(session.clone());
        }
        let id = format!("cs_test_{}", state.sessions.len());
        let metadata = BTreeMap::from([
            (ACCOUNT_KEY.to_owned(), new.account.to_string()),
            (ATTEMPT_KEY.to_owned(), new.attempt.to_string()),
        ]);
        let session = CheckoutSession {
            url: Some(format!("https://checkout.stripe.com/c/pay/{id}")),
            id,
            status: Some("open".into()),
            payment_status: "unpaid".into(),
            mode: if new.once { "payment" } else { "subscription" }.into(),
            lines: vec![SessionLine {
                id: "li_1".into(),
                price_id: new.price.clone(),
                quantity: 1,
            }],
            customer: Some(new.customer.clone()),
            subscription: None,
            client_reference_id: Some(new.account.to_string()),
            metadata,
            expires_at: now.plus(24 * HOUR),
            ..CheckoutSession::default()
        };
        state.sessions.push((key.as_str().to_owned(), session.clone()));
        Ok(session)
    }

    async fn checkout_session(&self, id: &str) -> Result<CheckoutSession, StripeError> {
        let between = self.paid_between.lock().unwrap().take();
        if let Some(session) = between {
            self.was_read.notified().await;
            self.pay(&session);
        }
        let state = self.up()?;
        state
            .sessions
            .iter()
            .map(|(_, s)| s)
            .find(|s| s.id == id)
            .cloned()
            .ok_or(StripeError::NotFound)
    }

    async fn expire_checkout_session(&self, id: &str) -> Result<CheckoutSession, StripeError> {
        let mut state = self.up()?;
        let (_, session) = state
            .sessions
            .iter_mut()
            .find(|(_, s)| s.id == id)
            .ok_or(StripeError::NotFound)?;
        // Only an open one can be expired.
        if session.status.as_deref() != Some("open") {
            return Err(StripeError::Refused {
                status: 400,
                code: None,
                message: "Only Checkout Sessions with a status in [\"open\"] can be expired.".to_owned(),
            });
        }
        session.status = Some("expired".into());
        Ok(session.clone())
    }

    async fn create_portal_session(&self, _: &IdempotencyKey, customer: &str, _: &str) -> Result<String, StripeError> {
        drop(self.up()?);
        Ok(format!("https://billing.stripe.com/p/session/{customer}"))
    }

    async fn update_subscription(
        &self,
        _: &IdempotencyKey,
        id: &str,
        change: SubscriptionChange,
    ) -> Result<Subscription, StripeError> {
        let mut state = self.up()?;
        let own = state
            .subscriptions
            .iter_mut()
            .find(|s| s.id == id)
            .ok_or(StripeError::NotFound)?;
        if let SubscriptionChange::CancelAtPeriodEnd(cancel) = change {
            own.cancel_at_period_end = cancel;
            own.cancel_at = cancel.then(|| own.items[0].current_period_end);
            own.canceled_at = cancel.then(|| self.clock.now());
        }
        Ok(own.clone())
    }

    async fn cancel_subscription(&self, id: &str, _: &str) -> Result<Subscription, StripeError> {
        let mut state = self.up()?;
        let mut live = state.subscriptions.iter_mut().filter(|s| !s.status.is_terminal());
        let own = live.find(|s| s.id == id).ok_or(StripeError::NotFound)?;
        own.status = SubscriptionStatus::Canceled;
        own.ended_at = Some(self.clock.now());
        Ok(own.clone())
    }

    async fn create_refund(&self, _: &IdempotencyKey, _: &NewRefund) -> Result<Refund, StripeError> {
        Err(StripeError::NotFound)
    }

    async fn void_invoice(&self, _: &IdempotencyKey, _: &str) -> Result<Invoice, StripeError> {
        Err(StripeError::NotFound)
    }

    async fn invoice_payments(&self, _: &str) -> Result<Vec<InvoicePayment>, StripeError> {
        Ok(vec![])
    }

    async fn customer_of(&self, _: &str) -> Result<Option<String>, StripeError> {
        Ok(None)
    }

    async fn preview_price_change(&self, _: &PriceChange) -> Result<ChangePreview, StripeError> {
        Err(StripeError::NotFound)
    }

    async fn promotion_code(&self, _: &str) -> Result<Option<PromotionCode>, StripeError> {
        self.up()?.codes_asked += 1;
        Ok(None)
    }

    async fn list_prices(&self) -> Result<Vec<Price>, StripeError> {
        Ok(vec![])
    }

    async fn list_events(&self, _: Option<&str>) -> Result<Vec<EventEnvelope>, StripeError> {
        Ok(vec![])
    }

    async fn list_invoices(&self, _: Option<&str>) -> Result<Page<Invoice>, StripeError> {
        Ok(Page {
            items: vec![],
            has_more: false,
        })
    }

    async fn list_customers(&self, _: Option<&str>) -> Result<Page<Customer>, StripeError> {
        Ok(Page {
            items: vec![],
            has_more: false,
        })
    }

    async fn list_subscriptions(&self, _: Option<&str>) -> Result<Page<Subscription>, StripeError> {
        let items = self.up()?.subscriptions.clone();
        Ok(Page { items, has_more: false })
    }

    async fn create_product(&self, _: &IdempotencyKey, _: &str, _: &[(String, String)]) -> Result<String, StripeError> {
        Err(StripeError::NotFound)
    }

    async fn create_price(&self, _: &IdempotencyKey, _: &NewPrice) -> Result<String, StripeError> {
        Err(StripeError::NotFound)
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}
