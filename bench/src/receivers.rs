//! What takes webhooks: our server, as the real program, and the competitor.

use std::{fs, path::Path, process::Command};

use crate::{
    account::EDGE_TOKEN,
    deliveries::{Receiver, WEBHOOK_SECRET},
    process::{Running, free_port, latchkey},
};

/// A receiver that listens.
#[derive(Debug)]
pub struct Listening {
    /// Where it is delivered to.
    pub receiver: Receiver,
    _process: Running,
}

/// `latchkey serve` over `database`, with Stripe at `stripe`.
pub fn server(folder: &Path, database: &str, stripe: u16, price: &str) -> anyhow::Result<Listening> {
    fs::create_dir_all(folder)?;
    let (port, file) = (free_port()?, folder.join("latchkey.toml"));
    let text = format!(
        "[instance]\npublication = \"The Harbour Post\"\naccount_origin = \"http://account.localhost:{port}\"\n\
         [server]\nlisten = \"127.0.0.1:{port}\"\n[stripe]\nbase_url = \"http://127.0.0.1:{stripe}/\"\n\
         [mail]\nsmtp_host = \"localhost\"\nfrom = \"The Harbour Post <post@publisher.example>\"\n\
         [[site]]\nid = \"sit_news\"\nhosts = [\"news.localhost:{port}\"]\norigin = \"http://127.0.0.1:1/\"\n\
         [[plan]]\nid = \"pln_supporter\"\nname = \"Supporter\"\nentitlements = \"ad_free\"\n\
         [[plan.price]]\nid = \"prc_monthly\"\nstripe_price = \"{price}\"\ncurrency = \"eur\"\namount_minor = 500\n\
         interval = \"month\"\n",
    );
    fs::write(&file, text)?;
    let mut command = Command::new(latchkey()?);
    command
        .arg("--config")
        .arg(&file)
        .arg("serve")
        .env("DATABASE_URL", database)
        .env("STRIPE_SECRET_KEY", STRIPE_KEY)
        .env("STRIPE_WEBHOOK_SECRETS", WEBHOOK_SECRET)
        .env("LATCHKEY_SEAL_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        .env("LATCHKEY_EDGE_TOKEN", EDGE_TOKEN)
        .env("LATCHKEY_LOG", "error");
    Ok(Listening {
        receiver: Receiver {
            port,
            path: "/webhooks/stripe",
        },
        _process: Running::start(&mut command, port)?,
    })
}

/// The key that the server shows to Stripe.
pub const STRIPE_KEY: &str = "sk_test_sandbox_of_a_measurement";

/// The competitor: `server.mjs` in a folder where its packages are installed.
pub fn stripe_sync_engine(script: &Path, database: &str) -> anyhow::Result<Listening> {
    let port = free_port()?;
    let mut command = Command::new("node");
    command
        .arg(script)
        .arg(port.to_string())
        .arg(database)
        .arg(WEBHOOK_SECRET)
        .env("NODE_ENV", "production");
    Ok(Listening {
        receiver: Receiver { port, path: "/" },
        _process: Running::start(&mut command, port)?,
    })
}
