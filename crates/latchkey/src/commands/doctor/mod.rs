//! `latchkey doctor`: everything that an instance needs, one line each, and how to mend it.

mod stripe;

use std::{path::Path, time::Duration};

use latchkey_edge::reachable;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    cli::{Doctor, Exit},
    commands::{
        online::{
            Tried::{self, Finding, Fine, Note, Skipped},
            account_origin, database, mail, origin,
        },
        serve::NEEDED,
        stripe::endpoint_url,
    },
    config::{Config, Environment, Secrets, authority, examples},
};

/// How long a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// What was told so far.
pub(super) struct Report {
    json: bool,
    lines: Vec<serde_json::Value>,
    findings: u32,
}

impl Report {
    /// Runs a check within its time and tells what came of it.
    async fn check(&mut self, what: &str, check: impl Future<Output = Tried>) {
        let tried = timeout(CHECK_TIMEOUT, check).await.unwrap_or_else(|_| {
            Finding(
                format!("gave no answer within {} s", CHECK_TIMEOUT.as_secs()),
                "look at what lies between here and there",
            )
        });
        self.tell(what, &tried);
    }

    pub(super) fn tell(&mut self, what: &str, tried: &Tried) {
        let (state, text, help) = match tried {
            Fine(text) => ("ok", text.as_str(), None),
            Note(text) => ("note", text.as_str(), None),
            Skipped(why) => ("skipped", *why, None),
            Finding(text, help) => ("finding", text.as_str(), Some(*help)),
        };
        self.findings += u32::from(help.is_some());
        if self.json {
            self.lines
                .push(json!({ "check": what, "state": state, "text": text, "help": help }));
            return;
        }
        let text = text.replace('\n', "\n         ");
        println!("{state:<8} {what}: {text}");
        if let Some(help) = help {
            println!("         help: {help}");
        }
    }
}

/// Runs every check, whatever becomes of the others.
pub(crate) async fn run(file: &Path, options: &Doctor, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let mut report = Report {
        json: options.json,
        lines: vec![],
        findings: 0,
    };
    report.tell("configuration", &configuration(&config));
    report.tell("secrets", &secrets(environment));
    report.check("database", database(&config.database.url)).await;
    stripe::check(&mut report, &config, environment).await;
    report.check("mail server", mail(&config, environment)).await;
    for site in &config.sites {
        report
            .check(&format!("origin of {}", site.id), origin(&config, site))
            .await;
    }
    report.check("account origin", account_origin(&config)).await;
    report.check("webhook route", webhook_route(&config)).await;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report.lines)?);
    } else {
        match report.findings {
            0 => println!("Everything that was looked at is in order."),
            found => println!("Found: {found}."),
        }
    }
    Ok(if report.findings == 0 {
        Exit::Done
    } else {
        Exit::Findings
    })
}

fn configuration(config: &Config) -> Tried {
    let examples = examples(config);
    match examples.as_slice() {
        [] => Fine("can be read".to_owned()),
        [first, rest @ ..] => Finding(
            format!("{}: {}; and {} more like it", first.at, first.problem, rest.len()),
            "`latchkey config check` names each",
        ),
    }
}

fn secrets(environment: &Environment) -> Tried {
    let of = Secrets(environment);
    let unusable = |name: &&&'static str| match **name {
        "LATCHKEY_EDGE_TOKEN" => of.edge_token().is_err(),
        "LATCHKEY_SEAL_KEY" => crate::instance::seal_key(environment).is_err(),
        "STRIPE_WEBHOOK_SECRETS" => of.webhook_secrets().is_err(),
        name => of.required(name).is_err(),
    };
    let wrong: Vec<&str> = NEEDED.iter().filter(unusable).copied().collect();
    if wrong.is_empty() {
        Fine("are set".to_owned())
    } else {
        Finding(
            format!("not usable: {}", wrong.join(", ")),
            "`latchkey config check` says what is wrong with each; `latchkey config env-example` what each is",
        )
    }
}

/// Whether Stripe's deliveries reach this program: a redirect counts as a failure with Stripe, and a page of something else as success.
async fn webhook_route(config: &Config) -> Tried {
    let url = endpoint_url(config);
    let Ok(url) = url.parse() else {
        return Skipped("[instance] account_origin is not usable");
    };
    match reachable(&url, &authority(&config.instance.account_origin), None).await {
        // It takes POST alone.
        Ok(answer) if answer.status() == 405 => Fine(format!("{url} is this program's")),
        Ok(answer) if answer.status().is_redirection() => Finding(
            format!("{url} answers {}", answer.status()),
            "Stripe follows no redirect and counts one as a failure: let what stands before `latchkey serve` pass this path on as it is",
        ),
        Ok(answer) => Finding(
            format!("{url} answers {}, as this program never does", answer.status()),
            "let what stands before `latchkey serve` pass this path on as it is",
        ),
        Err(_) => Skipped("the account origin does not answer from here, see above"),
    }
}
