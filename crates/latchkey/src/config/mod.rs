//! Configuration: one file, `latchkey.toml`, and the environment above it.
//!
//! Everything is read once, at start; unknown keys are errors, and each message says which key, in which file, and what to do.

mod environment;
mod price;
mod price_rules;
mod secret;
mod validate;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    error::Kind,
    providers::{Format, Toml},
    value::Value,
};
use latchkey_billing::{Currency, Interval, MailDomain, MissingCard, MoneyBackPolicy, explain};
use latchkey_entitlement::{
    PlanId, PriceId, Scope, SiteId, Span, Zone,
    policy::{CallPolicy, CommentPolicy, SitePolicy, StripPolicy},
};
use serde::{Deserialize, Serialize};
use url::Url;

pub(crate) use environment::{Environment, VARIABLES, example};
pub(crate) use secret::{Secrets, SecretsError};
pub(crate) use validate::{Finding, authority, examples, is_local};

/// The file that is read when `--config` names none.
pub(crate) const DEFAULT_FILE: &str = "latchkey.toml";
/// The commented configuration that `latchkey init` writes; a test parses it.
pub(crate) const TEMPLATE: &str = include_str!("latchkey.toml");

/// Why the configuration cannot be used. Always exit code 3.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(
        "there is no configuration at {0}\n  help: `latchkey init` writes one with comments; `--config FILE` names another"
    )]
    Missing(PathBuf),
    #[error("the configuration cannot be used:\n{0}")]
    Parse(String),
    #[error("the configuration cannot be used:\n{}", .0.iter().map(|f| format!("  {f}")).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Finding>),
    /// A setting that one command needs, or that shows to be wrong only when it is used.
    #[error("{0}")]
    Setting(String),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// A setting that is missing or wrong, in words that say what to do.
pub(crate) fn setting(what: impl Into<String>) -> ConfigError {
    ConfigError::Setting(what.into())
}

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) instance: Instance,
    #[serde(default)]
    pub(crate) database: Database,
    #[serde(default)]
    pub(crate) server: ServerSection,
    #[serde(default)]
    pub(crate) edge: EdgeSection,
    #[serde(default)]
    pub(crate) stripe: StripeSection,
    #[serde(default)]
    pub(crate) money_back: MoneyBackPolicy,
    #[serde(default)]
    pub(crate) mail: MailSection,
    #[serde(default)]
    pub(crate) letters: LettersSection,
    #[serde(default, rename = "site")]
    pub(crate) sites: Vec<SiteSection>,
    #[serde(default, rename = "plan")]
    pub(crate) plans: Vec<PlanSection>,
}

/// Who publishes, and where readers pay and sign in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Instance {
    pub(crate) publication: String,
    pub(crate) account_origin: Url,
    #[serde(default)]
    pub(crate) time_zone: Option<Zone>,
}

/// Where everything is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    #[serde(default = "default_database")]
    pub(crate) url: String,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: default_database(),
        }
    }
}

fn default_database() -> String {
    "sqlite:latchkey.db".to_owned()
}

/// The account origin's listener and its times.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerSection {
    pub(crate) listen: SocketAddr,
    pub(crate) pass_life_seconds: u32,
    pub(crate) session_life_days: u32,
    pub(crate) renewal_slack_hours: u32,
    pub(crate) past_due_grace_days: u32,
    pub(crate) reconcile_minutes: u32,
    pub(crate) reconcile_full_hours: u32,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8300)),
            pass_life_seconds: 900,
            session_life_days: 365,
            renewal_slack_hours: 72,
            past_due_grace_days: 7,
            reconcile_minutes: 10,
            reconcile_full_hours: 24,
        }
    }
}

/// The proxy before the sites.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EdgeSection {
    pub(crate) listen: SocketAddr,
    pub(crate) server_url: Option<Url>,
    pub(crate) bundle_key: Option<String>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) origin_ca: Option<PathBuf>,
    pub(crate) filter_lists: Vec<PathBuf>,
}

impl Default for EdgeSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8301)),
            server_url: None,
            bundle_key: None,
            state_dir: None,
            trusted_proxies: vec![],
            origin_ca: None,
            filter_lists: vec![],
        }
    }
}

/// How Stripe is reached; its keys come from the environment alone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StripeSection {
    pub(crate) base_url: Option<Url>,
    pub(crate) portal_configuration: Option<String>,
    pub(crate) calls_per_second: Option<u32>,
}

/// How mail goes out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MailSection {
    pub(crate) from: Option<String>,
    pub(crate) smtp_host: Option<String>,
    pub(crate) smtp_port: Option<u16>,
    pub(crate) smtp_user: Option<String>,
}

/// Which letters readers get about what they bought. Days of 0 are none.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LettersSection {
    pub(crate) receipts: bool,
    pub(crate) renewal_ahead_days: u32,
    pub(crate) trial_ending_days: u32,
    pub(crate) card_expiring_days: u32,
    pub(crate) access_ended: bool,
}

impl Default for LettersSection {
    fn default() -> Self {
        Self {
            receipts: true,
            renewal_ahead_days: 14,
            trial_ending_days: 3,
            card_expiring_days: 21,
            access_ended: true,
        }
    }
}

