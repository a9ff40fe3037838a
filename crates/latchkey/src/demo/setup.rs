//! What the demo makes for itself: secrets, prices, configuration, and the lines that say where to look.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use latchkey_billing::{IdempotencyKey, Interval, NewPrice};
use latchkey_entitlement::Timestamp;
use latchkey_server::MemoryMailbox;
use latchkey_sync::{Ids, Stripe};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{hosts::DemoHosts, mailbox::MailView};
use crate::ambient::SystemIds;

/// A price of the demo: its id at Stripe, amount in minor units, interval; without one it is a pass of a week.
pub(super) type DemoPrice = (String, i64, Option<Interval>);

/// What is sold in the demo: lookup key, amount in minor units, interval.
const PRICES: [(&str, i64, Option<Interval>); 3] = [
    ("monthly", 500, Some(Interval::Month)),
    ("yearly", 5000, Some(Interval::Year)),
    ("week", 200, None),
];

/// Secrets of one demo's data; worth nothing elsewhere.
#[derive(Serialize, Deserialize)]
pub(super) struct Secrets {
    pub(super) stripe_key: String,
    pub(super) webhook: String,
    pub(super) seal: String,
    pub(super) edge: String,
}

impl Secrets {
    /// Those of the data in `data`, or new ones.
    pub(super) fn load_or_create(data: &Path) -> anyhow::Result<Self> {
        let file = data.join("secrets.json");
        if file.exists() {
            let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            return serde_json::from_str(&text).with_context(|| {
                format!(
                    "{} cannot be read\n  help: remove {} to begin anew",
                    file.display(),
                    data.display()
                )
            });
        }
        let secret = || URL_SAFE_NO_PAD.encode(SystemIds.secret());
        let secrets = Self {
            stripe_key: format!("sk_test_sandbox_{}", secret().replace(['-', '_'], "x")),
            webhook: format!("whsec_{}", secret()),
            seal: secret(),
            edge: secret(),
        };
        fs::write(&file, serde_json::to_string_pretty(&secrets)?)
            .with_context(|| format!("writing {}", file.display()))?;
        Ok(secrets)
    }
}

/// The sandbox's prices: found by their lookup keys, or made.
pub(super) async fn prices(stripe: &dyn Stripe) -> anyhow::Result<Vec<DemoPrice>> {
    let known = stripe.list_prices().await?;
    let mut prices = Vec::new();
    for (name, amount, interval) in PRICES {
        let lookup_key = format!("latchkey_demo_{name}");
        let price = if let Some(price) = known
            .iter()
            .find(|price| price.lookup_key.as_deref() == Some(&lookup_key))
        {
            price.id.clone()
        } else {
            // The same key gives the same product, so that both prices hang on one.
            let product = stripe
                .create_product(&IdempotencyKey::new("demo.product"), "Supporter", &[])
                .await?;
            let new = NewPrice {
                product,
                currency: "eur".parse().context("currency")?,
                unit_amount_minor: amount,
                interval: interval.unwrap_or(Interval::Day),
                interval_count: 1,
                once: interval.is_none(),
                lookup_key,
            };
            stripe
                .create_price(&IdempotencyKey::new(format!("demo.price.{name}")), &new)
                .await?
        };
        prices.push((price, amount, interval));
    }
    Ok(prices)
}

/// The demo's configuration, in the form of any other.
pub(super) fn configuration(hosts: &DemoHosts, origin: &str, data: &Path, prices: &[DemoPrice]) -> String {
    let mut text = format!(
        r#"
[instance]
publication = "The Harbour Post"
account_origin = "http://{account}"
[database]
url = {database:?}
[server]
reconcile_minutes = 1
[edge]
state_dir = {state:?}
[[site]]
id = "sit_news"
hosts = ["{site}"]
origin = "{origin}"
[site.strip]
ad_hosts = ["ads.localhost"]
[site.comments]
forbidden_words = ["blockhead"]
[[plan]]
id = "pln_supporter"
name = "Supporter"
description = "Every page without ads, on all your devices."
entitlements = "ad_free comments"
"#,
        account = hosts.account,
        site = hosts.site,
        database = format!("sqlite:{}", data.join("latchkey.db").display()),
        state = data.join("edge").display().to_string(),
    );
    for ((price, amount, interval), (name, _, _)) in prices.iter().zip(PRICES) {
        let term = match interval {
            Some(interval) => format!("interval = \"{}\"", interval.as_str()),
            None => "once = \"7d\"".to_owned(),
        };
        let _ = write!(
            text,
            "[[plan.price]]\nid = \"prc_{name}\"\nstripe_price = \"{price}\"\ncurrency = \"eur\"\namount_minor = {amount}\n{term}\n"
        );
    }
    text
}

/// The letters that were sent, for the mailbox page.
pub(super) fn letters(mailbox: &MemoryMailbox) -> Vec<MailView> {
    let letters = mailbox.letters().into_iter();
    letters
        .map(|letter| MailView {
            to: letter.mail.to,
            subject: letter.mail.subject,
            text: letter.mail.text,
            html: Some(letter.mail.html),
            at: minute(letter.at),
        })
        .collect()
}

/// `24 November 2026, 09:05 UTC`.
fn minute(at: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(at.seconds()).map_or_else(
        |_| String::new(),
        |at| {
            format!(
                "{} {} {}, {:02}:{:02} UTC",
                at.day(),
                at.month(),
                at.year(),
                at.hour(),
                at.minute()
            )
        },
    )
}

/// Says where to look.
pub(super) fn announce(hosts: &DemoHosts, data: &Path) {
    println!(
        "
Latchkey's demo is ready. No real money, no real readers; everything stays on this machine.

  Begin here        http://{front}/
  The news site     http://{site}/
  Support page      http://{account}/support?site=sit_news&to=/
  Account           http://{account}/account
  Mailbox           http://{mail}/
  Stripe sandbox    http://{stripe}/control
  Ad counter        http://{ads}/

  Pay with 4242 4242 4242 4242, any later date, any CVC. Data: {data}
  Ctrl-C stops; the next start goes on with the same data.
",
        front = hosts.front,
        site = hosts.site,
        account = hosts.account,
        mail = hosts.mail,
        stripe = hosts.stripe,
        ads = hosts.ads,
        data = data.display(),
    );
}
