//! `latchkey stripe`: setting an account up, and working with it from a laptop.

mod listen;
mod make;
mod record;
#[cfg(feature = "demo")]
mod replay;
mod secret;
mod setup;
mod toml_file;

use std::path::Path;

use latchkey_stripe_gateway::Gateway;

use crate::{
    cli::{Exit, StripeCommand},
    commands::serve::gateway,
    config::{Config, Environment, Secrets, setting},
};

pub(crate) use setup::endpoint_url;

/// Runs one of them.
pub(crate) async fn run(file: &Path, command: &StripeCommand, environment: &Environment) -> anyhow::Result<Exit> {
    match command {
        StripeCommand::Setup(options) => setup::run(file, options, environment).await,
        StripeCommand::Listen(options) => listen::run(file, options, environment).await,
        StripeCommand::Record(options) => record::run(file, options, environment).await,
        #[cfg(feature = "demo")]
        StripeCommand::Replay(options) => replay::run(options).await,
    }
}

/// The way to Stripe that the file and the environment name; a live key is never sent elsewhere.
pub(crate) fn way(config: &Config, environment: &Environment) -> anyhow::Result<Gateway> {
    let key = Secrets(environment).required("STRIPE_SECRET_KEY")?;
    let gateway = gateway(key.expose(), config.stripe.base_url.clone())?;
    if gateway.livemode() && config.stripe.base_url.is_some() {
        return Err(setting(
            "a live key would be sent to [stripe] base_url instead of Stripe; it was not\n  help: remove base_url, which is for tests",
        )
        .into());
    }
    Ok(gateway)
}

/// Stripe's words beside ours, where it gave a reason; the gateway has taken keys and addresses out.
pub(crate) fn told(error: &latchkey_billing::StripeError) -> String {
    match error {
        latchkey_billing::StripeError::Refused { message, .. } if !message.is_empty() => format!("{error}: {message}"),
        _ => error.to_string(),
    }
}
