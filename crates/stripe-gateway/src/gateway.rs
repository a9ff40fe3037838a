//! The gateway: [`Stripe`] over HTTP.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::HeaderValue;
use latchkey_billing::{
    ACCOUNT_KEY, ATTEMPT_KEY, ChangePreview, CheckoutSession, Clock, Customer, CustomerState, EventEnvelope,
    IdempotencyKey, Interval, Invoice, InvoicePayment, NewCheckout, NewCustomer, NewPrice, NewRefund, Page, ParseError,
    Price, PriceChange, PromotionCode, Refund, Stripe, StripeError, Subscription, SubscriptionChange,
    SubscriptionStatus, parse_customer, parse_invoice, parse_page, parse_price, parse_session, parse_subscription,
};
use serde_json::Value;
use stripe_billing::{billing_portal_session as portal, invoice, subscription as sub};
use stripe_checkout::{CheckoutSessionMode, CheckoutSessionStatus, checkout_session as checkout};
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::{customer, event};
use stripe_product::{price, product};
use tokio::sync::Semaphore;
use url::{Host, Url};

use crate::{
    limiter::{Limiter, Urgency},
    selling,
    transport::{Jitter, MAX_CONCURRENT_CALLS, Transport},
    wire::{Https, Wire},
};

/// Most entries that Stripe gives in one page.
pub(crate) const PAGE: i64 = 100;
/// Most pages of one list that are read. A list that goes on is an error, since a part of it would be taken for the whole.
pub const MAX_PAGES: usize = 100;
/// How many of a customer's newest Checkout sessions and invoices are read.
const NEWEST: i64 = 10;
/// Most pages of a customer's completed Checkout sessions that are read, each of 100: a purchase counts for as long as it was not
/// used up, however old it is. Beyond it the state says so.
pub const MAX_SESSION_PAGES: usize = 5;
/// Longest Stripe id that is put into a path, in bytes.
const MAX_ID_LENGTH: usize = 255;
/// What is read with each session: its lines, and what tells when it was paid.
const PURCHASE_EXPAND: [&str; 4] = [
    "data.line_items",
    "data.invoice",
    "data.payment_intent.latest_charge",
    "data.payment_intent.payment_method",
];
const STRIPE_URL: &str = "https://api.stripe.com";

/// Stripe's secret or restricted key. Printed redacted.
#[derive(Clone)]
pub struct SecretKey(String);

impl SecretKey {
    /// From configuration; surrounding white space is dropped.
    pub fn new(key: &str) -> Self {
        Self(key.trim().to_owned())
    }