/// One site: who serves it, and what is decided for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SiteSection {
    pub(crate) id: SiteId,
    #[serde(default)]
    pub(crate) name: Option<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) origin: Url,
    #[serde(default)]
    pub(crate) page_changing: Option<Scope>,
    #[serde(default)]
    pub(crate) outage_grace_seconds: Option<u32>,
    #[serde(default)]
    pub(crate) strip: StripPolicy,
    #[serde(default)]
    pub(crate) call: CallPolicy,
    #[serde(default)]
    pub(crate) comments: CommentPolicy,
}

/// One thing that is sold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanSection {
    pub(crate) id: PlanId,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) entitlements: Scope,
    #[serde(default, rename = "price")]
    pub(crate) prices: Vec<PriceSection>,
}

/// One amount at which a plan is sold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceSection {
    pub(crate) id: PriceId,
    #[serde(default)]
    pub(crate) stripe_price: String,
    pub(crate) currency: Currency,
    pub(crate) amount_minor: i64,
    #[serde(default)]
    pub(crate) interval: Option<Interval>,
    #[serde(default = "one")]
    pub(crate) interval_count: u32,
    #[serde(default)]
    pub(crate) once: Option<Span>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) currencies: BTreeMap<Currency, i64>,
    #[serde(default)]
    pub(crate) trial_days: Option<u32>,
    #[serde(default)]
    pub(crate) trial_card: Option<price::CardWord>,
    #[serde(default)]
    pub(crate) trial_without_card: Option<MissingCard>,
    #[serde(default)]
    pub(crate) promotion_codes: bool,
    #[serde(default)]
    pub(crate) needs_statement: Option<String>,
    #[serde(default)]
    pub(crate) needs_mail_domains: Vec<MailDomain>,
    #[serde(default)]
    pub(crate) needs_codes: Vec<String>,
    #[serde(default)]
    pub(crate) intro: Option<price::IntroSection>,
    #[serde(default)]
    pub(crate) chosen: Option<price::ChosenSection>,
}

fn one() -> u32 {
    1
}

impl SiteSection {
    /// The part that edges get in the bundle.
    pub(crate) fn policy(&self, publication: &str) -> SitePolicy {
        let defaults = SitePolicy::new(
            self.id.clone(),
            self.name.clone().unwrap_or_else(|| publication.to_owned()),
        );
        SitePolicy {
            hosts: self.hosts.clone(),
            page_changing: self.page_changing.clone().unwrap_or(defaults.page_changing.clone()),
            outage_grace_seconds: self.outage_grace_seconds.unwrap_or(defaults.outage_grace_seconds),
            strip: self.strip.clone(),
            call: self.call.clone(),
            comments: self.comments.clone(),
            ..defaults
        }
    }
}

impl Config {
    /// Reads the file and the environment, and checks what can be checked without touching anything else.
    pub(crate) fn load(file: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        if !file.is_file() {
            return Err(ConfigError::Missing(file.to_owned()));
        }
        Self::extract(Figment::from(Toml::file_exact(file)), environment)
    }

    /// The same from text, for the demo and the tests.
    pub(crate) fn from_toml(text: &str, environment: &Environment) -> Result<Self, ConfigError> {
        Self::extract(Figment::from(Toml::string(text)), environment)
    }

    fn extract(mut figment: Figment, environment: &Environment) -> Result<Self, ConfigError> {
        for (path, text) in environment.overrides() {
            let value: Value = text.parse().unwrap_or_else(|_| Value::from(text.clone()));
            figment = figment.merge(environment::Override { path, value });
        }
        if let Some(url) = Secrets(environment).optional("DATABASE_URL")? {
            figment = figment.merge(("database.url", url.expose()));
        }
        let config: Self = figment.extract().map_err(|errors| {
            let told: Vec<String> = errors.into_iter().map(|error| explained(&error)).collect();
            ConfigError::Parse(told.join("\n"))
        })?;
        let findings = validate::findings(&config);
        if findings.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Invalid(findings))
        }
    }

    /// The account origin as it stands in `iss`: scheme, host and port, without a slash at the end.
    pub(crate) fn issuer(&self) -> String {
        self.instance.account_origin.origin().ascii_serialization()
    }

    /// The publisher's time zone; its name was checked when the file was read.
    pub(crate) fn zone(&self) -> explain::Zone {
        let zone = self.instance.time_zone.clone().unwrap_or_default();
        explain::Zone::named(zone.as_str()).unwrap_or_else(|_| explain::Zone::utc())
    }

    /// The policies of all sites.
    pub(crate) fn policies(&self) -> Vec<SitePolicy> {
        self.sites
            .iter()
            .map(|site| site.policy(&self.instance.publication))
            .collect()
    }
}

/// One error of the parser: where, what, in which source. Its own text names a profile, which nobody here has heard of.
fn explained(error: &figment::Error) -> String {
    let place = error.path.join(".");
    let place = if place.is_empty() { place } else { format!("{place}: ") };
    let source = match &error.metadata {
        Some(metadata) => match metadata.source.as_ref().and_then(|source| source.file_path()) {
            Some(file) => format!(" (in {})", file.display()),
            None => format!(" (in {})", metadata.name),
        },
        None => String::new(),
    };
    let what = match &error.kind {
        Kind::UnknownField(field, known) => {
            format!("unknown key `{field}`; there are {}", known.join(", "))
        }
        Kind::MissingField(field) => format!("`{field}` is missing"),
        kind => kind.to_string().trim_end().replace('\n', "\n    "),
    };
    format!("  {place}{what}{source}")
}

/// A database address whose password is hidden.
pub(crate) fn without_password(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            if parsed.set_password(Some("redacted")).is_err() {
                return "[redacted]".to_owned();
            }
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
