//! Latchkey: ad-free subscriptions for publishers, from Stripe to a page without ads.

mod ambient;
mod cli;
mod commands;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod instance;
mod listen;
mod moment;
mod month;

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;

use latchkey_edge::EdgeError;
use latchkey_server::{KeysError, MailError};
use latchkey_store::StoreError;
use latchkey_stripe_gateway::ConfigError as GatewayError;

use cli::{Cli, Command, ConfigCommand, Exit};
use config::{ConfigError, Environment, SecretsError};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli, &environment()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("latchkey: {error:#}");
            exit_of(&error).into()
        }
    }
}

/// What an error means for the exit code: whether somebody has to change a setting, wherever it was noticed.
fn exit_of(error: &anyhow::Error) -> Exit {
    let of_configuration = error.chain().any(|cause| {
        cause.is::<ConfigError>()
            || cause.is::<SecretsError>()
            || matches!(cause.downcast_ref(), Some(EdgeError::Config(_)))
            || matches!(cause.downcast_ref(), Some(KeysError::Sealed { .. }))
            || matches!(cause.downcast_ref(), Some(StoreError::Url { .. }))
            || matches!(cause.downcast_ref(), Some(MailError::Settings(_)))
            || cause.is::<GatewayError>()
    });
    if of_configuration {
        Exit::Configuration
    } else {
        Exit::Failed
    }
}

/// The environment, read once. Names and values that are not Unicode are none of ours.
fn environment() -> Environment {
    Environment::from_pairs(
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    )
}

fn run(cli: Cli, environment: &Environment) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Init(init) => commands::init::run(&cli.config, &init),
        Command::Config(ConfigCommand::Check(check)) if check.online => {
            runtime(environment, commands::online::run(&cli.config, environment))
        }
        Command::Config(command) => commands::config::run(&cli.config, &command, environment),
        Command::Serve(serve) => runtime(environment, commands::serve::run(&cli.config, &serve, environment)),
        Command::Edge(edge) => runtime(environment, commands::edge::run(&cli.config, &edge, environment)),
        Command::Migrate => runtime(environment, commands::migrate::run(&cli.config, environment)),
        Command::Keys(keys) => runtime(environment, commands::keys::run(&cli.config, &keys, environment)),
        Command::Ban(ban) => runtime(environment, commands::standing::ban(&cli.config, &ban, environment)),
        Command::Unban(unban) => runtime(environment, commands::standing::unban(&cli.config, &unban, environment)),
        Command::Figures(figures) => runtime(environment, commands::figures::run(&cli.config, &figures, environment)),
        Command::Invoices(invoices) => runtime(
            environment,
            commands::invoices::run(&cli.config, &invoices, environment),
        ),
        Command::Explain(asked) => runtime(environment, commands::explain::run(&cli.config, &asked, environment)),
        Command::Grant(grant) => runtime(environment, commands::grant::grant(&cli.config, &grant, environment)),
        Command::Revoke(revoke) => runtime(environment, commands::grant::revoke(&cli.config, &revoke, environment)),
        Command::Grants(grants) => runtime(environment, commands::grant::list(&cli.config, &grants, environment)),
        Command::Inbox(inbox) => runtime(environment, commands::inbox::run(&cli.config, &inbox, environment)),
        Command::Status(status) => runtime(environment, commands::status::run(&cli.config, &status, environment)),
        Command::Reconcile(reconcile) => runtime(
            environment,
            commands::reconcile::run(&cli.config, &reconcile, environment),
        ),
        Command::Outbox(outbox) => runtime(environment, commands::outbox::run(&cli.config, &outbox, environment)),
        #[cfg(feature = "demo")]
        Command::Demo(options) => runtime(environment, demo::run(options, environment)),
        Command::Stripe(command) => runtime(environment, commands::stripe::run(&cli.config, &command, environment)),
        Command::Doctor(options) => runtime(environment, commands::doctor::run(&cli.config, &options, environment)),
        Command::Strip(strip) => commands::strip::run(&strip),
        Command::Completions { shell } => {
            commands::completions::run(shell);
            Ok(Exit::Done)
        }
    }
}

/// Runs a command that waits for things, with logging on standard error.
fn runtime(environment: &Environment, work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let wanted = environment.plain("LATCHKEY_LOG").unwrap_or_else(|| "warn".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(&wanted)
        .map_err(|why| ConfigError::Parse(format!("  LATCHKEY_LOG={wanted} cannot be read: {why}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