    /// Whether it is of live mode; `None` if it has not the form of a key.
    pub fn livemode(&self) -> Option<bool> {
        let rest = self.0.strip_prefix("sk_").or_else(|| self.0.strip_prefix("rk_"))?;
        if rest.starts_with("live_") {
            Some(true)
        } else {
            rest.starts_with("test_").then_some(false)
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}

/// What a gateway needs.
pub struct Config {
    /// The key.
    pub secret_key: SecretKey,
    /// Another address than Stripe's, for a sandbox: `https`, or `http` on this machine.
    pub base_url: Option<Url>,
    /// How long one attempt may take; see [`crate::CALL_TIMEOUT`].
    pub timeout: Duration,
    /// Spreads retries.
    pub jitter: Jitter,
    /// Waits between two attempts.
    pub clock: Arc<dyn Clock>,
    /// Another way than HTTPS, for a simulation that has no sockets.
    pub wire: Option<Arc<dyn Wire>>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The key has the wrong form.
    #[error("the Stripe key begins with none of sk_live_, sk_test_, rk_live_, rk_test_")]
    Key,
    /// The address would send the key in the clear, or is not an address.
    #[error("Stripe's address must begin with https, or with http for localhost")]
    BaseUrl,
    /// The TLS library could not be set up.
    #[error("TLS cannot be set up")]
    Tls,
}

/// Stripe over HTTP. Cheap to share behind an `Arc`; keeps a pool of connections.
pub struct Gateway {
    transport: Arc<Transport>,
    livemode: bool,
    portal_configuration: Option<String>,
    urgency: Urgency,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("livemode", &self.livemode)
            .finish_non_exhaustive()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Gateway {
    /// A gateway; makes no call yet.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let livemode = config.secret_key.livemode().ok_or(ConfigError::Key)?;
        let base = match &config.base_url {
            None => STRIPE_URL.to_owned(),
            Some(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)) => {
                url.as_str().trim_end_matches('/').to_owned()
            }
            Some(_) => return Err(ConfigError::BaseUrl),
        };
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {}", config.secret_key.0)).map_err(|_| ConfigError::Key)?;
        authorization.set_sensitive(true);
        let wire = match config.wire {
            Some(wire) => wire,
            None => Arc::new(Https::new().map_err(|_| ConfigError::Tls)?),
        };
        let transport = Transport {
            wire,
            base,
            authorization,
            timeout: config.timeout,
            jitter: config.jitter,
            clock: config.clock,
            turns: Semaphore::new(MAX_CONCURRENT_CALLS),
            limiter: None,
        };
        Ok(Self {
            transport: Arc::new(transport),
            livemode,
            urgency: Urgency::Reader,
            portal_configuration: None,
        })
    }

    /// The same with at most so many calls a second, however many tasks make them; of several processes each has its own pace. To be
    /// called before the gateway is shared.
    #[must_use]
    pub fn limited(mut self, calls_per_second: u32) -> Self {
        if let Some(transport) = Arc::get_mut(&mut self.transport) {
            transport.limiter = Some(Limiter::new(calls_per_second, Arc::clone(&transport.clock)));
        }
        self
    }

    /// Whether the key is a live-mode key.
    pub const fn livemode(&self) -> bool {
        self.livemode
    }

    pub(crate) async fn get(&self, request: RequestBuilder) -> Result<Value, StripeError> {
        self.transport.send(request, None, self.urgency).await
    }

    pub(crate) async fn post(&self, request: RequestBuilder, key: &IdempotencyKey) -> Result<Value, StripeError> {
        self.transport.send(request, Some(key), self.urgency).await
    }

    /// A POST that says what shall be, so that it may be sent again by whoever asks for it, and is sent once here.
    pub(crate) async fn post_once(&self, request: RequestBuilder) -> Result<Value, StripeError> {
        self.transport.send(request, None, self.urgency).await
    }

    /// The header `Date` of an answer of Stripe's, whatever the answer is.
    pub async fn date(&self) -> Result<Option<String>, StripeError> {
        self.transport.date(&price::ListPrice::new().limit(1).build()).await
    }

    /// Portal sessions are made with this configuration (`bpc_…`) from now on, and not with the account's default one.
    pub fn with_portal_configuration(mut self, id: &str) -> Self {
        self.portal_configuration = Some(id.to_owned());
        self
    }

    /// Ends something. Stripe takes no key with it, since ending twice ends once.
    pub(crate) async fn delete(&self, request: RequestBuilder) -> Result<Value, StripeError> {
        self.transport.send(request, None, self.urgency).await
    }

    /// Reads a list to its end. `request` makes the request for what comes after an id; `cursor` gives the id of an entry.
    pub(crate) async fn whole<T>(
        &self,
        request: impl Fn(Option<String>) -> RequestBuilder,
        entry: fn(&Value) -> Result<T, ParseError>,
        cursor: fn(&[T]) -> Option<String>,
    ) -> Result<Vec<Page<T>>, StripeError> {
        let mut pages: Vec<Page<T>> = Vec::new();
        let mut after = None;
        while pages.len() < MAX_PAGES {
            let json = self.get(request(after.take())).await?;
            let page = parse_page(&json, entry)?;
            after = cursor(&page.items);
            let done = !page.has_more || after.is_none();
            pages.push(page);
            if done {
                return Ok(pages);
            }
        }
        Err(StripeError::Malformed {
            what: format!("a list of more than {MAX_PAGES} pages"),
        })
    }

    async fn subscriptions(&self, customer: &str) -> Result<Vec<Subscription>, StripeError> {
        let request = |after: Option<String>| {
            let list = sub::ListSubscription::new()
                .customer(customer)
                .status(sub::ListSubscriptionStatus::All)
                .limit(PAGE)
                .expand(vec![
                    "data.default_payment_method".to_owned(),
                    "data.discounts.source.coupon".to_owned(),
                ]);
            match after {
                Some(after) => list.starting_after(after).build(),
                None => list.build(),
            }
        };
        let pages = self
            .whole(request, parse_subscription, |page| {
                page.last().map(|last| last.id.clone())
            })
            .await?;
        Ok(pages.into_iter().flat_map(|page| page.items).collect())
    }

    /// What a customer paid for once, and whether there is more than was read.
    async fn purchases(&self, customer: &str) -> Result<(Vec<CheckoutSession>, bool), StripeError> {
        let mut purchases = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_SESSION_PAGES {
            let list = checkout::ListCheckoutSession::new()
                .customer(customer)
                .status(CheckoutSessionStatus::Complete)
                .limit(PAGE)
                .expand(PURCHASE_EXPAND.map(str::to_owned).to_vec());
            let list = match after.take() {
                Some(after) => list.starting_after(after),
                None => list,
            };
            let page = parse_page(&self.get(list.build()).await?, parse_session)?;
            after = page.items.last().map(|last| last.id.clone());
            purchases.extend(page.items.into_iter().filter(|session| session.mode == "payment"));
            if !page.has_more || after.is_none() {
                return Ok((purchases, false));
            }
        }
        Ok((purchases, true))
    }

    /// The newest invoices, those of the running periods whatever their number, and the latest one of each subscription that is not in order if it is older than those.
    async fn invoices(&self, customer: &str, subscriptions: &[Subscription]) -> Result<Vec<Invoice>, StripeError> {
        let list = invoice::ListInvoice::new().customer(customer).limit(NEWEST);
        let newest = parse_page(&self.get(list.build()).await?, parse_invoice)?;
        let mut invoices = newest.items;
        if newest.has_more {
            self.add_invoices_of_running_periods(customer, subscriptions, &mut invoices)
                .await?;
        }
        let overdue = |status: &SubscriptionStatus| {
            matches!(
                status,
                SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid | SubscriptionStatus::Incomplete
            )
        };
        for subscription in subscriptions
            .iter()
            .filter(|subscription| overdue(&subscription.status))
        {
            let Some(id) = &subscription.latest_invoice else {
                continue;
            };
            if !invoices.iter().any(|invoice| invoice.id == *id) {
                let json = self.get(invoice::RetrieveInvoice::new(checked(id)?).build()).await?;
                invoices.push(parse_invoice(&json)?);
            }
        }
        Ok(invoices)
    }
}

/// An id that may stand in a path. Some come from a reader's address bar.
pub(crate) fn checked(id: &str) -> Result<&str, StripeError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if (1..=MAX_ID_LENGTH).contains(&id.len()) && id.bytes().all(plain) {
        Ok(id)
    } else {
        Err(StripeError::NotFound)
    }
}

