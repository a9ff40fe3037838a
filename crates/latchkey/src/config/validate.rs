//! What a configuration must hold beyond its shape.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use latchkey_entitlement::policy::{MAX_OUTAGE_GRACE_SECONDS, MAX_PASS_LIFE_SECONDS};
use latchkey_page::Compiled;
use latchkey_stripe_gateway::MAX_CALLS_PER_SECOND;
use url::Url;

use super::{Config, price_rules};

/// One thing that is wrong: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) at: String,
    pub(crate) problem: String,
    pub(crate) help: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    help: {}", self.at, self.problem, self.help)
    }
}

pub(super) fn finding(at: impl Into<String>, problem: impl Into<String>, help: impl Into<String>) -> Finding {
    Finding {
        at: at.into(),
        problem: problem.into(),
        help: help.into(),
    }
}

/// Whether `host` (with or without port) is this machine by name.
pub(crate) fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.ends_with(".localhost")
}

/// Everything that is wrong, in the order of the file.
pub(crate) fn findings(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    account_origin(config, &mut found);
    sites(config, &mut found);
    plans(config, &mut found);
    let life = config.server.pass_life_seconds;
    if !(60..=MAX_PASS_LIFE_SECONDS).contains(&life) {
        found.push(finding(
            "server.pass_life_seconds",
            format!("{life} is out of range"),
            "a pass lives 60 to 3600 seconds; 900 is usual",
        ));
    }
    if let Some(calls) = config.stripe.calls_per_second
        && !(1..=MAX_CALLS_PER_SECOND).contains(&calls)
    {
        found.push(finding(
            "stripe.calls_per_second",
            format!("{calls} is out of range"),
            "Stripe takes 100 calls a second from an account in live mode, and 25 in test mode; leave it out for the usual pace",
        ));
    }
    if config.server.renewal_slack_hours > 24 * 14 {
        found.push(finding(
            "server.renewal_slack_hours",
            "more than two weeks",
            "72 is usual",
        ));
    }
    let letters = config.letters;
    for (key, days, most) in [
        ("letters.renewal_ahead_days", letters.renewal_ahead_days, 90),
        ("letters.trial_ending_days", letters.trial_ending_days, 30),
        ("letters.card_expiring_days", letters.card_expiring_days, 60),
    ] {
        if days > most {
            found.push(finding(
                key,
                format!("{days} is out of range"),
                format!("0 for no such letter, otherwise up to {most} days"),
            ));
        }
    }
    found
}

fn account_origin(config: &Config, found: &mut Vec<Finding>) {
    let origin = &config.instance.account_origin;
    let host = authority(origin);
    if origin.path() != "/" || origin.query().is_some() || origin.fragment().is_some() {
        found.push(finding(
            "instance.account_origin",
            format!("{origin} is more than an origin"),
            "write scheme, host and port alone",
        ));
    }
    match origin.scheme() {
        "https" => {}
        "http" if is_local(&host) => {}
        _ => found.push(finding(
            "instance.account_origin",
            format!("{origin} is not https"),
            "cookies are safe over https only; plain http works for localhost and *.localhost",
        )),
    }
}

