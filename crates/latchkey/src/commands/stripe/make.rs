//! Makes one thing in Stripe, once: whatever died before, and whoever else sets up at the same time.

use anyhow::{Context, bail};
use latchkey_billing::{
    EndpointSecret, IdempotencyKey, MADE_KEY, MAX_KEYS, Made, NewEndpoint, NewPrice, PLAN_KEY, PortalFeatures,
    Standing, StripeError, StripeSetup, WEBHOOK_EVENTS, lookup_key,
};

use super::told;

/// What was made.
pub(super) struct Fresh {
    pub(super) id: String,
    /// Of an endpoint alone.
    pub(super) secret: Option<EndpointSecret>,
}

/// Makes it under the first key that Stripe has not spent on a failure, or on something that was deleted since.
pub(super) async fn make(stripe: &dyn StripeSetup, made: &Made<'_>) -> anyhow::Result<Fresh> {
    for number in 1..=MAX_KEYS {
        match create(stripe, made, &made.key(number)).await {
            Ok(fresh) if exists(stripe, made, &fresh.id).await? => return Ok(fresh),
            // The answer was repeated, and tells of something that is gone.
            Ok(_) => {}
            // Stripe failed before; whether it had acted by then is seen by looking.
            Err(StripeError::KeySpent) => {
                if let Some(id) = found_again(stripe, made).await? {
                    return Ok(Fresh { id, secret: None });
                }
            }
            Err(error) => bail!(
                "{made} was not made: {}\n  help: run `latchkey stripe setup` again; what is there already is found, and nothing is made twice",
                told(&error)
            ),
        }
    }
    bail!(
        "{made} was not made: Stripe repeats an old answer\n  help: try again in 24 hours, when Stripe has forgotten it"
    )
}

async fn create(stripe: &dyn StripeSetup, made: &Made<'_>, key: &IdempotencyKey) -> Result<Fresh, StripeError> {
    let plain = |id| Fresh { id, secret: None };
    match made {
        Made::Product(plan, name) => {
            let metadata = [(PLAN_KEY.to_owned(), plan.to_string())];
            stripe.create_product(key, name, &metadata).await.map(plain)
        }
        Made::Price(price, product) => {
            let new = NewPrice {
                product: (*product).to_owned(),
                currency: price.currency.clone(),
                unit_amount_minor: price.amount_minor,
                interval: price.interval,
                interval_count: price.interval_count,
                once: price.once.is_some(),
                lookup_key: lookup_key(&price.id),
            };
            stripe.create_price(key, &new).await.map(plain)
        }
        Made::Portal(url) => {
            let wanted = PortalFeatures::wanted();
            stripe.create_portal_configuration(key, &wanted, url).await.map(plain)
        }
        Made::Endpoint(url, version) => {
            let (endpoint, secret) = stripe.create_endpoint(key, &new_endpoint(url, version)).await?;
            Ok(Fresh {
                id: endpoint.id,
                secret: Some(secret),
            })
        }
    }
}

/// The endpoint to make.
pub(super) fn new_endpoint(url: &str, version: &str) -> NewEndpoint {
    NewEndpoint {
        url: url.to_owned(),
        api_version: version.to_owned(),
        events: WEBHOOK_EVENTS.iter().map(ToString::to_string).collect(),
    }
}

async fn exists(stripe: &dyn StripeSetup, made: &Made<'_>, id: &str) -> anyhow::Result<bool> {
    let there = match made {
        Made::Product(..) => stripe.products().await.map(|all| all.iter().any(|one| one.id == id)),
        Made::Price(..) => stripe.price(id).await.map(|price| price.is_some()),
        Made::Portal(..) => {
            let all = stripe.portal_configurations().await;
            all.map(|all| all.iter().any(|one| one.id == id))
        }
        Made::Endpoint(..) => stripe.endpoints().await.map(|all| all.iter().any(|one| one.id == id)),
    };
    there.with_context(|| format!("looking whether {made} is there"))
}

async fn found_again(stripe: &dyn StripeSetup, made: &Made<'_>) -> anyhow::Result<Option<String>> {
    let found = match made {
        Made::Product(plan, _) => stripe.products().await.map(|all| {
            let ours = |name: &String| name == plan.as_str();
            let found = all.into_iter().find(|one| one.metadata.get(PLAN_KEY).is_some_and(ours));
            found.map(|one| one.id)
        }),
        Made::Price(price, _) => {
            let prices = stripe.prices_by_lookup_key(&[lookup_key(&price.id)]).await;
            prices.map(|all| all.into_iter().next().map(|one| one.id))
        }
        Made::Portal(_) => stripe.portal_configurations().await.map(|all| {
            let found = all.into_iter().find(|one| one.metadata.contains_key(MADE_KEY));
            found.map(|one| one.id)
        }),
        Made::Endpoint(url, version) => stripe.endpoints().await.map(|all| {
            let standing = latchkey_billing::endpoint_standing(url, version, &all);
            match standing {
                Standing::There { id } | Standing::Change { id, .. } => Some(id),
                Standing::Make | Standing::Differs { .. } => None,
            }
        }),
    };
    found.with_context(|| format!("looking whether {made} is there"))
}