pub(crate) fn text(json: &Value, object: &'static str, field: &str) -> Result<String, StripeError> {
    let found = json.get(field).and_then(Value::as_str).map(str::to_owned);
    let missing = || ParseError {
        object,
        field: field.to_owned(),
        problem: "missing",
    };
    found.ok_or_else(|| missing().into())
}

#[async_trait]
impl Stripe for Gateway {
    fn in_background(&self) -> Option<Arc<dyn Stripe>> {
        Some(Arc::new(Self {
            transport: Arc::clone(&self.transport),
            livemode: self.livemode,
            portal_configuration: self.portal_configuration.clone(),
            urgency: Urgency::Background,
        }))
    }

    async fn customer_state(&self, id: &str) -> Result<CustomerState, StripeError> {
        let json = self.get(customer::RetrieveCustomer::new(checked(id)?).build()).await?;
        let customer = parse_customer(&json)?;
        let mut state = CustomerState {
            id: customer.id,
            deleted: customer.deleted,
            // A deleted customer no longer says; it can only be of the key's mode.
            livemode: if customer.deleted {
                self.livemode
            } else {
                customer.livemode
            },
            email: customer.email,
            metadata: customer.metadata,
            ..CustomerState::default()
        };
        if !state.deleted {
            state.subscriptions = self.subscriptions(id).await?;
            state.invoices = self.invoices(id, &state.subscriptions).await?;
            let sessions = checkout::ListCheckoutSession::new().customer(id).limit(NEWEST);
            state.sessions = parse_page(&self.get(sessions.build()).await?, parse_session)?.items;
            (state.purchases, state.more_purchases) = self.purchases(id).await?;
            self.read_reversals(&mut state).await?;
        }
        Ok(state)
    }

    async fn create_customer(&self, key: &IdempotencyKey, new: &NewCustomer) -> Result<String, StripeError> {
        let metadata = HashMap::from([(ACCOUNT_KEY.to_owned(), new.account.to_string())]);
        let mut request = customer::CreateCustomer::new().metadata(metadata);
        if let Some(email) = &new.email {
            request = request.email(email);
        }
        text(&self.post(request.build(), key).await?, "customer", "id")
    }

