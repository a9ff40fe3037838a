//! What is there of what an instance needs in Stripe, what is to be made, and what a person has to decide. Pure: looks at what was
//! found, and says.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use latchkey_entitlement::{PlanId, PriceId};

use crate::{
    api::IdempotencyKey,
    money::format_money,
    plan::{Plan, PlanPrice},
    price_check::{PriceFault, check_price},
    setup_api::{EndpointChange, MADE_KEY, PLAN_KEY, PortalConfiguration, PortalFeatures, WebhookEndpoint},
    stripe::{Price, Product},
    webhook_events::{EventDifference, WEBHOOK_EVENTS},
};

/// How often an idempotency key is replaced by another in one run: Stripe repeats a failure, or an object that was deleted since,
/// under the old one.
pub const MAX_KEYS: u32 = 4;
/// Characters of a digest that stand in a key.
const DIGEST_CHARS: usize = 24;

/// What Stripe has, as far as a set-up looks.
#[derive(Clone, Debug, Default)]
pub struct FoundInStripe {
    /// Live or test mode.
    pub livemode: bool,
    /// Every product.
    pub products: Vec<Product>,
    /// The prices that the configuration names by id, and those with our lookup keys.
    pub prices: Vec<Price>,
}

/// One thing, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<Change = ()> {
    /// As it should be.
    There {
        /// Its id in Stripe.
        id: String,
    },
    /// Not there.
    Make,
    /// There, and to be changed in place.
    Change {
        /// Its id in Stripe.
        id: String,
        /// What is to be changed, in words.
        why: String,
        /// The change.
        change: Change,
    },
    /// There, and otherwise than it should be in what cannot, or must not, be changed in place.
    Differs {
        /// Its id in Stripe.
        id: String,
        /// How it differs.
        why: String,
        /// What a person can do.
        help: &'static str,
    },
}

/// The name by which a price of the configuration is found again in Stripe.
pub fn lookup_key(price: &PriceId) -> String {
    format!("latchkey_{price}")
}

/// The product of a plan: that of a price which is there already, or the one that carries the plan's id.
pub fn product_standing(plan: &Plan, found: &FoundInStripe) -> Standing {
    let of_a_price = plan
        .prices
        .iter()
        .find_map(|price| price_in(price, found))
        .map(|price| price.product.clone());
    let carries = |product: &&Product| product.metadata.get(PLAN_KEY).map(String::as_str) == Some(plan.id.as_str());
    let by_metadata = found
        .products
        .iter()
        .filter(carries)
        // An archived one is found only if there is no other.
        .max_by_key(|product| product.active);
    let Some(id) = of_a_price.or_else(|| by_metadata.map(|product| product.id.clone())) else {
        return Standing::Make;
    };
    match found.products.iter().find(|product| product.id == id) {
        Some(product) if !product.active => Standing::Differs {
            id,
            why: "it is archived in Stripe, so that nothing of it can be bought".to_owned(),
            help: "make it active again in Stripe's dashboard, or give the plan another id",
        },
        _ => Standing::There { id },
    }
}

/// A price of the configuration in Stripe: by the id that the file names, else by its lookup key.
fn price_in<'a>(wanted: &PlanPrice, found: &'a FoundInStripe) -> Option<&'a Price> {
    let key = lookup_key(&wanted.id);
    let here = || found.prices.iter().filter(|price| price.livemode == found.livemode);
    here()
        .find(|price| price.id == wanted.stripe_price)
        .or_else(|| here().find(|price| price.lookup_key.as_deref() == Some(&key)))
}

/// A price. One that bills otherwise is never changed: who pays it agreed to that amount.
pub fn price_standing(wanted: &PlanPrice, found: &FoundInStripe) -> Standing {
    let Some(price) = price_in(wanted, found) else {
        return Standing::Make;
    };
    let id = price.id.clone();
    match check_price(wanted, Some(price), found.livemode) {
        Ok(()) => Standing::There { id },
        Err(PriceFault::Inactive) => Standing::Differs {
            id,
            why: PriceFault::Inactive.to_string(),
            help: "make it active again in Stripe's dashboard, or add a [[plan.price]] with a new id",
        },
        Err(fault) => Standing::Differs {
            id,
            why: fault.to_string(),
            help: "a price is never changed in place: add a [[plan.price]] with a new id for the new amount, and keep this one for those who pay it",
        },
    }
}

