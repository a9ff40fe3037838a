//! Where the signing secret of a new endpoint goes, which Stripe shows once.

use std::{
    fs::{File, OpenOptions},
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use latchkey_billing::EndpointSecret;

use crate::{cli::StripeSetup as Options, config::setting};

/// The place, made before the endpoint is.
pub(super) enum Room {
    /// A new file.
    File(File, PathBuf),
    /// Standard output.
    Printed,
    /// No endpoint is made, or its secret is somewhere already.
    None,
}

/// Whether nothing is kept there: no file, or the empty one of a run that died.
pub(super) fn is_free(path: &Path) -> bool {
    std::fs::symlink_metadata(path).map_or(true, |file| file.is_file() && file.len() == 0)
}

/// A file that its owner alone reads, at a place that is free.
fn new_file(path: &Path) -> std::io::Result<File> {
    if path.exists() && is_free(path) {
        std::fs::remove_file(path)?;
    }
    let mut file = OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(path)
}

impl Room {
    /// What the options ask for; a terminal may be shown it without being asked.
    pub(super) fn open(options: &Options) -> anyhow::Result<Self> {
        if let Some(path) = &options.secret_file {
            let file = new_file(path).with_context(|| {
                format!(
                    "{} cannot be made; nothing was made in Stripe either\n  help: name a file that is not there yet, in a folder that is",
                    path.display()
                )
            })?;
            return Ok(Self::File(file, path.clone()));
        }
        if options.print_secret || std::io::stdout().is_terminal() {
            return Ok(Self::Printed);
        }
        Err(setting(
            "the endpoint's signing secret is shown once, and there is nowhere to put it; nothing was made\n  help: name a new file with --secret-file FILE, or say --print-secret",
        )
        .into())
    }

    /// Puts the secret there.
    pub(super) fn keep(self, secret: &EndpointSecret) -> anyhow::Result<()> {
        match self {
            Self::File(mut file, path) => {
                let written = writeln!(file, "{}", secret.expose()).and_then(|()| file.sync_all());
                written.with_context(|| format!("writing {}", path.display()))?;
                println!(
                    "           its signing secret is in {}: name that in STRIPE_WEBHOOK_SECRETS_FILE, or add it to STRIPE_WEBHOOK_SECRETS",
                    path.display()
                );
            }
            Self::Printed => println!(
                "           its signing secret, shown this once; keep it secret, and put it into STRIPE_WEBHOOK_SECRETS:\n\n{}\n",
                secret.expose()
            ),
            Self::None => println!("           its signing secret stands in Stripe's dashboard, under the endpoint"),
        }
        Ok(())
    }
}
