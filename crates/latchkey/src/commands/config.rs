//! `latchkey config`.

use std::path::Path;

use anyhow::Context;

use crate::{
    cli::{ConfigCommand, Exit},
    config::{Config, Environment, VARIABLES, example},
};

/// Checks the configuration and prints what is in effect, or prints `.env.example`.
pub(crate) fn run(file: &Path, command: &ConfigCommand, environment: &Environment) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::EnvExample => {
            print!("{}", example());
            Ok(Exit::Done)
        }
        ConfigCommand::Check => check(file, environment),
    }
}

fn check(file: &Path, environment: &Environment) -> anyhow::Result<Exit> {
    let mut config = Config::load(file, environment)?;
    config.database.url = without_password(&config.database.url);
    print!(
        "{}",
        toml::to_string_pretty(&config).context("printing the configuration")?
    );
    println!("\n# Secrets:");
    let mut missing = Vec::new();
    for variable in VARIABLES.iter().filter(|variable| variable.secret) {
        let from_file = environment.plain(&format!("{}_FILE", variable.name)).is_some();
        let state = match (environment.plain(variable.name).is_some(), from_file) {
            (true, true) => "set twice: keep one of the variable and its _FILE",
            (true, false) => "set [redacted]",
            (false, true) => "from a file [redacted]",
            (false, false) => "not set",
        };
        println!("# {}: {state}", variable.name);
        let needed = variable.name != "DATABASE_URL" && variable.name != "LATCHKEY_SMTP_PASSWORD";
        if needed && state == "not set" {
            missing.push(variable.name);
        }
    }
    if missing.is_empty() {
        println!("\n# The configuration is in order.");
        return Ok(Exit::Done);
    }
    println!(
        "\n# The file is in order. `latchkey serve` also needs: {}; see .env.example.",
        missing.join(", ")
    );
    Ok(Exit::Findings)
}

/// A database address whose password is hidden.
fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            if parsed.set_password(Some("redacted")).is_err() {
                return "[redacted]".to_owned();
            }
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}