/// The portal's configuration: the one that the file names, else one that a set-up made.
pub fn portal_standing(
    configured: Option<&str>,
    return_url: &str,
    found: &[PortalConfiguration],
) -> Standing<PortalFeatures> {
    let named = found.iter().find(|one| Some(one.id.as_str()) == configured);
    let made = || {
        found
            .iter()
            .find(|one| one.active && one.metadata.contains_key(MADE_KEY))
    };
    let Some(one) = named.or_else(made) else {
        return Standing::Make;
    };
    let id = one.id.clone();
    if !one.active {
        return Standing::Differs {
            id,
            why: "it is not active, so that no reader can open the portal with it".to_owned(),
            help: "remove [stripe] portal_configuration from the file, and set up again",
        };
    }
    let wanted = PortalFeatures::wanted();
    let same = one.features == wanted && one.return_url.as_deref() == Some(return_url);
    if same {
        return Standing::There { id };
    }
    if one.metadata.contains_key(MADE_KEY) {
        return Standing::Change {
            id,
            why: "what readers can do there, or where it leads back to".to_owned(),
            change: wanted,
        };
    }
    // Somebody chose these in the dashboard.
    Standing::Differs {
        id,
        why: "readers can do other things there than Latchkey would let them".to_owned(),
        help: "leave it if that is meant; else remove [stripe] portal_configuration from the file, and set up again",
    }
}

/// The endpoint that sends to `url`. Others to the same address are judged by [`crate::endpoint_faults`].
pub fn endpoint_standing(url: &str, api_version: &str, found: &[WebhookEndpoint]) -> Standing<EndpointChange> {
    let ours = || found.iter().filter(|endpoint| endpoint.url == url);
    let pinned = ours()
        .filter(|endpoint| endpoint.api_version.as_deref() == Some(api_version))
        .max_by_key(|endpoint| (endpoint.enabled, endpoint.created));
    // An endpoint's version cannot be changed, so that one of another version is as good as none.
    let Some(endpoint) = pinned else {
        return Standing::Make;
    };
    let difference = EventDifference::of(&endpoint.enabled_events);
    if endpoint.enabled && difference.is_empty() {
        return Standing::There {
            id: endpoint.id.clone(),
        };
    }
    let mut why = Vec::new();
    if !endpoint.enabled {
        why.push("it is disabled".to_owned());
    }
    if !difference.missing.is_empty() {
        why.push(format!("it does not send {}", difference.missing.join(", ")));
    }
    if !difference.superfluous.is_empty() {
        why.push(format!("it sends for nothing {}", difference.superfluous.join(", ")));
    }
    Standing::Change {
        id: endpoint.id.clone(),
        why: why.join("; "),
        change: EndpointChange {
            events: WEBHOOK_EVENTS.iter().map(ToString::to_string).collect(),
            enabled: true,
        },
    }
}

/// What a set-up makes, for naming it and for its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made<'a> {
    /// The product of a plan.
    Product(&'a PlanId, &'a str),
    /// A price, under a product.
    Price(&'a PlanPrice, &'a str),
    /// The portal's configuration, and where it leads back to.
    Portal(&'a str),
    /// The endpoint that sends to an address, in a version.
    Endpoint(&'a str, &'a str),
}

impl fmt::Display for Made<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(plan, name) => write!(f, "product {name} ({plan})"),
            Self::Price(price, _) => {
                let amount = format_money(price.amount_minor, price.currency.as_str());
                write!(f, "price {} ({amount})", price.id)
            }
            Self::Portal(_) => f.write_str("portal"),
            Self::Endpoint(url, _) => write!(f, "webhook endpoint {url}"),
        }
    }
}

impl Made<'_> {
    /// The key under which it is made: the same for the same thing, whoever asks, so that two set-ups at once, and one after another
    /// that died, make it once. `number` counts up where Stripe has spent a key.
    pub fn key(&self, number: u32) -> IdempotencyKey {
        let (word, content) = match self {
            Self::Product(plan, name) => ("product", format!("{plan}\n{name}")),
            Self::Price(price, product) => (
                "price",
                format!(
                    "{}\n{product}\n{}\n{}\n{}\n{}",
                    price.id,
                    price.currency,
                    price.amount_minor,
                    price.interval.as_str(),
                    price.interval_count
                ),
            ),
            Self::Portal(url) => ("portal", format!("{url}\n{:?}", PortalFeatures::wanted())),
            Self::Endpoint(url, version) => ("endpoint", format!("{url}\n{version}\n{}", WEBHOOK_EVENTS.join(","))),
        };
        let hash = digest(&SHA256, content.as_bytes());
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
        let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let short: String = digits.map(digit).take(DIGEST_CHARS).collect();
        IdempotencyKey::new(format!("latchkey.setup.{word}.{short}.{number}"))
    }
}
