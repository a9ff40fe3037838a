//! `latchkey config`.

use std::path::Path;

use anyhow::Context;
use latchkey_server::SmtpMailer;

use crate::{
    cli::{ConfigCommand, Exit},
    commands::serve::{NEEDED, gateway, smtp},
    config::{Config, Environment, Secrets, VARIABLES, example, examples, without_password},
    instance::seal_key,
};

/// Checks the configuration and prints what is in effect, or prints `.env.example`.
pub(crate) fn run(file: &Path, command: &ConfigCommand, environment: &Environment) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::EnvExample => {
            print!("{}", example());
            Ok(Exit::Done)
        }
        ConfigCommand::Check(_) => check(file, environment),
    }
}

/// Checks file and environment, and prints what is in effect.
pub(crate) fn check(file: &Path, environment: &Environment) -> anyhow::Result<Exit> {
    let mut config = Config::load(file, environment)?;
    config.database.url = without_password(&config.database.url);
    print!(
        "{}",
        toml::to_string_pretty(&config).context("printing the configuration")?
    );
    println!("\n# Secrets:");
    let mut findings = Vec::new();
    for variable in VARIABLES.iter().filter(|variable| variable.secret) {
        let state = secret_state(environment, variable.name);
        match &state {
            Ok(state) => println!("# {}: {state}", variable.name),
            Err(error) => {
                println!("# {}: not usable", variable.name);
                findings.push(format!("{error:#}"));
            }
        }
        if NEEDED.contains(&variable.name) && matches!(state, Ok(NOT_SET)) {
            findings.push(format!(
                "{} is not set, and `latchkey serve` needs it\n  help: `latchkey config env-example` says what it is",
                variable.name
            ));
        }
    }
    findings.extend(examples(&config).iter().map(ToString::to_string));
    if let Err(error) = smtp(&config, environment).and_then(|smtp| Ok(SmtpMailer::new(&smtp)?)) {
        findings.push(format!("{error:#}"));
    }
    if findings.is_empty() {
        println!("\n# The configuration is in order.");
        return Ok(Exit::Done);
    }
    println!("\n# The file can be read. Before `latchkey serve` works as you wish:");
    for finding in findings {
        println!("#   {}", finding.replace('\n', "\n#   "));
    }
    Ok(Exit::Findings)
}

const NOT_SET: &str = "not set";

/// Where a secret comes from, after it was read and its form was looked at.
fn secret_state(environment: &Environment, name: &'static str) -> anyhow::Result<&'static str> {
    let secrets = Secrets(environment);
    if secrets.optional(name)?.is_none() {
        return Ok(NOT_SET);
    }
    match name {
        "LATCHKEY_EDGE_TOKEN" => drop(secrets.edge_token()?),
        "LATCHKEY_API_TOKEN" => drop(secrets.api_token()?),
        "LATCHKEY_SEAL_KEY" => drop(seal_key(environment)?),
        "STRIPE_WEBHOOK_SECRETS" => drop(secrets.webhook_secrets()?),
        "STRIPE_SECRET_KEY" => drop(gateway(secrets.required(name)?.expose(), None)?),
        _ => {}
    }
    let from_file = environment.plain(&format!("{name}_FILE")).is_some();
    Ok(if from_file {
        "from a file [redacted]"
    } else {
        "set [redacted]"
    })
}
