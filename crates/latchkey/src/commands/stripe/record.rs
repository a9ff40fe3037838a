//! `latchkey stripe record`: what Stripe's test mode answers to a fixed list of calls.

use std::{fs::OpenOptions, path::Path, sync::Arc};

use anyhow::Context;
use latchkey_entitlement::Clock;
use latchkey_stripe_gateway::{Recorder, Wire, https};
use latchkey_sync::Ids;

use super::told;
use crate::{
    ambient::{SystemClock, SystemIds},
    cli::{Exit, StripeRecord},
    commands::serve::gateway_over,
    config::{Config, Environment, Secrets, setting},
};

/// Records into a new file.
pub(super) async fn run(file: &Path, options: &StripeRecord, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let key = Secrets(environment).required("STRIPE_SECRET_KEY")?;
    if !key.expose().contains("_test_") {
        return Err(setting(
            "a recording makes objects in Stripe, and is for test mode alone; nothing was called\n  help: set STRIPE_SECRET_KEY to a test key (sk_test_…)",
        )
        .into());
    }
    let out = OpenOptions::new().write(true).create_new(true).open(&options.out);
    let out = out.with_context(|| format!("{} cannot be made; name a new file", options.out.display()))?;
    let recorder = Arc::new(Recorder::new(https()?, Arc::new(SystemClock), Box::new(out)));
    let wire = Arc::clone(&recorder) as Arc<dyn Wire>;
    let gateway = gateway_over(key.expose(), config.stripe.base_url.clone(), Some(wire))?;
    let run = SystemIds.uuid().simple().to_string();
    let steps = gateway.tour(&run, SystemClock.now().seconds()).await;
    let steps = steps.map_err(|error| anyhow::anyhow!(told(&error)))?;
    for step in &steps {
        match &step.refused {
            None => println!("  {}", step.call),
            Some(why) => println!("  {}: {why}", step.call),
        }
    }
    let calls = recorder
        .finish()
        .with_context(|| format!("writing {}", options.out.display()))?;
    println!(
        "Recorded {calls} calls in {}. Refusals belong to it. `latchkey stripe replay {}` compares the sandbox with it.",
        options.out.display(),
        options.out.display()
    );
    Ok(Exit::Done)
}
