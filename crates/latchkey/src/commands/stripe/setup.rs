//! `latchkey stripe setup`: makes in Stripe what the configuration needs, once.

use std::{
    io::{IsTerminal, Write},
    path::Path,
};

use anyhow::{anyhow, bail};
use latchkey_billing::{
    EndpointChange, FoundInStripe, MADE_KEY, MAX_KEYS, Made, Plan, PortalConfiguration, PortalFeatures, Standing,
    StripeSetup, WebhookEndpoint, endpoint_standing, format_money, lookup_key, portal_standing, price_standing,
    product_standing,
};
use latchkey_entitlement::{Clock, time::HOUR};
use latchkey_stripe_gateway::STRIPE_VERSION;

use super::{
    make::{Fresh, make, new_endpoint},
    secret::{Room, is_free},
    told,
    toml_file::{self, Ids},
    way,
};
use crate::{
    ambient::SystemClock,
    cli::{Exit, StripeSetup as Options},
    config::{Config, Environment, authority, is_local, setting},
    instance::plans,
};

/// How long after an endpoint was made its secret is asked for again, in milliseconds. Stripe repeats its answers for 24 hours at least.
const SECRET_AGAIN: i64 = 20 * HOUR;

/// Where Stripe sends events of this instance.
pub(crate) fn endpoint_url(config: &Config) -> String {
    format!("{}/webhooks/stripe", config.issuer())
}

/// Where the portal leads back to.
fn return_url(config: &Config) -> String {
    format!("{}/account", config.issuer())
}

/// What was found, read once.
struct Look {
    stripe: FoundInStripe,
    portal: Vec<PortalConfiguration>,
    endpoints: Vec<WebhookEndpoint>,
}

impl Look {
    async fn at(stripe: &dyn StripeSetup, livemode: bool, plans: &[Plan]) -> anyhow::Result<Self> {
        let wanted = || plans.iter().flat_map(|plan| &plan.prices);
        let keys: Vec<String> = wanted().map(|price| lookup_key(&price.id)).collect();
        let fail = |what: &'static str| {
            move |error: latchkey_billing::StripeError| anyhow!("{what} could not be read: {}", told(&error))
        };
        let mut prices = stripe.prices_by_lookup_key(&keys).await.map_err(fail("prices"))?;
        for price in wanted() {
            prices.extend(stripe.price(&price.stripe_price).await.map_err(fail("a price"))?);
        }
        Ok(Self {
            stripe: FoundInStripe {
                livemode,
                products: stripe.products().await.map_err(fail("products"))?,
                prices,
            },
            portal: stripe
                .portal_configurations()
                .await
                .map_err(fail("the portal's configurations"))?,
            endpoints: stripe.endpoints().await.map_err(fail("webhook endpoints"))?,
        })
    }
}

/// What a run knows.
struct Run<'a> {
    stripe: &'a dyn StripeSetup,
    config: &'a Config,
    options: &'a Options,
    plans: Vec<Plan>,
    look: Look,
    /// Of Stripe's own: an endpoint on this machine can be reached by a stand-in alone.
    reachable: bool,
    url: String,
    return_url: String,
}

/// Says what is there and what is to be made, and makes it unless asked not to.
pub(super) async fn run(file: &Path, options: &Options, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let gateway = way(&config, environment)?;
    let livemode = gateway.livemode();
    let plans = plans(&config);
    let run = Run {
        look: Look::at(&gateway, livemode, &plans).await?,
        stripe: &gateway,
        config: &config,
        options,
        plans,
        reachable: config.stripe.base_url.is_some() || !is_local(&authority(&config.instance.account_origin)),
        url: endpoint_url(&config),
        return_url: return_url(&config),
    };
    let mode = if livemode { "live" } else { "test" };
    println!("In Stripe's {mode} mode:");
    let Told { differing, to_do } = run.tell();
    let exit = if differing == 0 { Exit::Done } else { Exit::Findings };
    if options.dry_run {
        println!("\nNothing was made or changed (--dry-run). To do: {to_do}. For you to decide: {differing}.");
        return Ok(exit);
    }
    if to_do > 0 {
        confirm(livemode, options)?;
    }
    let secret = run.room_for_secret()?;
    let ids = run.make(secret).await?;
    run.write_back(file, &ids)?;
    if to_do == 0 && differing == 0 {
        println!("\nEverything is there; nothing was made or changed.");
    }
    Ok(exit)
}

