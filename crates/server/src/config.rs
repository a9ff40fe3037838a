//! What the server is told once, at its start.

use std::collections::BTreeMap;

use ipnet::IpNet;
use latchkey_billing::Plan;
use latchkey_entitlement::{SiteId, policy::SitePolicy};
use latchkey_token::Secret;

/// Settings of the account origin.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Scheme, host and port, without a slash at the end: `https://account.publisher.example`. Also `iss` of every pass.
    pub account_origin: String,
    /// Name of the publication as readers know it, on every page and in every letter.
    pub publication: String,
    /// Every site of the instance.
    pub sites: Vec<SitePolicy>,
    /// What is sold.
    pub plans: Vec<Plan>,
    /// Life of a pass in seconds; a pass never outlives the entitlement behind it.
    pub pass_life_seconds: u32,
    /// Days without use after which a device must sign in again.
    pub session_life_days: u32,
    /// What edges and the publisher's own programs show as `Authorization: Bearer …`.
    pub edge_token: Secret,
    /// What the operator's programs show as `Authorization: Bearer …`; without it nobody is the operator.
    pub api_token: Option<Secret>,
    /// Per site: the key of pairwise subjects. A site without one cannot be entered.
    pub site_secrets: BTreeMap<SiteId, Secret<Vec<u8>>>,
    /// One line about prices for the calls in pages, if there is one: "From €3 a month".
    pub prices_line: Option<String>,
    /// Origins to which a form may lead beside this one and the sites: Stripe's Checkout and portal.
    pub payment_origins: Vec<String>,
    /// Networks of proxies whose `X-Forwarded-For` is believed when a client's network is counted.
    pub trusted_proxies: Vec<IpNet>,
}

impl ServerConfig {
    /// Life of a pass when nothing else was decided: 15 minutes.
    pub const PASS_LIFE_SECONDS: u32 = 900;
    /// Life of a session when nothing else was decided.
    pub const SESSION_LIFE_DAYS: u32 = 365;

    /// Settings with the usual lives, Stripe's own pages and no sites, plans or secrets of sites.
    pub fn new(account_origin: impl Into<String>, publication: impl Into<String>, edge_token: Secret) -> Self {
        Self {
            account_origin: account_origin.into(),
            publication: publication.into(),
            sites: vec![],
            plans: vec![],
            pass_life_seconds: Self::PASS_LIFE_SECONDS,
            session_life_days: Self::SESSION_LIFE_DAYS,
            edge_token,
            api_token: None,
            site_secrets: BTreeMap::new(),
            prices_line: None,
            payment_origins: vec![
                "https://checkout.stripe.com".to_owned(),
                "https://billing.stripe.com".to_owned(),
            ],
            trusted_proxies: vec![],
        }
    }

    /// Whether cookies carry the `__Host-` prefix and `Secure`: everywhere but on plain http.
    pub(crate) fn is_https(&self) -> bool {
        self.account_origin.starts_with("https://")
    }

    /// The policy of `site`.
    pub(crate) fn site(&self, site: &SiteId) -> Option<&SitePolicy> {
        self.sites.iter().find(|policy| policy.id == *site)
    }

    /// The policy of the site that is served on `host`.
    pub(crate) fn site_of_host(&self, host: &str) -> Option<&SitePolicy> {
        self.sites
            .iter()
            .find(|policy| policy.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
    }
}
