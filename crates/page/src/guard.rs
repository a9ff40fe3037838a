//! The guard: the small first-party script that keeps late ads from a payer's page.

use crate::Compiled;

const SCRIPT: &str = include_str!("guard.js");

/// The script for these rules. Served by the edge under a name that changes with [`Compiled::version`].
pub fn guard_script(compiled: &Compiled) -> String {
    let hosts: Vec<String> = compiled.ad_hosts().iter().map(|host| format!("\"{host}\"")).collect();
    SCRIPT.replace("\"{{hosts}}\"", &hosts.join(","))
}