/// How many things were told that somebody, or this program, has to do.
struct Told {
    differing: u32,
    to_do: u32,
}

impl Told {
    fn line<C>(&mut self, what: &str, standing: &Standing<C>) {
        match standing {
            Standing::There { id } => println!("  there    {what}: {id}"),
            Standing::Make => {
                self.to_do += 1;
                println!("  make     {what}");
            }
            Standing::Change { id, why, .. } => {
                self.to_do += 1;
                println!("  change   {what}: {id}: {why}");
            }
            Standing::Differs { id, why, help } => {
                self.differing += 1;
                println!("  differs  {what}: {id}: {why}\n           help: {help}");
            }
        }
    }
}

/// Whether somebody has to be asked, or nothing may be made at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consent {
    Given,
    Asked,
    Impossible,
}

/// Real money is near in live mode: somebody has to say yes.
const fn consent(livemode: bool, yes: bool, terminal: bool) -> Consent {
    match (livemode && !yes, terminal) {
        (false, _) => Consent::Given,
        (true, true) => Consent::Asked,
        (true, false) => Consent::Impossible,
    }
}

fn confirm(livemode: bool, options: &Options) -> anyhow::Result<()> {
    match consent(livemode, options.yes, std::io::stdin().is_terminal()) {
        Consent::Given => return Ok(()),
        Consent::Impossible => {
            return Err(setting(
                "this is a live key and nobody is there to ask; nothing was made\n  help: look with --dry-run, then say --yes",
            )
            .into());
        }
        Consent::Asked => {}
    }
    print!("\nMake and change this in LIVE mode? Type yes: ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    bail!("nothing was made or changed")
}

impl Run<'_> {
    fn portal(&self) -> Standing<PortalFeatures> {
        let configured = self.config.stripe.portal_configuration.as_deref();
        portal_standing(configured, &self.return_url, &self.look.portal)
    }

    fn endpoint(&self) -> Standing<EndpointChange> {
        endpoint_standing(&self.url, STRIPE_VERSION, &self.look.endpoints)
    }

    fn tell(&self) -> Told {
        let mut told = Told { differing: 0, to_do: 0 };
        for plan in &self.plans {
            let name = format!("product of {} ({})", plan.id, plan.name);
            told.line(&name, &product_standing(plan, &self.look.stripe));
            for price in &plan.prices {
                let amount = format_money(price.amount_minor, price.currency.as_str());
                told.line(
                    &format!("price {} ({amount})", price.id),
                    &price_standing(price, &self.look.stripe),
                );
            }
        }
        told.line("portal configuration", &self.portal());
        if self.reachable {
            told.line(&format!("webhook endpoint {}", self.url), &self.endpoint());
        } else {
            println!(
                "  skipped  webhook endpoint: Stripe cannot reach {}; `latchkey stripe listen` brings events",
                self.url
            );
        }
        let leftover = self
            .look
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.url == self.url && endpoint.api_version.as_deref() != Some(STRIPE_VERSION));
        for endpoint in leftover {
            let version = endpoint.api_version.as_deref().unwrap_or("no version");
            told.differing += 1;
            println!(
                "  differs  webhook endpoint {}: it is pinned to {version}, which cannot be changed\n           help: once the other one's secret stands beside its own in STRIPE_WEBHOOK_SECRETS and the server was restarted, delete it in Stripe's dashboard",
                endpoint.id
            );
        }
        told
    }

    /// Opened before anything is made: a secret that cannot be written would be lost.
    fn room_for_secret(&self) -> anyhow::Result<Room> {
        if self.reachable && (matches!(self.endpoint(), Standing::Make) || self.forgotten().is_some()) {
            Room::open(self.options)
        } else {
            Ok(Room::None)
        }
    }

    /// The key under which the endpoint was made not long ago, if its secret is asked for and may have been lost on the way.
    fn forgotten(&self) -> Option<latchkey_billing::IdempotencyKey> {
        let wanted = self.options.secret_file.as_deref().is_some_and(is_free);
        let Standing::There { id } = self.endpoint() else {
            return None;
        };
        let endpoint = self.look.endpoints.iter().find(|endpoint| endpoint.id == id)?;
        let age = SystemClock.now().0.saturating_sub(endpoint.created.0);
        if !wanted || age >= SECRET_AGAIN {
            return None;
        }
        let key = endpoint.metadata.get(MADE_KEY)?;
        let made = Made::Endpoint(&self.url, STRIPE_VERSION);
        (1..=MAX_KEYS)
            .map(|number| made.key(number))
            .find(|one| one.as_str() == key)
    }

    async fn make(&self, secret: Room) -> anyhow::Result<Ids> {
        let mut ids = Ids::default();
        for plan in &self.plans {
            self.make_plan(plan, &mut ids).await?;
        }
        let portal = match self.portal() {
            Standing::There { id } => Some(id),
            Standing::Make => {
                let made = Made::Portal(&self.return_url);
                let fresh = make(self.stripe, &made).await?;
                println!("  made     {made}: {}", fresh.id);
                Some(fresh.id)
            }
            Standing::Change { id, change, .. } => {
                let changed = self
                    .stripe
                    .change_portal_configuration(&id, &change, &self.return_url)
                    .await;
                changed.map_err(|error| anyhow!("the portal was not changed: {}", told(&error)))?;
                println!("  changed  portal: {id}");
                Some(id)
            }
            Standing::Differs { .. } => None,
        };
        ids.portal = portal.filter(|id| self.config.stripe.portal_configuration.as_ref() != Some(id));
        if self.reachable {
            self.make_endpoint(secret).await?;
        }
        Ok(ids)
    }

    async fn make_plan(&self, plan: &Plan, ids: &mut Ids) -> anyhow::Result<()> {
        let product = match product_standing(plan, &self.look.stripe) {
            Standing::There { id } | Standing::Change { id, .. } => id,
            // Nothing of it can be bought until somebody has decided.
            Standing::Differs { .. } => return Ok(()),
            Standing::Make => {
                let made = Made::Product(&plan.id, &plan.name);
                let fresh = make(self.stripe, &made).await?;
                println!("  made     {made}: {}", fresh.id);
                fresh.id
            }
        };
        for price in &plan.prices {
            let id = match price_standing(price, &self.look.stripe) {
                Standing::There { id } => id,
                Standing::Make => {
                    let made = Made::Price(price, &product);
                    let fresh = make(self.stripe, &made).await?;
                    println!("  made     {made}: {}", fresh.id);
                    fresh.id
                }
                Standing::Change { .. } | Standing::Differs { .. } => continue,
            };
            if id != price.stripe_price {
                ids.prices.push((price.id.clone(), id));
            }
        }
        Ok(())
    }

    async fn make_endpoint(&self, room: Room) -> anyhow::Result<()> {
        let made = Made::Endpoint(&self.url, STRIPE_VERSION);
        match self.endpoint() {
            Standing::Make => {
                let Fresh { id, secret } = make(self.stripe, &made).await?;
                println!("  made     {made}: {id}");
                match secret {
                    Some(secret) => room.keep(&secret)?,
                    None => println!("           its secret stands in Stripe's dashboard, under the endpoint"),
                }
            }
            Standing::Change { id, change, .. } => {
                let changed = self.stripe.change_endpoint(&id, &change).await;
                changed.map_err(|error| anyhow!("the endpoint was not changed: {}", told(&error)))?;
                println!("  changed  {made}: {id}; its secret stays");
            }
            Standing::There { id } => {
                if let Some(key) = self.forgotten() {
                    let again = self
                        .stripe
                        .create_endpoint(&key, &new_endpoint(&self.url, STRIPE_VERSION))
                        .await;
                    let (endpoint, secret) =
                        again.map_err(|error| anyhow!("the endpoint's secret was not read again: {}", told(&error)))?;
                    if endpoint.id == id {
                        println!("  again    {made}: {id}: its secret, which Stripe repeats for a day");
                        room.keep(&secret)?;
                    }
                }
            }
            Standing::Differs { .. } => {}
        }
        Ok(())
    }

    fn write_back(&self, file: &Path, ids: &Ids) -> anyhow::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        if self.options.write {
            toml_file::write(file, ids)?;
            println!("\nWrote into {}:\n\n{}", file.display(), ids.lines());
        } else {
            println!(
                "\nFor {} (or run again with --write):\n\n{}",
                file.display(),
                ids.lines()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A live key is never used in tests, so that what it needs is told here.
    #[test]
    fn live_mode_needs_a_yes_and_test_mode_does_not() {
        for (livemode, yes, terminal, wanted) in [
            (false, false, false, Consent::Given),
            (true, true, false, Consent::Given),
            (true, false, true, Consent::Asked),
            (true, false, false, Consent::Impossible),
        ] {
            assert_eq!(consent(livemode, yes, terminal), wanted, "{livemode} {yes} {terminal}");
        }
    }
}
