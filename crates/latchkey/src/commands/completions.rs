//! `latchkey completions`.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

/// Prints the completions of `shell` to standard output.
pub(crate) fn run(shell: Shell) {
    generate(
        shell,
        &mut crate::cli::Cli::command(),
        "latchkey",
        &mut std::io::stdout(),
    );
}
