//! What Stripe says, and what it said to this instance.

use latchkey_billing::{
    ClockSkew, PortalFeatures, Standing, StripeSetup, doctor::DELIVERY_LATE, endpoint_faults, portal_standing,
    secret_in_use,
};
use latchkey_entitlement::{Clock, time::DAY};
use latchkey_server::noted_deliveries;
use latchkey_store::Store;
use latchkey_stripe_gateway::{Gateway, STRIPE_VERSION};

use super::Report;
use crate::{
    ambient::SystemClock,
    commands::{
        online::{
            Tried::{self, Finding, Fine, Note, Skipped},
            account, compared, is_absent, key, mode, price_name, stripe_help, webhook_secret,
        },
        stripe::endpoint_url,
    },
    config::{Config, Environment, authority, is_local},
    instance::plans,
};

/// What mends a clock.
const NTP: &str = "let this machine keep its time by NTP; signatures of deliveries fail when it is 300 s off, and passes end early or late";
/// What mends the portal.
const SETUP: &str = "`latchkey stripe setup --write` makes one and names it in the file";
/// Why nothing was asked.
const NOT_TRIED: &str = "the key does not work, see above";

pub(super) async fn check(report: &mut Report, config: &Config, environment: &Environment) {
    let prices: Vec<_> = plans(config).into_iter().flat_map(|plan| plan.prices).collect();
    let gateway = match key(config, environment).await {
        Ok(gateway) => gateway,
        Err(tried) => {
            report.tell("Stripe key", &tried);
            for what in [
                "Stripe account",
                "clock",
                "webhook endpoint",
                "portal configuration",
                "tax",
            ] {
                report.tell(what, &Skipped(NOT_TRIED));
            }
            for price in &prices {
                report.tell(&price_name(price), &Skipped(NOT_TRIED));
            }
            report.check("webhook secret", secret(config, environment, None)).await;
            return;
        }
    };
    let local = is_local(&authority(&config.instance.account_origin));
    report.tell("Stripe key", &mode(gateway.livemode(), local));
    report.check("Stripe account", account(&gateway)).await;
    report.check("clock", clock(&gateway)).await;
    for price in &prices {
        report.check(&price_name(price), compared(&gateway, price)).await;
    }
    for tried in endpoints(config, &gateway).await {
        report.tell("webhook endpoint", &tried);
    }
    report
        .check("webhook secret", secret(config, environment, Some(&gateway)))
        .await;
    report.check("portal configuration", portal(config, &gateway)).await;
    report.check("tax", tax(&gateway)).await;
}

async fn clock(gateway: &Gateway) -> Tried {
    let before = SystemClock.now();
    let date = match gateway.date().await {
        Ok(date) => date.unwrap_or_default(),
        Err(why) => return Finding(why.to_string(), stripe_help(&why)),
    };
    match ClockSkew::of(&date, before, SystemClock.now()) {
        None => Note("Stripe's answer has no date to compare it with".to_owned()),
        Some(skew) if skew.is_fatal() => Finding(
            format!("{}, so that every delivery of Stripe's is refused", skew.in_words()),
            NTP,
        ),
        Some(skew) if skew.is_noted() => Finding(skew.in_words(), NTP),
        Some(skew) => Fine(skew.in_words()),
    }
}

/// The endpoint, or each of its faults.
async fn endpoints(config: &Config, gateway: &Gateway) -> Vec<Tried> {
    let url = endpoint_url(config);
    if is_local(&authority(&config.instance.account_origin)) && config.stripe.base_url.is_none() {
        return vec![Note(format!(
            "Stripe cannot reach {url}; `latchkey stripe listen` brings events"
        ))];
    }
    let found = match gateway.endpoints().await {
        Ok(found) => found,
        Err(why) => return vec![Finding(why.to_string(), stripe_help(&why))],
    };
    let faults = endpoint_faults(&url, STRIPE_VERSION, &found);
    if faults.is_empty() {
        return vec![Fine(format!(
            "one sends to {url}, pinned to {STRIPE_VERSION}, exactly the events that are read"
        ))];
    }
    faults
        .into_iter()
        .map(|fault| Finding(fault.what, fault.help))
        .collect()
}

