//! The account that the key belongs to, and its tax settings.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::params::Params;
use crate::state::State;

/// A tax code that Stripe uses where a product names none: "general, services".
const DEFAULT_TAX_CODE: &str = "txcd_10000000";

/// Where the business is, and how its prices are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaxSettings {
    country: Option<String>,
    postal_code: Option<String>,
    state: Option<String>,
    tax_behavior: Option<String>,
    tax_code: Option<String>,
}

impl TaxSettings {
    /// What Stripe still has to be told before it calculates a tax.
    fn missing(&self) -> Vec<&'static str> {
        let given = [
            (self.country.is_some(), "head_office"),
            (self.tax_code.is_some(), "defaults.tax_code"),
        ];
        given
            .into_iter()
            .filter(|(given, _)| !given)
            .map(|(_, name)| name)
            .collect()
    }

    fn render(&self) -> Value {
        let missing = self.missing();
        let address = self.country.as_ref().map(|country| {
            json!({
                "city": null, "country": country, "line1": null, "line2": null,
                "postal_code": self.postal_code, "state": self.state,
            })
        });
        let details = if missing.is_empty() {
            json!({ "active": {} })
        } else {
            json!({ "pending": { "missing_fields": missing } })
        };
        json!({
            "object": "tax.settings",
            "defaults": {
                "provider": "stripe",
                "tax_behavior": self.tax_behavior,
                "tax_code": self.tax_code,
            },
            "head_office": address.map(|address| json!({ "address": address })),
            "livemode": false,
            "status": if self.missing().is_empty() { "active" } else { "pending" },
            "status_details": details,
        })
    }
}

/// `GET /v1/account`: nobody's account, which may take every payment that moves no money.
pub(crate) fn get(state: &State, params: &Params) -> ApiResult {
    params.only(&[])?;
    let requirements = json!({
        "alternatives": [], "current_deadline": null, "currently_due": [], "disabled_reason": null, "errors": [],
        "eventually_due": [], "past_due": [], "pending_verification": [],
    });
    let id = format!("acct_1S{}", state.scatter("account", 14));
    Ok(json!({
        "id": id,
        "object": "account",
        "business_profile": {
            "annual_revenue": null, "estimated_worker_count": null, "mcc": null,
            "minority_owned_business_designation": null, "name": "Stripe sandbox", "product_description": null,
            "support_address": null, "support_email": null, "support_phone": null, "support_url": null, "url": null,
        },
        "business_type": null,
        "capabilities": { "card_payments": "active", "transfers": "active" },
        "charges_enabled": true,
        "controller": { "type": "account" },
        "country": "DE",
        "created": 1_577_836_800,
        "default_currency": "eur",
        "details_submitted": true,
        "email": null,
        "external_accounts": {
            "object": "list", "data": [], "has_more": false, "url": format!("/v1/accounts/{id}/external_accounts"),
        },
        "future_requirements": requirements.clone(),
        "metadata": {},
        "payouts_enabled": true,
        "requirements": requirements,
        "settings": settings(),
        "tos_acceptance": { "date": null, "ip": null, "user_agent": null },
        "type": "standard",
    }))
}

/// What the account's owner set, as a new account has it.
fn settings() -> Value {
    json!({
        "bacs_debit_payments": { "display_name": null, "service_user_number": null },
        "branding": { "icon": null, "logo": null, "primary_color": null, "secondary_color": null },
        "card_issuing": { "tos_acceptance": { "date": null, "ip": null } },
        "card_payments": {
            "decline_on": { "avs_failure": true, "cvc_failure": true },
            "statement_descriptor_prefix": null,
            "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null,
        },
        "dashboard": { "display_name": "Stripe sandbox", "timezone": "Etc/UTC" },
        "invoices": { "default_account_tax_ids": null, "hosted_payment_method_save": null },
        "payments": {
            "statement_descriptor": null,
            "statement_descriptor_kana": null,
            "statement_descriptor_kanji": null,
            "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null,
        },
        "payouts": {
            "debit_negative_balances": true,
            "schedule": { "delay_days": 2, "interval": "daily" },
            "statement_descriptor": null,
        },
        "sepa_debit_payments": {},
    })
}

/// `GET /v1/tax/settings`
pub(crate) fn tax(state: &State, params: &Params) -> ApiResult {
    params.only(&[])?;
    Ok(state.tax_settings.render())
}

/// `POST /v1/tax/settings`
pub(crate) fn set_tax(state: &mut State, params: &Params) -> ApiResult {
    params.only(&[
        "defaults[tax_behavior]",
        "defaults[tax_code]",
        "head_office[address][country]",
        "head_office[address][postal_code]",
        "head_office[address][state]",
    ])?;
    let behavior = ["exclusive", "inclusive", "inferred_by_currency"];
    params.choice("defaults[tax_behavior]", &behavior)?;
    let mut settings = state.tax_settings.clone();
    params.change_text("defaults[tax_behavior]", &mut settings.tax_behavior);
    params.change_text("defaults[tax_code]", &mut settings.tax_code);
    params.change_text("head_office[address][country]", &mut settings.country);
    params.change_text("head_office[address][postal_code]", &mut settings.postal_code);
    params.change_text("head_office[address][state]", &mut settings.state);
    if settings.country.is_some() && settings.tax_code.is_none() {
        settings.tax_code = Some(DEFAULT_TAX_CODE.to_owned());
    }
    if settings
        .country
        .as_ref()
        .is_some_and(|country| country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        return Err(ApiError::invalid(
            "Country is expected to be a 2-letter country code (ISO 3166-1 alpha-2).",
            Some("head_office[address][country]"),
        ));
    }
    let shown = settings.render();
    state.tax_settings = settings;
    state.emit("tax.settings.updated", shown.clone());
    Ok(shown)
}
