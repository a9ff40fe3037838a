//! [`StripeSetup`] over HTTP. Requests are plain forms: async-stripe's typed ones for endpoints and the portal's configuration live in
//! crates that nothing else here needs.

use async_trait::async_trait;
use latchkey_billing::{
    EndpointChange, EndpointSecret, IdempotencyKey, MADE_KEY, NewEndpoint, ParseError, PortalConfiguration,
    PortalFeatures, Price, Product, StripeError, StripeSetup, TaxSettings, WebhookEndpoint, parse_endpoint, parse_page,
    parse_portal_configuration, parse_price, parse_product, parse_tax_settings,
};
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};
use url::form_urlencoded::Serializer;

use crate::gateway::{Gateway, checked, text};

/// Most lookup keys that Stripe takes in one list.
const MAX_LOOKUP_KEYS: usize = 10;

fn encoded(pairs: &[(String, String)]) -> String {
    let mut form = Serializer::new(String::new());
    for (name, value) in pairs {
        form.append_pair(name, value);
    }
    form.finish()
}

pub(crate) fn list(path: &str, pairs: &[(String, String)], after: Option<String>) -> RequestBuilder {
    let mut request = RequestBuilder::new(StripeMethod::Get, path);
    let mut query = pairs.to_vec();
    query.push(("limit".to_owned(), "100".to_owned()));
    query.extend(after.map(|after| ("starting_after".to_owned(), after)));
    request.query = Some(encoded(&query));
    request
}

fn form(path: &str, pairs: &[(String, String)]) -> RequestBuilder {
    let mut request = RequestBuilder::new(StripeMethod::Post, path);
    request.body = Some(encoded(pairs));
    request
}

fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn numbered<'a>(name: &str, values: impl IntoIterator<Item = &'a String>) -> Vec<(String, String)> {
    let values = values.into_iter().enumerate();
    values
        .map(|(index, value)| (format!("{name}[{index}]"), value.clone()))
        .collect()
}

/// The features as Stripe names them.
fn portal(features: &PortalFeatures, return_url: &str) -> Vec<(String, String)> {
    let on = |feature: &str, enabled: bool| pair(&format!("features[{feature}][enabled]"), enabled.to_string());
    let mut pairs = vec![
        pair("default_return_url", return_url),
        on("customer_update", !features.customer_update.is_empty()),
        on("invoice_history", features.invoice_history),
        on("payment_method_update", features.payment_method_update),
        on("subscription_cancel", features.subscription_cancel.is_some()),
        on("subscription_update", features.subscription_update),
    ];
    pairs.extend(
        features
            .subscription_cancel
            .iter()
            .map(|mode| pair("features[subscription_cancel][mode]", mode)),
    );
    pairs.extend(numbered(
        "features[customer_update][allowed_updates]",
        &features.customer_update,
    ));
    pairs
}

fn id(json: &Value) -> Result<String, ParseError> {
    let id = json.get("id").and_then(Value::as_str).map(str::to_owned);
    id.ok_or_else(|| ParseError {
        object: "list entry",
        field: "id".to_owned(),
        problem: "missing",
    })
}

impl Gateway {
    /// A whole list as JSON, read to its end and then narrowly: no cursor is needed of the type.
    async fn whole_list<T>(
        &self,
        path: &str,
        pairs: &[(String, String)],
        entry: fn(&Value) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, StripeError> {
        let request = |after| list(path, pairs, after);
        let cursor = |page: &[Value]| page.last().and_then(|last| id(last).ok());
        let pages = self.whole(request, |json| Ok(json.clone()), cursor).await?;
        let entries = pages.iter().flat_map(|page| &page.items);
        entries.map(|json| entry(json).map_err(StripeError::from)).collect()
    }
}

#[async_trait]
impl StripeSetup for Gateway {
    async fn products(&self) -> Result<Vec<Product>, StripeError> {
        self.whole_list("/products", &[], parse_product).await
    }

    async fn prices_by_lookup_key(&self, keys: &[String]) -> Result<Vec<Price>, StripeError> {
        let mut prices = Vec::new();
        for keys in keys.chunks(MAX_LOOKUP_KEYS) {
            let request = list("/prices", &numbered("lookup_keys", keys), None);
            prices.extend(parse_page(&self.get(request).await?, parse_price)?.items);
        }
        Ok(prices)
    }

    async fn price(&self, id: &str) -> Result<Option<Price>, StripeError> {
        Self::price(self, id).await
    }

    async fn endpoints(&self) -> Result<Vec<WebhookEndpoint>, StripeError> {
        self.whole_list("/webhook_endpoints", &[], parse_endpoint).await
    }

    async fn create_endpoint(
        &self,
        key: &IdempotencyKey,
        new: &NewEndpoint,
    ) -> Result<(WebhookEndpoint, EndpointSecret), StripeError> {
        let mut pairs = vec![
            pair("url", &new.url),
            pair("api_version", &new.api_version),
            pair("description", "Latchkey"),
            pair(&format!("metadata[{MADE_KEY}]"), key.as_str()),
        ];
        pairs.extend(numbered("enabled_events", &new.events));
        let json = self.post(form("/webhook_endpoints", &pairs), key).await?;
        let secret = EndpointSecret::new(text(&json, "webhook_endpoint", "secret")?);
        Ok((parse_endpoint(&json)?, secret))
    }

    async fn change_endpoint(&self, id: &str, change: &EndpointChange) -> Result<(), StripeError> {
        let mut pairs = vec![pair("disabled", (!change.enabled).to_string())];
        pairs.extend(numbered("enabled_events", &change.events));
        // Saying the same twice changes nothing the second time, so that no key is needed; without one it is sent once.
        let request = form(&format!("/webhook_endpoints/{}", checked(id)?), &pairs);
        self.post_once(request).await.map(drop)
    }

    async fn portal_configurations(&self) -> Result<Vec<PortalConfiguration>, StripeError> {
        self.whole_list("/billing_portal/configurations", &[], parse_portal_configuration)
            .await
    }

    async fn create_portal_configuration(
        &self,
        key: &IdempotencyKey,
        features: &PortalFeatures,
        return_url: &str,
    ) -> Result<String, StripeError> {
        let mut pairs = portal(features, return_url);
        pairs.push(pair(&format!("metadata[{MADE_KEY}]"), key.as_str()));
        let json = self.post(form("/billing_portal/configurations", &pairs), key).await?;
        text(&json, "billing_portal.configuration", "id")
    }

    async fn change_portal_configuration(
        &self,
        id: &str,
        features: &PortalFeatures,
        return_url: &str,
    ) -> Result<(), StripeError> {
        let path = format!("/billing_portal/configurations/{}", checked(id)?);
        let request = form(&path, &portal(features, return_url));
        self.post_once(request).await.map(drop)
    }

    async fn tax_settings(&self) -> Result<TaxSettings, StripeError> {
        let json = self
            .get(RequestBuilder::new(StripeMethod::Get, "/tax/settings"))
            .await?;
        Ok(parse_tax_settings(&json)?)
    }
}
