//! `--help`, completions, and wrong usage.

use crate::program::Place;

const COMMANDS: [&[&str]; 18] = [
    &[],
    &["init"],
    &["config"],
    &["config", "check"],
    &["config", "env-example"],
    &["serve"],
    &["edge"],
    &["migrate"],
    &["keys"],
    &["keys", "list"],
    &["keys", "rotate"],
    &["ban"],
    &["unban"],
    &["grant"],
    &["revoke"],
    &["grants"],
    &["strip"],
    &["demo"],
];

#[test]
fn every_command_explains_itself_within_a_hundred_columns() {
    for command in COMMANDS {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        let help = Place::new().run(&arguments).is(0).says(&["Usage: latchkey"]);
        let first = help.out.lines().next().unwrap_or_default();
        assert!(first.contains(' '), "{command:?} begins with `{first}`");
        let long = help.out.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{command:?}");
    }
    Place::new()
        .run(&["--help"])
        .is(0)
        .says(&["Exit codes", "latchkey init"]);
    for command in ["strip", "ban", "grant", "demo", "keys", "edge", "serve"] {
        Place::new().run(&[command, "--help"]).is(0).says(&["Example"]);
    }
    Place::new().run(&["config", "check", "--help"]).is(0).says(&[
        "Example",
        "--online",
        "Exit codes",
        "only reads at Stripe",
    ]);
    Place::new().run(&["--version"]).is(0).says(&["latchkey "]);
}

#[test]
fn there_are_completions_for_every_shell() {
    for (shell, sign) in [
        ("bash", "_latchkey()"),
        ("zsh", "#compdef latchkey"),
        ("fish", "complete -c latchkey"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let printed = Place::new().run(&["completions", shell]).is(0).says(&[sign, "config"]);
        assert!(printed.err.is_empty());
    }
    Place::new().run(&["completions", "tcsh"]).is(2).says(&["tcsh", "bash"]);
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_is_right() {
    for (arguments, said) in [
        (&["frobnicate"] as &[&str], "unrecognized subcommand"),
        (&["serve", "--egde"], "--edge"),
        (&["ban", "acc_x"], "--reason"),
        (&["ban", "acc_x", "--reason", "spam", "--days", "0"], "1..=36500"),
        (&["demo", "--origin", "nonsense"], "https://www.publisher.example"),
        (
            &["demo", "--origin", "ftp://files.example"],
            "https://www.publisher.example",
        ),
        (&["demo", "--port", "65536"], "65535"),
        (&["strip", "--url", "nonsense"], "https://www.publisher.example"),
    ] {
        Place::new().run(arguments).is(2).says(&[said]);
    }
}
