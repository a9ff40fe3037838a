//! `latchkey init`.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::Path,
};

use anyhow::{Context, bail};

use crate::{
    cli::{Exit, Init},
    config::TEMPLATE,
};

/// Writes the commented configuration; never over an existing file unless told to.
pub(crate) fn run(file: &Path, init: &Init) -> anyhow::Result<Exit> {
    let mut options = OpenOptions::new();
    options.write(true);
    if init.force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let mut target = match options.open(file) {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} is there already, and was left as it is\n  help: `--force` overwrites it; `--config FILE` writes another",
            file.display()
        ),
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "{} cannot be written; look at its folder and at who may write there",
                    file.display()
                )
            });
        }
    };
    target
        .write_all(TEMPLATE.as_bytes())
        .with_context(|| format!("writing {}", file.display()))?;
    println!("Wrote {}.", file.display());
    println!(
        "Next: fill in publication, account_origin, [mail], [[site]] and [[plan]], set the secrets (`latchkey config env-example`), and\nrun `latchkey config check`, which says what is still missing."
    );
    Ok(Exit::Done)
}