/// Host and, where it is not the scheme's own, port.
pub(crate) fn authority(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

fn sites(config: &Config, found: &mut Vec<Finding>) {
    if config.sites.is_empty() {
        found.push(finding(
            "site",
            "there is no site",
            "add a [[site]] with id, hosts and origin",
        ));
    }
    let account = authority(&config.instance.account_origin);
    let mut hosts = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for site in &config.sites {
        let at = format!("site {}", site.id);
        if !ids.insert(site.id.clone()) {
            found.push(finding(
                &at,
                "this id is there twice",
                "each site needs an id of its own",
            ));
        }
        if site.hosts.is_empty() {
            found.push(finding(
                &at,
                "it has no hosts",
                "name the hosts readers use, such as hosts = [\"www.publisher.example\"]",
            ));
        }
        for host in &site.hosts {
            if *host == account {
                found.push(finding(
                    &at,
                    format!("{host} is the account origin too"),
                    "third-party scripts run on the site's host: readers must pay and sign in on another, such as account.publisher.example",
                ));
            }
            if host.contains('/') || *host != host.to_ascii_lowercase() || host.is_empty() {
                found.push(finding(
                    &at,
                    format!("`{host}` is not a host"),
                    "write it in small letters, without scheme or path",
                ));
            }
            if !hosts.insert(host.clone()) {
                found.push(finding(
                    &at,
                    format!("{host} is there twice"),
                    "a host belongs to one site",
                ));
            }
        }
        if !matches!(site.origin.scheme(), "http" | "https") || site.origin.path() != "/" {
            found.push(finding(
                &at,
                format!("origin {} cannot be proxied", site.origin),
                "write scheme, host and port of the web server behind the edge",
            ));
        }
        if site.hosts.contains(&authority(&site.origin)) {
            found.push(finding(
                &at,
                format!("origin {} is the site's own host", site.origin),
                "the edge would call itself: name the web server behind it",
            ));
        }
        if site
            .outage_grace_seconds
            .is_some_and(|grace| grace > MAX_OUTAGE_GRACE_SECONDS)
        {
            found.push(finding(
                &at,
                "outage_grace_seconds is above 30 days",
                "revocations are kept for 30 days",
            ));
        }
        if let Err(error) = Compiled::new(&site.strip, &[]) {
            found.push(finding(
                format!("{at}: strip"),
                error.to_string(),
                "`latchkey init` writes a file that shows the form under [site.strip]",
            ));
        }
    }
}

fn plans(config: &Config, found: &mut Vec<Finding>) {
    let mut prices = BTreeSet::new();
    let mut price_ids = BTreeSet::new();
    let mut products = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for plan in &config.plans {
        let at = format!("plan {}", plan.id);
        if !ids.insert(plan.id.clone()) {
            found.push(finding(
                &at,
                "this id is there twice",
                "each plan needs an id of its own",
            ));
        }
        if plan.entitlements.is_empty() {
            found.push(finding(
                &at,
                "it entitles to nothing",
                "write entitlements = \"ad_free\"",
            ));
        }
        if plan.prices.is_empty() {
            found.push(finding(&at, "it has no price", "add a [[plan.price]]"));
        }
        for price in &plan.prices {
            if !price_ids.insert(price.id.clone()) {
                found.push(finding(
                    format!("{at}, price {}", price.id),
                    "this id is there twice",
                    "each price needs an id of its own",
                ));
            }
            if price.interval.is_some() == price.once.is_some() {
                found.push(finding(
                    format!("{at}, price {}", price.id),
                    if price.once.is_some() {
                        "it has both an interval and `once`"
                    } else {
                        "it has neither an interval nor `once`"
                    },
                    "interval = \"month\" renews by itself; once = \"7d\" is paid once and gives so much time",
                ));
            }
            // A subscription of a chosen amount is known by its product.
            if let Some(chosen) = &price.chosen
                && *products.entry(&chosen.stripe_product).or_insert(&plan.id) != &plan.id
            {
                found.push(finding(
                    format!("{at}, price {}", price.id),
                    format!("{} is another plan's product too", chosen.stripe_product),
                    "a product belongs to one plan",
                ));
            }
            if price.chosen.is_none() && !prices.insert(price.stripe_price.clone()) {
                found.push(finding(
                    &at,
                    format!("{} is there twice", price.stripe_price),
                    "a Stripe price belongs to one plan",
                ));
            }
        }
        price_rules::prices(plan, found);
    }
}

/// What still is the example that `latchkey init` wrote. It harms nothing, and works for nobody.
pub(crate) fn examples(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_example = |host: &str| host.ends_with(".example") || host.contains(".example:");
    let account = authority(&config.instance.account_origin);
    if is_example(&account) {
        found.push(finding(
            "instance.account_origin",
            format!("{account} is still the example"),
            "write the host where your readers shall pay and sign in",
        ));
    }
    for site in &config.sites {
        for host in site.hosts.iter().filter(|host| is_example(host)) {
            found.push(finding(
                format!("site {}", site.id),
                format!("{host} is still the example"),
                "write the host on which readers see the site",
            ));
        }
    }
    for plan in &config.plans {
        for price in plan
            .prices
            .iter()
            .filter(|price| price.stripe_price.ends_with("replace_me"))
        {
            found.push(finding(
                format!("plan {}, price {}", plan.id, price.id),
                format!("{} is still the example", price.stripe_price),
                "`latchkey stripe setup --write` makes it in Stripe and writes its id here",
            ));
        }
        for price in &plan.prices {
            if let Some(chosen) = price
                .chosen
                .as_ref()
                .filter(|it| it.stripe_product.ends_with("replace_me"))
            {
                found.push(finding(
                    format!("plan {}, price {}", plan.id, price.id),
                    format!("{} is still the example", chosen.stripe_product),
                    "make the product in Stripe, and write its id (it begins with prod_)",
                ));
            }
        }
    }
    found
}
