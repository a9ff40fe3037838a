//! Configurations of the customer portal.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::state::State;

/// The configuration that the account's owner saved in the dashboard, which sessions use unless they name another.
pub(crate) const DEFAULT: &str = "bpc_1Ssandbox";

const FIELDS: [&str; 19] = [
    "business_profile[headline]",
    "business_profile[privacy_policy_url]",
    "business_profile[terms_of_service_url]",
    "default_return_url",
    "features[customer_update][allowed_updates]",
    "features[customer_update][allowed_updates][#]",
    "features[customer_update][enabled]",
    "features[invoice_history][enabled]",
    "features[payment_method_update][enabled]",
    "features[subscription_cancel][enabled]",
    "features[subscription_cancel][mode]",
    "features[subscription_cancel][proration_behavior]",
    "features[subscription_update][default_allowed_updates]",
    "features[subscription_update][default_allowed_updates][#]",
    "features[subscription_update][enabled]",
    "features[subscription_update][proration_behavior]",
    "metadata",
    "metadata[*]",
    "name",
];
const CUSTOMER_UPDATES: [&str; 6] = ["address", "email", "name", "phone", "shipping", "tax_id"];
const SUBSCRIPTION_UPDATES: [&str; 3] = ["price", "promotion_code", "quantity"];
const PRORATIONS: [&str; 3] = ["always_invoice", "create_prorations", "none"];

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct PortalConfiguration {
    id: String,
    created: i64,
    updated: i64,
    active: bool,
    is_default: bool,
    name: Option<String>,
    headline: Option<String>,
    privacy_policy_url: Option<String>,
    terms_of_service_url: Option<String>,
    default_return_url: Option<String>,
    customer_update: bool,
    customer_updates: Vec<String>,
    invoice_history: bool,
    payment_method_update: bool,
    cancel: bool,
    cancel_mode: Option<String>,
    cancel_proration: Option<String>,
    subscription_update: bool,
    subscription_updates: Vec<String>,
    subscription_proration: Option<String>,
    metadata: Metadata,
}

impl PortalConfiguration {
    /// What the dashboard's form holds when it is saved unchanged.
    fn saved_in_dashboard(now: i64) -> Self {
        Self {
            id: DEFAULT.to_owned(),
            created: now,
            updated: now,
            active: true,
            is_default: true,
            customer_update: true,
            customer_updates: vec!["email".to_owned(), "tax_id".to_owned()],
            invoice_history: true,
            payment_method_update: true,
            cancel: true,
            ..Self::default()
        }
    }

    fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "billing_portal.configuration",
            "active": self.active,
            "application": null,
            "business_profile": {
                "headline": self.headline,
                "privacy_policy_url": self.privacy_policy_url,
                "terms_of_service_url": self.terms_of_service_url,
            },
            "created": self.created,
            "default_return_url": self.default_return_url,
            "features": {
                "customer_update": { "allowed_updates": self.customer_updates, "enabled": self.customer_update },
                "invoice_history": { "enabled": self.invoice_history },
                "payment_method_update": {
                    "enabled": self.payment_method_update, "payment_method_configuration": null,
                },
                "subscription_cancel": {
                    "cancellation_reason": { "enabled": false, "options": [] },
                    "enabled": self.cancel,
                    "mode": self.cancel_mode.as_deref().unwrap_or("at_period_end"),
                    "proration_behavior": self.cancel_proration.as_deref().unwrap_or("none"),
                },
                "subscription_update": {
                    "billing_cycle_anchor": null,
                    "default_allowed_updates": self.subscription_updates,
                    "enabled": self.subscription_update,
                    "proration_behavior": self.subscription_proration.as_deref().unwrap_or("none"),
                    "schedule_at_period_end": { "conditions": [] },
                    "trial_update_behavior": "end_trial",
                },
            },
            "is_default": self.is_default,
            "livemode": false,
            "login_page": { "enabled": false, "url": null },
            "metadata": self.metadata,
            "name": self.name,
            "updated": self.updated,
        })
    }

    fn change(&mut self, params: &Params) -> Result<(), ApiError> {
        params.change_text("name", &mut self.name);
        params.change_text("business_profile[headline]", &mut self.headline);
        for (name, address) in [
            ("business_profile[privacy_policy_url]", &mut self.privacy_policy_url),
            ("business_profile[terms_of_service_url]", &mut self.terms_of_service_url),
            ("default_return_url", &mut self.default_return_url),
        ] {
            if params.raw(name).is_some() {
                *address = params.address(name)?;
            }
        }
        for (name, flag) in [
            ("features[customer_update][enabled]", &mut self.customer_update),
            ("features[invoice_history][enabled]", &mut self.invoice_history),
            (
                "features[payment_method_update][enabled]",
                &mut self.payment_method_update,
            ),
            ("features[subscription_cancel][enabled]", &mut self.cancel),
            ("features[subscription_update][enabled]", &mut self.subscription_update),
        ] {
            *flag = params.boolean(name)?.unwrap_or(*flag);
        }
        let lists = [
            (
                "features[customer_update][allowed_updates]",
                &mut self.customer_updates,
                &CUSTOMER_UPDATES[..],
            ),
            (
                "features[subscription_update][default_allowed_updates]",
                &mut self.subscription_updates,
                &SUBSCRIPTION_UPDATES[..],
            ),
        ];
        for (name, list, known) in lists {
            if let Some(given) = params.nested_list(name) {
                if let Some(odd) = given.iter().find(|word| !known.contains(word)) {
                    let all = known.join(", ");
                    return Err(ApiError::invalid(
                        format!("Invalid {name}[0]: must be one of {all} (was {odd})"),
                        Some(name),
                    ));
                }
                *list = given.into_iter().map(str::to_owned).collect();
            }
        }
        let choices = [
            (
                "features[subscription_cancel][mode]",
                &mut self.cancel_mode,
                &["at_period_end", "immediately"][..],
            ),
            (
                "features[subscription_cancel][proration_behavior]",
                &mut self.cancel_proration,
                &PRORATIONS[..],
            ),
            (
                "features[subscription_update][proration_behavior]",
                &mut self.subscription_proration,
                &PRORATIONS[..],
            ),
        ];
        for (name, choice, known) in choices {
            if let Some(given) = params.choice(name, known)? {
                *choice = Some(given.to_owned());
            }
        }
        params.change_metadata("metadata", &mut self.metadata)?;
        if self.customer_update && self.customer_updates.is_empty() {
            return Err(ApiError::missing("features[customer_update][allowed_updates]"));
        }
        if self.subscription_update {
            let message = "The sandbox has no portal that changes subscriptions by configuration yet.";
            return Err(ApiError::invalid(
                message,
                Some("features[subscription_update][enabled]"),
            ));
        }
        Ok(())
    }
}