    async fn create_checkout_session(
        &self,
        key: &IdempotencyKey,
        new: &NewCheckout,
    ) -> Result<CheckoutSession, StripeError> {
        let metadata = HashMap::from([
            (ACCOUNT_KEY.to_owned(), new.account.to_string()),
            (ATTEMPT_KEY.to_owned(), new.attempt.to_string()),
        ]);
        let mut request = checkout::CreateCheckoutSession::new()
            .customer(&new.customer)
            .client_reference_id(new.account.as_str())
            .line_items(vec![selling::line(&new.price, &new.terms)?])
            .metadata(metadata.clone())
            .success_url(&new.success_url)
            .cancel_url(&new.cancel_url);
        if let Some(Ok(locale)) = new
            .locale
            .as_deref()
            .map(str::parse::<stripe_checkout::CheckoutSessionLocale>)
        {
            request = request.locale(locale);
        }
        // Stripe does not copy a session's metadata to its subscription or payment.
        let request = if new.once {
            let mut payment = checkout::CreateCheckoutSessionPaymentIntentData::new();
            payment.metadata = Some(metadata);
            let request = request.mode(CheckoutSessionMode::Payment).payment_intent_data(payment);
            selling::once_with_terms(request, &new.terms)?
        } else {
            let mut subscription = checkout::CreateCheckoutSessionSubscriptionData::new();
            subscription.metadata = Some(metadata);
            let request = request.mode(CheckoutSessionMode::Subscription);
            selling::with_terms(request, subscription, &new.terms)?
        };
        Ok(parse_session(&self.post(request.build(), key).await?)?)
    }

    async fn checkout_session(&self, id: &str) -> Result<CheckoutSession, StripeError> {
        let request = checkout::RetrieveCheckoutSession::new(checked(id)?);
        Ok(parse_session(&self.get(request.build()).await?)?)
    }

    async fn expire_checkout_session(&self, id: &str) -> Result<CheckoutSession, StripeError> {
        let request = checkout::ExpireCheckoutSession::new(checked(id)?);
        // Ending a session twice ends it once, so its id is a key for ever.
        let key = IdempotencyKey::new(format!("expire.{id}"));
        Ok(parse_session(&self.post(request.build(), &key).await?)?)
    }

    async fn create_portal_session(
        &self,
        key: &IdempotencyKey,
        customer: &str,
        return_url: &str,
    ) -> Result<String, StripeError> {
        let mut request = portal::CreateBillingPortalSession::new()
            .customer(customer)
            .return_url(return_url);
        if let Some(configuration) = &self.portal_configuration {
            request = request.configuration(configuration);
        }
        text(&self.post(request.build(), key).await?, "billing_portal.session", "url")
    }

    async fn update_subscription(
        &self,
        key: &IdempotencyKey,
        id: &str,
        change: SubscriptionChange,
    ) -> Result<Subscription, StripeError> {
        let request = sub::UpdateSubscription::new(checked(id)?);
        let request = match change {
            SubscriptionChange::CancelAtPeriodEnd(end) => request.cancel_at_period_end(end),
            SubscriptionChange::PriceAsShown(change) => selling::change(checked(id)?, change),
            SubscriptionChange::Price { item, price } => {
                let mut line = sub::UpdateSubscriptionItems::new();
                line.id = Some(item);
                line.price = Some(price);
                // The items change only once the difference is paid.
                request
                    .items(vec![line])
                    .payment_behavior(sub::UpdateSubscriptionPaymentBehavior::PendingIfIncomplete)
            }
        };
        Ok(parse_subscription(&self.post(request.build(), key).await?)?)
    }

    async fn cancel_subscription(&self, id: &str, comment: &str) -> Result<Subscription, StripeError> {
        self.cancel(id, comment).await
    }

    async fn create_refund(&self, key: &IdempotencyKey, new: &NewRefund) -> Result<Refund, StripeError> {
        self.refund(key, new).await
    }

    async fn void_invoice(&self, key: &IdempotencyKey, id: &str) -> Result<Invoice, StripeError> {
        self.void(key, id).await
    }

    async fn invoice_payments(&self, invoice: &str) -> Result<Vec<InvoicePayment>, StripeError> {
        self.payments_of(invoice).await
    }

