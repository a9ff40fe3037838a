//! Webhook endpoints and their secrets.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::check_loopback_url;
use crate::error::{ApiError, ApiResult};
use crate::event::{API_VERSION, matches};
use crate::list;
use crate::params::{Metadata, Params};
use crate::state::State;

/// While a secret is rolled, the old one signs as well for so long.
const OVERLAP_SECONDS: i64 = 86_400;
const MAX_ENDPOINTS: usize = 16;
/// The endpoint that the configuration describes.
pub(crate) const CONFIGURED: &str = "we_configured";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) url: String,
    pub(crate) secret: String,
    /// The secret before the last roll, and until when it signs too.
    pub(crate) previous: Option<(String, i64)>,
    /// The secret that the configuration gave, to notice when it changes.
    pub(crate) configured: Option<String>,
    pub(crate) enabled_events: Vec<String>,
    pub(crate) enabled: bool,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    /// The API version that it is pinned to; the account's own, whatever that is, if none.
    #[serde(default = "pinned")]
    pub(crate) api_version: Option<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's own type")]
fn pinned() -> Option<String> {
    Some(API_VERSION.to_owned())
}

impl Endpoint {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": self.api_version,
            "application": null,
            "created": self.created,
            "description": self.description,
            "enabled_events": self.enabled_events,
            "livemode": false,
            "metadata": self.metadata,
            "status": if self.enabled { "enabled" } else { "disabled" },
            "url": self.url,
        })
    }

    pub(crate) fn wants(&self, kind: &str) -> bool {
        self.enabled && self.enabled_events.iter().any(|pattern| matches(pattern, kind))
    }

    /// The secrets that sign now, the newest first.
    pub(crate) fn secrets(&self, now: i64) -> Vec<&str> {
        let old = self
            .previous
            .as_ref()
            .filter(|(_, until)| now < *until)
            .map(|(secret, _)| secret.as_str());
        std::iter::once(self.secret.as_str()).chain(old).collect()
    }
}

impl State {
    /// Makes the configured endpoint what the configuration says. A secret rolled in the panel outlives a restart as
    /// long as the configuration still gives the secret it gave before.
    pub(crate) fn configure_endpoint(&mut self, url: Option<&str>, secret: &str) {
        let Some(url) = url else {
            self.endpoints.remove(CONFIGURED);
            return;
        };
        let fresh = Endpoint {
            id: CONFIGURED.to_owned(),
            created: self.now,
            url: url.to_owned(),
            secret: secret.to_owned(),
            previous: None,
            configured: Some(secret.to_owned()),
            enabled_events: vec!["*".to_owned()],
            enabled: true,
            description: Some("From the sandbox's configuration".to_owned()),
            metadata: Metadata::new(),
            api_version: pinned(),
        };
        match self.endpoints.get_mut(CONFIGURED) {
            Some(known) if known.configured.as_deref() == Some(secret) => url.clone_into(&mut known.url),
            _ => {
                self.endpoints.insert(CONFIGURED.to_owned(), fresh);
            }
        }
    }

    /// Gives an endpoint a new secret; the old one signs along for a day.
    pub(crate) fn roll_secret(&mut self, id: &str) -> Option<String> {
        self.counter += 1;
        let secret = format!("whsec_sandbox{}", self.scatter(&format!("secret{}", self.counter), 32));
        let until = self.now + OVERLAP_SECONDS;
        let endpoint = self.endpoints.get_mut(id)?;
        let old = std::mem::replace(&mut endpoint.secret, secret.clone());
        endpoint.previous = Some((old, until));
        self.changed = true;
        Some(secret)
    }
}

fn read_url(params: &Params) -> Result<String, ApiError> {
    let url = params.required("url")?;
    check_loopback_url("url", url)
        .map_err(|error| ApiError::invalid(format!("Invalid URL: {error}"), Some("url")).with_code("url_invalid"))?;
    Ok(url.to_owned())
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&["url", "enabled_events[#]", "api_version", "description", "metadata[*]"])?;
    let url = read_url(params)?;
    let enabled_events: Vec<String> = params.list("enabled_events").into_iter().map(str::to_owned).collect();
    if enabled_events.is_empty() {
        return Err(ApiError::missing("enabled_events"));
    }
    params.choice("api_version", &[API_VERSION])?;
    if state.endpoints.len() >= MAX_ENDPOINTS {
        return Err(ApiError::invalid(
            format!("You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints."),
            None,
        ));
    }
    let metadata = params.metadata("metadata")?;
    let id = state.new_id("we", 10);
    let secret = format!("whsec_sandbox{}", state.scatter(&id, 32));
    let endpoint = Endpoint {
        id: id.clone(),
        created: state.now,
        url,
        secret: secret.clone(),
        previous: None,
        configured: None,
        enabled_events,
        enabled: true,
        description: params.text("description").map(str::to_owned),
        metadata,
        api_version: params.text("api_version").map(str::to_owned),
    };
    let mut shown = endpoint.render();
    state.endpoints.insert(id, endpoint);
    // Stripe shows the secret in this answer only.
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("secret".into(), json!(secret));
    }
    Ok(shown)
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    state
        .endpoints
        .get(id)
        .map(Endpoint::render)
        .ok_or_else(|| ApiError::no_such("webhook endpoint", id))
}

pub(crate) fn update(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&[
        "url",
        "enabled_events[#]",
        "disabled",
        "description",
        "metadata",
        "metadata[*]",
    ])?;
    let mut endpoint = state
        .endpoints
        .get(id)
        .ok_or_else(|| ApiError::no_such("webhook endpoint", id))?
        .clone();
    if params.raw("url").is_some() {
        endpoint.url = read_url(params)?;
    }
    let kinds = params.list("enabled_events");
    if !kinds.is_empty() {
        endpoint.enabled_events = kinds.into_iter().map(str::to_owned).collect();
    }
    endpoint.enabled = params
        .boolean("disabled")?
        .map_or(endpoint.enabled, |disabled| !disabled);
    params.change_text("description", &mut endpoint.description);
    params.change_metadata("metadata", &mut endpoint.metadata)?;
    let shown = endpoint.render();
    state.endpoints.insert(id.to_owned(), endpoint);
    Ok(shown)
}

pub(crate) fn delete(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    state
        .endpoints
        .remove(id)
        .ok_or_else(|| ApiError::no_such("webhook endpoint", id))?;
    Ok(json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&[])?;
    let table = &state.endpoints;
    list::page(
        "webhook endpoint",
        "/v1/webhook_endpoints",
        params,
        table,
        |_| true,
        |one| one.created,
        Endpoint::render,
    )
}