impl State {
    /// Saves the portal's settings as the dashboard does, unless they were saved before.
    pub(crate) fn save_portal_default(&mut self) {
        let now = self.now;
        self.portal_configurations
            .entry(DEFAULT.to_owned())
            .or_insert_with(|| PortalConfiguration::saved_in_dashboard(now));
    }

    /// Forgets that the portal's settings were ever saved in the dashboard.
    pub(crate) fn forget_portal_default(&mut self) {
        self.portal_configurations.remove(DEFAULT);
        self.no_portal_default = true;
        self.changed = true;
    }

    /// The configuration of a new session: the one that is named, or the default one.
    pub(crate) fn portal_configuration(&self, named: Option<&str>) -> Result<String, ApiError> {
        let table = &self.portal_configurations;
        let Some(id) = named else {
            let default = table.values().find(|one| one.is_default);
            return default.map(|one| one.id.clone()).ok_or_else(|| {
                ApiError::invalid(
                    "No configuration provided and your test mode default configuration has not been created. Provide a configuration or create your default by saving your customer portal settings in test mode at https://dashboard.stripe.com/test/settings/billing/portal.",
                    None,
                )
            });
        };
        match table.get(id) {
            Some(one) if one.active => Ok(id.to_owned()),
            Some(_) => Err(ApiError::invalid(
                format!("The configuration `{id}` is not active."),
                Some("configuration"),
            )),
            None => Err(ApiError::no_such_param("configuration", id, "configuration")),
        }
    }
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&FIELDS)?;
    if !params.any_below("features") {
        return Err(ApiError::missing("features"));
    }
    let mut configuration = PortalConfiguration {
        active: true,
        created: state.now,
        updated: state.now,
        ..PortalConfiguration::default()
    };
    configuration.change(params)?;
    let id = state.new_id("bpc", 10);
    configuration.id.clone_from(&id);
    let shown = configuration.render();
    state.portal_configurations.insert(id, configuration);
    state.emit("billing_portal.configuration.created", shown.clone());
    Ok(shown)
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    let found = state.portal_configurations.get(id);
    found
        .map(PortalConfiguration::render)
        .ok_or_else(|| ApiError::no_such("configuration", id))
}

pub(crate) fn update(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&[&FIELDS[..], &["active"]].concat())?;
    let found = state.portal_configurations.get(id);
    let mut configuration = found.ok_or_else(|| ApiError::no_such("configuration", id))?.clone();
    let before = configuration.render();
    configuration.change(params)?;
    let active = params.boolean("active")?.unwrap_or(configuration.active);
    if configuration.is_default && !active {
        return Err(ApiError::invalid(
            "You cannot deactivate the default configuration.",
            Some("active"),
        ));
    }
    configuration.active = active;
    configuration.updated = state.now;
    let after = configuration.render();
    state.portal_configurations.insert(id.to_owned(), configuration);
    state.emit_change("billing_portal.configuration.updated", before, after.clone());
    Ok(after)
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["active", "is_default"])?;
    let (active, default) = (params.boolean("active")?, params.boolean("is_default")?);
    list::page(
        "configuration",
        "/v1/billing_portal/configurations",
        params,
        &state.portal_configurations,
        |one| {
            active.is_none_or(|active| one.active == active) && default.is_none_or(|default| one.is_default == default)
        },
        |one| one.created,
        PortalConfiguration::render,
    )
}