    async fn customer_of(&self, object: &str) -> Result<Option<String>, StripeError> {
        self.owner(object).await
    }

    async fn preview_price_change(&self, change: &PriceChange) -> Result<ChangePreview, StripeError> {
        self.preview(change).await
    }

    async fn promotion_code(&self, code: &str) -> Result<Option<PromotionCode>, StripeError> {
        self.find_promotion_code(code).await
    }

    async fn list_prices(&self) -> Result<Vec<Price>, StripeError> {
        let request = |after: Option<String>| {
            let list = price::ListPrice::new().active(true).limit(PAGE);
            match after {
                Some(after) => list.starting_after(after).build(),
                None => list.build(),
            }
        };
        let pages = self
            .whole(request, parse_price, |page| page.last().map(|last| last.id.clone()))
            .await?;
        Ok(pages.into_iter().flat_map(|page| page.items).collect())
    }

    async fn list_events(&self, after: Option<&str>) -> Result<Vec<EventEnvelope>, StripeError> {
        let list = || event::ListEvent::new().limit(PAGE);
        if let Some(mark) = after {
            // Going towards newer events, each page is newer than the one before it.
            let request = |newer: Option<String>| list().ending_before(newer.as_deref().unwrap_or(mark)).build();
            let newest = |page: &[EventEnvelope]| page.first().map(|first| first.id.clone());
            match self.whole(request, EventEnvelope::from_json, newest).await {
                Ok(pages) => {
                    return Ok(pages.into_iter().rev().flat_map(|page| page.items).collect());
                }
                Err(StripeError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        let request = |older: Option<String>| match older {
            Some(older) => list().starting_after(older).build(),
            None => list().build(),
        };
        let oldest = |page: &[EventEnvelope]| page.last().map(|last| last.id.clone());
        let pages = self.whole(request, EventEnvelope::from_json, oldest).await?;
        Ok(pages.into_iter().flat_map(|page| page.items).collect())
    }

    async fn list_invoices(&self, starting_after: Option<&str>) -> Result<Page<Invoice>, StripeError> {
        let mut request = invoice::ListInvoice::new().limit(PAGE);
        if let Some(after) = starting_after {
            request = request.starting_after(after);
        }
        Ok(parse_page(&self.get(request.build()).await?, parse_invoice)?)
    }

    async fn list_customers(&self, starting_after: Option<&str>) -> Result<Page<Customer>, StripeError> {
        let mut request = customer::ListCustomer::new().limit(PAGE);
        if let Some(after) = starting_after {
            request = request.starting_after(after);
        }
        Ok(parse_page(&self.get(request.build()).await?, parse_customer)?)
    }

    async fn list_subscriptions(&self, starting_after: Option<&str>) -> Result<Page<Subscription>, StripeError> {
        let mut request = sub::ListSubscription::new()
            .status(sub::ListSubscriptionStatus::All)
            .limit(PAGE);
        if let Some(after) = starting_after {
            request = request.starting_after(after);
        }
        Ok(parse_page(&self.get(request.build()).await?, parse_subscription)?)
    }

    async fn create_product(
        &self,
        key: &IdempotencyKey,
        name: &str,
        metadata: &[(String, String)],
    ) -> Result<String, StripeError> {
        let metadata: HashMap<String, String> = metadata.iter().cloned().collect();
        let request = product::CreateProduct::new(name).metadata(metadata);
        text(&self.post(request.build(), key).await?, "product", "id")
    }

    async fn create_price(&self, key: &IdempotencyKey, new: &NewPrice) -> Result<String, StripeError> {
        let currency = selling::currency(&new.currency)?;
        let mut recurring = price::CreatePriceRecurring::new(match new.interval {
            Interval::Day => price::CreatePriceRecurringInterval::Day,
            Interval::Week => price::CreatePriceRecurringInterval::Week,
            Interval::Month => price::CreatePriceRecurringInterval::Month,
            Interval::Year => price::CreatePriceRecurringInterval::Year,
        });
        recurring.interval_count = Some(u64::from(new.interval_count));
        let mut request = price::CreatePrice::new(currency)
            .product(&new.product)
            .unit_amount(new.unit_amount_minor)
            .lookup_key(&new.lookup_key);
        if !new.once {
            request = request.recurring(recurring);
        }
        text(&self.post(request.build(), key).await?, "price", "id")
    }
}
