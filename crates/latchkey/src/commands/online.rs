//! `latchkey config check --online`: tries what the configuration names.

use std::{path::Path, time::Duration};

use http::header::LOCATION;
use latchkey_billing::{Introduction, PlanPrice, StripeError, check_coupon, check_price};
use latchkey_edge::reachable;
use latchkey_entitlement::Timestamp;
use latchkey_server::{SmtpMailer, SmtpSecurity};
use latchkey_store::{Store, StoreError};
use latchkey_stripe_gateway::Gateway;
use tokio::time::timeout;

use crate::{
    cli::Exit,
    commands::{
        config::check,
        edge::read_ca,
        serve::{gateway, smtp},
    },
    config::{Config, Environment, Secrets, SiteSection, authority, is_local},
    instance::plans,
};

/// How long the database gets for everything that is asked of it.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(15);
/// How the signing secrets of Stripe's webhook endpoints begin.
const WEBHOOK_SECRET_PREFIX: &str = "whsec_";

/// What came of one try.
pub(super) enum Tried {
    /// In order.
    Fine(String),
    /// May be right as it is.
    Note(String),
    /// Could not be tried, for a reason that was told before.
    Skipped(&'static str),
    /// What is wrong, and what to do.
    Finding(String, &'static str),
}

use Tried::{Finding, Fine, Note, Skipped};

/// Checks the file and the environment, then what they name: database, Stripe, mail server, origins. Changes nothing in them.
pub(crate) async fn run(file: &Path, environment: &Environment) -> anyhow::Result<Exit> {
    let offline = check(file, environment)?;
    let config = Config::load(file, environment)?;
    println!("\n# Tried:");
    let mut found = 0;
    found += tell("database", &database(&config.database.url).await);
    found += stripe(&config, environment).await;
    found += tell("webhook secret", &webhook_secret(environment));
    found += tell("mail server", &mail(&config, environment).await);
    for site in &config.sites {
        found += tell(&format!("origin of {}", site.id), &origin(&config, site).await);
    }
    found += tell("account origin", &account_origin(&config).await);
    match (found, offline) {
        (0, Exit::Done) => println!("# Everything that was tried is in order."),
        (0, _) => println!("# What could be tried is in order; what is to be done in the file stands above."),
        (found, _) => println!("# Found: {found}."),
    }
    Ok(if found == 0 { offline } else { Exit::Findings })
}

/// Prints one line at once, and gives the number of findings in it.
fn tell(what: &str, tried: &Tried) -> u32 {
    let inner = |text: &str| text.replace('\n', "\n#            ");
    match tried {
        Fine(state) => println!("#   ok       {what}: {state}"),
        Note(state) => println!("#   note     {what}: {}", inner(state)),
        Skipped(why) => println!("#   skipped  {what}: {why}"),
        Finding(problem, help) => {
            println!("#   finding  {what}: {}\n#            help: {help}", inner(problem));
            return 1;
        }
    }
    0
}

/// Whether it is a SQLite file that is not there: opening would make it.
pub(super) fn is_absent(url: &str) -> bool {
    let file = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    file.is_some_and(|file| !file.is_empty() && file != ":memory:" && !Path::new(file).exists())
}

pub(super) async fn database(url: &str) -> Tried {
    if is_absent(url) {
        return Finding(
            "the file is not there yet".to_owned(),
            "`latchkey migrate` makes it, and so does `latchkey serve`",
        );
    }
    let tried = timeout(DATABASE_TIMEOUT, opened(url)).await;
    match tried {
        Ok(Ok(tried)) => tried,
        Ok(Err(why)) => Finding(
            why.to_string(),
            "look at DATABASE_URL or [database] url, and whether the database server runs",
        ),
        Err(_) => Finding(
            format!("no answer within {} s", DATABASE_TIMEOUT.as_secs()),
            "look at DATABASE_URL or [database] url, and at what lies between here and the database server",
        ),
    }
}

async fn opened(url: &str) -> Result<Tried, StoreError> {
    let store = Store::open(url).await?;
    let tried = version_and_writing(&store).await;
    store.close().await;
    tried
}

async fn version_and_writing(store: &Store) -> Result<Tried, StoreError> {
    let schema = store.schema().await?;
    if !schema.is_current() {
        return Ok(Finding(
            format!(
                "it has version {}, and this program needs {}",
                schema.found, schema.known
            ),
            "`latchkey migrate` brings it up to date, and so does `latchkey serve`",
        ));
    }
    // Nothing expired before 1970, so that nothing is deleted; a database that cannot be written to refuses all the same.
    Ok(match store.prune(Timestamp(0)).await {
        Ok(_) => Fine(format!(
            "is reached, has version {}, and can be written to",
            schema.found
        )),
        Err(why) => Finding(
            format!("it can be read, and not written to: {why}"),
            "give the user that Latchkey runs as, or connects as, leave to write",
        ),
    })
}

/// The key, its account, and each price.
async fn stripe(config: &Config, environment: &Environment) -> u32 {
    const NOT_TRIED: &str = "the key does not work, see above";
    let found = match key(config, environment).await {
        Ok(gateway) => {
            let local = is_local(&authority(&config.instance.account_origin));
            let mut found = tell("Stripe key", &mode(gateway.livemode(), local));
            found += tell("Stripe account", &account(&gateway).await);
            for price in plans(config).iter().flat_map(|plan| &plan.prices) {
                found += tell(&price_name(price), &compared(&gateway, price).await);
                if let Some(introduction) = &price.terms.introduction {
                    let what = format!("coupon {} of {}", introduction.coupon, price.id);
                    found += tell(&what, &coupon(&gateway, introduction).await);
                }
            }
            return found;
        }
        Err(tried) => tell("Stripe key", &tried),
    };
    for price in plans(config).iter().flat_map(|plan| &plan.prices) {
        tell(&price_name(price), &Skipped(NOT_TRIED));
    }
    found
}

pub(super) fn price_name(price: &PlanPrice) -> String {
    format!("price {} ({})", price.id, price.stripe_price)
}

/// The way to Stripe, once the key was accepted.
pub(super) async fn key(config: &Config, environment: &Environment) -> Result<Gateway, Tried> {
    let Ok(key) = Secrets(environment).required("STRIPE_SECRET_KEY") else {
        return Err(Skipped("STRIPE_SECRET_KEY is not usable, see above"));
    };
    let made = gateway(key.expose(), config.stripe.base_url.clone());
    let gateway =
        made.map_err(|why| Finding(format!("{why:#}"), "compare STRIPE_SECRET_KEY with Stripe's dashboard"))?;
    if gateway.livemode() && config.stripe.base_url.is_some() {
        return Err(Finding(
            "a live key would be sent to [stripe] base_url instead of Stripe; it was not tried".to_owned(),
            "remove base_url, which is for tests; if that address is not yours, roll the key in Stripe's dashboard",
        ));
    }
    match gateway.accepts_key().await {
        Ok(()) => Ok(gateway),
        Err(why) => Err(Finding(why.to_string(), stripe_help(&why))),
    }
}

/// Whether the key's mode fits where readers pay; `local` says that this is this machine.
pub(super) fn mode(livemode: bool, local: bool) -> Tried {
    match (livemode, local) {
        (true, true) => Finding(
            "is accepted, in live mode, and the account origin is on this machine: Stripe's events cannot come in, and real money would move"
                .to_owned(),
            "use a test key (sk_test_…) here, or write the public account origin",
        ),
        (true, false) => Fine("is accepted, in live mode: real money moves".to_owned()),
        (false, true) => Fine("is accepted, in test mode".to_owned()),
        (false, false) => Note("is accepted, in test mode: only test cards work, and no money moves".to_owned()),
    }
}

pub(super) async fn account(gateway: &Gateway) -> Tried {
    match gateway.key_account().await {
        Ok(account) if gateway.livemode() && !account.charges_enabled => Finding(
            format!("{} {} may not take payments yet", account.id, account.name),
            "finish the account's activation in Stripe's dashboard",
        ),
        Ok(account) => Fine(format!("{} {}", account.id, account.name).trim_end().to_owned()),
        // The program itself never asks for it, so that a restricted key need not be able to.
        Err(why) => Note(format!(
            "Stripe does not say whose key it is, and nothing depends on it: {why}"
        )),
    }
}

/// Whether a price bills what readers are told.
pub(super) async fn compared(gateway: &Gateway, price: &PlanPrice) -> Tried {
    if let Some(chosen) = &price.terms.chosen {
        return match gateway.has_product(&chosen.product).await {
            Ok(true) => Fine(format!("{} is active; readers choose the amount", chosen.product)),
            Ok(false) => Finding(
                format!("Stripe has no active product {} in the mode of the key", chosen.product),
                "compare stripe_product under [plan.price.chosen] with the product in Stripe's dashboard",
            ),
            Err(why) => Finding(why.to_string(), stripe_help(&why)),
        };
    }
    let found = match gateway.price(&price.stripe_price).await {
        Ok(found) => found,
        Err(why) => return Finding(why.to_string(), stripe_help(&why)),
    };
    match check_price(price, found.as_ref(), gateway.livemode()) {
        Ok(()) => Fine("is active, and bills what the configuration says".to_owned()),
        Err(why) => Finding(
            why.to_string(),
            "compare [[plan.price]] with the price in Stripe's dashboard, in the mode of the key",
        ),
    }
}

/// Whether an introduction's coupon takes off what readers are told.
async fn coupon(gateway: &Gateway, introduction: &Introduction) -> Tried {
    let found = match gateway.coupon(&introduction.coupon).await {
        Ok(found) => found,
        Err(why) => return Finding(why.to_string(), stripe_help(&why)),
    };
    match check_coupon(introduction, found.as_ref(), gateway.livemode()) {
        Ok(()) => Fine("can be used, and takes off what the configuration says".to_owned()),
        Err(why) => Finding(
            why.to_string(),
            "compare [plan.price.intro] with the coupon in Stripe's dashboard, in the mode of the key",
        ),
    }
}

pub(super) fn stripe_help(error: &StripeError) -> &'static str {
    match error {
        StripeError::Unauthorized => {
            "compare STRIPE_SECRET_KEY with Stripe's dashboard; a restricted key needs leave to read prices"
        }
        StripeError::Unreachable { .. } | StripeError::OutcomeUnknown { .. } => {
            "look at the way from this machine to api.stripe.com, and at [stripe] base_url if it is set"
        }
        _ => "try again; https://status.stripe.com says whether Stripe has a problem",
    }
}

pub(super) fn webhook_secret(environment: &Environment) -> Tried {
    let Ok(secrets) = Secrets(environment).webhook_secrets() else {
        return Skipped("STRIPE_WEBHOOK_SECRETS is not usable, see above");
    };
    if secrets.iter().all(|secret| secret.starts_with(WEBHOOK_SECRET_PREFIX)) {
        let number = secrets.len();
        Fine(format!(
            "{number} there; whether it is the endpoint's shows with the first event"
        ))
    } else {
        Finding(
            "one in STRIPE_WEBHOOK_SECRETS does not begin with whsec_".to_owned(),
            "copy the signing secret of the webhook endpoint from Stripe's dashboard",
        )
    }
}

pub(super) async fn mail(config: &Config, environment: &Environment) -> Tried {
    let Ok(smtp) = smtp(config, environment) else {
        return Skipped("[mail] is not usable, see above");
    };
    let Ok(mailer) = SmtpMailer::new(&smtp) else {
        return Skipped("[mail] is not usable, see above");
    };
    let how = match smtp.security {
        SmtpSecurity::Tls => "TLS",
        SmtpSecurity::StartTls => "STARTTLS",
        SmtpSecurity::None => "a plain connection on this machine",
    };
    match mailer.check().await {
        Ok(()) if smtp.login.is_some() => Fine(format!("{} greets over {how}, and takes user and password", smtp.host)),
        Ok(()) => Fine(format!("{} greets over {how}", smtp.host)),
        Err(why) => Finding(
            format!("{} over {how}: {why}", smtp.host),
            "look at smtp_host, smtp_port and smtp_user under [mail], and at LATCHKEY_SMTP_PASSWORD; readers sign in by mail",
        ),
    }
}

pub(super) async fn origin(config: &Config, site: &SiteSection) -> Tried {
    const HELP: &str = "look at origin under [[site]], and whether that web server runs";
    let roots = match config.edge.origin_ca.as_deref().map(read_ca).transpose() {
        Ok(roots) => roots,
        Err(why) => return Finding(why.to_string(), HELP),
    };
    let host = site.hosts.first().map_or("", String::as_str);
    let answer = match reachable(&site.origin, host, roots.as_deref()).await {
        Ok(answer) => answer,
        Err(why) => return Finding(format!("{} cannot be reached: {why}", site.origin), HELP),
    };
    let status = answer.status();
    let target = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    match target.filter(|_| status.is_redirection()) {
        Some(to) => Note(format!(
            "{} answers {status} for {host} and leads to {to}\nreaders go in circles if that is this page again",
            site.origin
        )),
        None if status.is_server_error() => Finding(format!("{} answers {status} for {host}", site.origin), HELP),
        None => Fine(format!("{} answers {status} for {host}", site.origin)),
    }
}

/// Before the first `latchkey serve` nothing can answer there, so that silence is no finding.
pub(super) async fn account_origin(config: &Config) -> Tried {
    let origin = &config.instance.account_origin;
    let Ok(health) = origin.join("/healthz") else {
        return Skipped("[instance] account_origin is not usable");
    };
    match reachable(&health, &authority(origin), None).await {
        Ok(answer) if answer.status().is_success() => Fine(format!("{origin} answers")),
        Ok(answer) => Note(format!(
            "{health} answers {}: something else than `latchkey serve` may stand there",
            answer.status()
        )),
        Err(why) => Note(format!(
            "{origin} does not answer ({why}), as is right before `latchkey serve` runs behind it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A live key is never used in tests, so that its modes are told here.
    #[test]
    fn a_live_key_on_this_machine_is_a_finding_and_a_test_key_elsewhere_a_note() {
        assert!(matches!(mode(true, true), Finding(..)));
        assert!(matches!(mode(true, false), Fine(_)));
        assert!(matches!(mode(false, true), Fine(_)));
        assert!(matches!(mode(false, false), Note(_)));
    }
}
