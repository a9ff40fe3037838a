//! What is asked of Stripe when an account is set up or looked at: endpoints, the portal's configuration, tax.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use latchkey_entitlement::Timestamp;
use serde_json::Value;

use crate::{
    api::{IdempotencyKey, Stripe, StripeError},
    parse::{ParseError, Reader},
    stripe::{Price, Product},
};

/// Name in Stripe metadata under which a product carries the id of our plan.
pub const PLAN_KEY: &str = "latchkey_plan";
/// Name in Stripe metadata by which set-up knows what it made: the idempotency key under which it was made.
pub const MADE_KEY: &str = "latchkey_made";

/// A webhook endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// `we_…`.
    pub id: String,
    /// Where events are sent.
    pub url: String,
    /// Whether they are sent at all.
    pub enabled: bool,
    /// The API version that events are written in; `None` if it is the account's own, which may be years old.
    pub api_version: Option<String>,
    /// Types of the events that are sent.
    pub enabled_events: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

/// The secret that an endpoint signs with. Stripe shows it once, in the answer that makes the endpoint. Printed redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointSecret(String);

impl EndpointSecret {
    /// From Stripe's answer.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, for whoever keeps it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EndpointSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointSecret(redacted)")
    }
}

/// An endpoint to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Where events are sent.
    pub url: String,
    /// The API version that it is pinned to, for ever.
    pub api_version: String,
    /// Types of the events that are sent.
    pub events: Vec<String>,
}

/// What can be changed of an endpoint in place, its secret staying as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointChange {
    /// Types of the events that are sent from now on.
    pub events: Vec<String>,
    /// Whether they are sent at all.
    pub enabled: bool,
}

/// What readers can do in Stripe's portal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortalFeatures {
    /// What they can change of their own details, sorted; empty if nothing.
    pub customer_update: Vec<String>,
    /// Whether they see their invoices.
    pub invoice_history: bool,
    /// Whether they can change their card.
    pub payment_method_update: bool,
    /// How they can cancel: `at_period_end` or `immediately`; `None` if they cannot.
    pub subscription_cancel: Option<String>,
    /// Whether they can change to another price.
    pub subscription_update: bool,
}

impl PortalFeatures {
    /// What Latchkey wants of the portal: readers mend what stops a payment and end what they no longer want, with the period they
    /// paid for. A price is changed on the account page, where the difference is told first.
    pub fn wanted() -> Self {
        Self {
            customer_update: ["address", "email", "tax_id"].map(str::to_owned).to_vec(),
            invoice_history: true,
            payment_method_update: true,
            subscription_cancel: Some("at_period_end".to_owned()),
            subscription_update: false,
        }
    }
}

/// A configuration of Stripe's portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalConfiguration {
    /// `bpc_…`.
    pub id: String,
    /// Whether sessions can use it.
    pub active: bool,
    /// Whether sessions that name none use it.
    pub is_default: bool,
    /// What readers can do.
    pub features: PortalFeatures,
    /// Where the portal leads back to.
    pub return_url: Option<String>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

/// Whether Stripe could calculate tax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxSettings {
    /// Whether Stripe Tax is ready for use.
    pub active: bool,
    /// What Stripe still wants to know, in its own names.
    pub missing_fields: Vec<String>,
}

/// Stripe, as far as an account is set up and looked at. Apart from [`Stripe`], which the running program needs.
#[async_trait]
pub trait StripeSetup: Stripe {
    /// Every product, archived ones included.
    async fn products(&self) -> Result<Vec<Product>, StripeError>;

    /// The prices that have one of these lookup keys, archived ones included.
    async fn prices_by_lookup_key(&self, keys: &[String]) -> Result<Vec<Price>, StripeError>;

    /// A price by its id, archived ones included; `None` if Stripe has none in the key's mode.
    async fn price(&self, id: &str) -> Result<Option<Price>, StripeError>;

    /// Every webhook endpoint.
    async fn endpoints(&self) -> Result<Vec<WebhookEndpoint>, StripeError>;

    /// Makes an endpoint; [`MADE_KEY`] in its metadata is the key. The same key gives the same endpoint with the same secret for as long
    /// as Stripe keeps it.
    async fn create_endpoint(
        &self,
        key: &IdempotencyKey,
        new: &NewEndpoint,
    ) -> Result<(WebhookEndpoint, EndpointSecret), StripeError>;

    /// Changes an endpoint in place.
    async fn change_endpoint(&self, id: &str, change: &EndpointChange) -> Result<(), StripeError>;

    /// Every configuration of the portal.
    async fn portal_configurations(&self) -> Result<Vec<PortalConfiguration>, StripeError>;

    /// Makes a configuration of the portal and gives its id; [`MADE_KEY`] in its metadata is the key.
    async fn create_portal_configuration(
        &self,
        key: &IdempotencyKey,
        features: &PortalFeatures,
        return_url: &str,
    ) -> Result<String, StripeError>;

    /// Changes a configuration of the portal in place.
    async fn change_portal_configuration(
        &self,
        id: &str,
        features: &PortalFeatures,
        return_url: &str,
    ) -> Result<(), StripeError>;

    /// The account's tax settings.
    async fn tax_settings(&self) -> Result<TaxSettings, StripeError>;
}

/// Reads a webhook endpoint.
pub fn parse_endpoint(json: &Value) -> Result<WebhookEndpoint, ParseError> {
    let it = Reader::new("webhook_endpoint", json)?;
    Ok(WebhookEndpoint {
        id: it.text("id")?,
        url: it.text("url")?,
        enabled: it.text("status")? == "enabled",
        api_version: it.opt_text("api_version")?,
        enabled_events: it.words("enabled_events")?,
        created: it.time("created")?,
        metadata: it.metadata()?,
    })
}

/// Reads a configuration of the portal.
pub fn parse_portal_configuration(json: &Value) -> Result<PortalConfiguration, ParseError> {
    let it = Reader::new("billing_portal.configuration", json)?;
    let on = |feature: &str| it.flag(&format!("features.{feature}.enabled"));
    let mut updates = if on("customer_update")? {
        it.words("features.customer_update.allowed_updates")?
    } else {
        Vec::new()
    };
    updates.sort();
    let cancel = if on("subscription_cancel")? {
        Some(it.text("features.subscription_cancel.mode")?)
    } else {
        None
    };
    Ok(PortalConfiguration {
        id: it.text("id")?,
        active: it.flag("active")?,
        is_default: it.flag("is_default")?,
        features: PortalFeatures {
            customer_update: updates,
            invoice_history: on("invoice_history")?,
            payment_method_update: on("payment_method_update")?,
            subscription_cancel: cancel,
            subscription_update: on("subscription_update")?,
        },
        return_url: it.opt_text("default_return_url")?,
        metadata: it.metadata()?,
    })
}

/// Reads tax settings.
pub fn parse_tax_settings(json: &Value) -> Result<TaxSettings, ParseError> {
    let it = Reader::new("tax.settings", json)?;
    Ok(TaxSettings {
        active: it.text("status")? == "active",
        missing_fields: it.words("status_details.pending.missing_fields")?,
    })
}
