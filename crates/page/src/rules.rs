//! The built-in rules: a data file with the reason for each.

use latchkey_entitlement::policy::RuleSpec;
use serde::Deserialize;

const BUILT_IN: &str = include_str!("rules.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<RuleSpec>,
}

/// All built-in rules, in every group. A test parses the file, so that it cannot be empty by mistake.
pub(crate) fn built_in() -> Vec<RuleSpec> {
    toml::from_str::<File>(BUILT_IN)
        .map(|file| file.rule)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_built_in_rules_parse_have_ids_of_their_own_and_a_reason() {
        let rules = toml::from_str::<File>(BUILT_IN).unwrap().rule;
        let ids: BTreeSet<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids.len(), rules.len());
        for rule in &rules {
            assert!(!rule.reason.is_empty(), "{} has no reason", rule.id);
        }
    }
}