async fn secret(config: &Config, environment: &Environment, gateway: Option<&Gateway>) -> Tried {
    let form = webhook_secret(environment);
    if !matches!(form, Fine(_)) {
        return form;
    }
    if is_absent(&config.database.url) {
        return Skipped("the database is not there, see above");
    }
    let Ok(store) = Store::open(&config.database.url).await else {
        return Skipped("the database is not there, see above");
    };
    let noted = noted_deliveries(&store).await;
    store.close().await;
    let Ok(mut deliveries) = noted else {
        return Skipped("the database cannot be read, see above");
    };
    if let Some(gateway) = gateway {
        let now = SystemClock.now();
        let (since, until) = (now.plus(-DAY).seconds(), now.plus(-DELIVERY_LATE).seconds());
        match gateway.undelivered_since(since, until).await {
            Ok(undelivered) => deliveries.undelivered = undelivered,
            Err(why) => return Finding(why.to_string(), stripe_help(&why)),
        }
    }
    match secret_in_use(&deliveries) {
        Ok(why) if why.is_empty() => {
            Note("nothing was delivered yet; whether it is the endpoint's shows with the first event".to_owned())
        }
        Ok(why) => Fine(why),
        Err(fault) => Finding(fault.what, fault.help),
    }
}

async fn portal(config: &Config, gateway: &Gateway) -> Tried {
    let found = match gateway.portal_configurations().await {
        Ok(found) => found,
        Err(why) => return Finding(why.to_string(), stripe_help(&why)),
    };
    let Some(id) = config.stripe.portal_configuration.as_deref() else {
        let default = found.iter().find(|one| one.is_default && one.active);
        return match default {
            None => Finding(
                "the account has no default configuration and the file names none, so that no reader can open the portal".to_owned(),
                SETUP,
            ),
            Some(one) if one.features == PortalFeatures::wanted() => Fine(format!("{}, the account's default", one.id)),
            Some(one) => Note(format!(
                "{}, the account's default, as somebody saved it in Stripe's dashboard; {SETUP}",
                one.id
            )),
        };
    };
    if !found.iter().any(|one| one.id == id) {
        return Finding(format!("Stripe has no {id} in the key's mode"), SETUP);
    }
    let back = format!("{}/account", config.issuer());
    match portal_standing(Some(id), &back, &found) {
        Standing::There { id } => Fine(id),
        Standing::Make => Finding(format!("Stripe has no {id}"), SETUP),
        Standing::Change { id, why, .. } => Finding(
            format!("{id} was changed: {why}"),
            "`latchkey stripe setup` puts it right",
        ),
        Standing::Differs { id, why, help } => Note(format!("{id}: {why}\n{help}")),
    }
}

async fn tax(gateway: &Gateway) -> Tried {
    let unlocated = match gateway.invoices_without_tax_location().await {
        Ok(number) => number,
        Err(why) => return Finding(why.to_string(), stripe_help(&why)),
    };
    if unlocated > 0 {
        return Finding(
            format!(
                "{unlocated} of the newest invoices say `requires_location_inputs`: Stripe does not know where those readers live, and no tax was calculated"
            ),
            "have Checkout ask for the billing address, and mend those customers' addresses in Stripe's dashboard",
        );
    }
    match gateway.tax_settings().await {
        Ok(settings) if settings.active => Fine("Stripe Tax is ready".to_owned()),
        Ok(settings) => Note(format!(
            "Stripe Tax is not set up (it lacks {}); nothing to do unless you sell with automatic tax, which would say `requires_location_inputs`",
            settings.missing_fields.join(", ")
        )),
        // A restricted key need not be able to.
        Err(why) => Note(format!("Stripe does not say whether tax is set up: {why}")),
    }
}
