//! A strip policy made ready: names in hash sets, hosts by suffix, and a few real selectors.

use std::collections::HashMap;

use latchkey_entitlement::policy::{RuleAction, RuleSpec, StripPolicy};
use lol_html::Selector;

use crate::{FilterList, host::Hosts, list::Lists, rules};

/// Most selectors that are matched one by one; simple classes and ids do not count.
pub(crate) const MAX_SELECTORS: usize = 200;
/// Groups of built-in rules.
const GROUPS: [&str; 5] = ["ads", "ad-measurement", "analytics", "social", "chat"];
/// Longest inline needle, in bytes, and shortest: a shorter one would hit everything.
const INLINE_BYTES: std::ops::RangeInclusive<usize> = 4..=200;

/// A policy that cannot be used; each names the rule.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleError {
    /// Not exactly one of `select`, `host`, `inline`.
    #[error("rule {0}: say exactly one of select, host and inline")]
    Finder(String),
    /// A selector that the engine cannot match.
    #[error(
        "rule {id}: `{selector}` cannot be used: {why}; type, class, id, attributes, descendant, child, :not and :nth-child can, `+ ~ :has :is` cannot"
    )]
    Selector {
        /// The rule.
        id: String,
        /// The selector.
        selector: String,
        /// What the parser said.
        why: String,
    },
    /// A host that is not one.
    #[error("rule {id}: `{host}` is not a host; write it without scheme, path or *")]
    Host {
        /// The rule, or `ad_hosts`.
        id: String,
        /// The host.
        host: String,
    },
    /// A needle that is too short or too long.
    #[error("rule {0}: inline text has 4 to 200 bytes")]
    Inline(String),
    /// An unknown group.
    #[error("group `{0}` is not known; there are ads, ad-measurement, analytics, social, chat")]
    Group(String),
    /// Too many selectors.
    #[error("{0} selectors that are neither a class nor an id; at most {MAX_SELECTORS} are allowed")]
    TooMany(usize),
}

/// What the engine needs of a rule when it has found something.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) action: RuleAction,
}

/// A policy made ready to be applied to pages. Made once per policy version; shared between requests.
pub struct Compiled {
    pub(crate) rules: Vec<Rule>,
    pub(crate) classes: HashMap<String, usize>,
    pub(crate) ids: HashMap<String, usize>,
    pub(crate) hosts: Hosts,
    pub(crate) inline: Vec<(String, usize)>,
    pub(crate) selectors: Vec<(Selector, usize)>,
    pub(crate) lists: Option<Lists>,
    except_paths: Vec<String>,
    version: String,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled")
            .field("version", &self.version)
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

impl Compiled {
    /// Compiles the built-in rules of the policy's groups, the policy's own rules and the lists.
    pub fn new(policy: &StripPolicy, lists: &[FilterList]) -> Result<Self, RuleError> {
        if let Some(odd) = policy.groups.iter().find(|group| !GROUPS.contains(&group.as_str())) {
            return Err(RuleError::Group(odd.clone()));
        }
        let mut compiled = Self {
            rules: vec![],
            classes: HashMap::new(),
            ids: HashMap::new(),
            hosts: Hosts::default(),
            inline: vec![],
            selectors: vec![],
            lists: Lists::new(lists),
            except_paths: policy.except_paths.clone(),
            version: version(policy, lists),
        };
        for rule in policy.rules.iter().chain(&rules::built_in()) {
            if policy.groups.contains(&rule.group) {
                compiled.add(rule)?;
            }
        }
        for host in &policy.ad_hosts {
            let rule = compiled.push(&format!("ad-host-{host}"), RuleAction::Remove);
            compiled.add_host("ad_hosts", host, rule)?;
        }
        if compiled.selectors.len() > MAX_SELECTORS {
            return Err(RuleError::TooMany(compiled.selectors.len()));
        }
        Ok(compiled)
    }

    /// A short name of exactly these rules: it changes when one of them does. Part of ETags and cache keys.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every host whose scripts, frames, images and hints go, sorted; each stands for its sub-domains too.
    pub fn ad_hosts(&self) -> Vec<String> {
        self.hosts.names()
    }

    /// Whether `address`, absolute or relative to the scheme, is an ad's on the page `page_url`.
    pub fn is_ad_url(&self, address: &str, page_url: &str) -> bool {
        self.hosts.find_address(address).is_some()
            || self
                .lists
                .as_ref()
                .is_some_and(|lists| lists.blocks(address, page_url, "other"))
    }

    /// Whether the policy leaves the page at `path` as it is.
    pub fn is_excepted(&self, path: &str) -> bool {
        self.except_paths.iter().any(|pattern| matches(pattern, path))
    }

    fn push(&mut self, id: &str, action: RuleAction) -> usize {
        self.rules.push(Rule {
            id: id.to_owned(),
            action,
        });
        self.rules.len() - 1
    }

    fn add(&mut self, spec: &RuleSpec) -> Result<(), RuleError> {
        let rule = self.push(&spec.id, spec.action);
        match (&spec.select, &spec.host, &spec.inline) {
            (Some(select), None, None) => self.add_selector(&spec.id, select, rule),
            (None, Some(host), None) => self.add_host(&spec.id, host, rule),
            (None, None, Some(inline)) if INLINE_BYTES.contains(&inline.len()) => {
                self.inline.push((inline.clone(), rule));
                Ok(())
            }
            (None, None, Some(_)) => Err(RuleError::Inline(spec.id.clone())),
            _ => Err(RuleError::Finder(spec.id.clone())),
        }
    }

    fn add_host(&mut self, id: &str, host: &str, rule: usize) -> Result<(), RuleError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        if name.is_empty() || !name.bytes().all(plain) || name.starts_with('.') || !name.contains('.') {
            return Err(RuleError::Host {
                id: id.to_owned(),
                host: host.to_owned(),
            });
        }
        self.hosts.insert(name, rule);
        Ok(())
    }

    fn add_selector(&mut self, id: &str, select: &str, rule: usize) -> Result<(), RuleError> {
        match simple(select) {
            Some(Simple::Class(name)) => {
                self.classes.entry(name.to_owned()).or_insert(rule);
            }
            Some(Simple::Id(name)) => {
                self.ids.entry(name.to_owned()).or_insert(rule);
            }
            None => {
                let selector = select
                    .parse()
                    .map_err(|why: lol_html::errors::SelectorError| RuleError::Selector {
                        id: id.to_owned(),
                        selector: select.to_owned(),
                        why: why.to_string(),
                    })?;
                self.selectors.push((selector, rule));
            }
        }
        Ok(())
    }
}

/// A selector that is one class or one id: a hash set finds these, however many there are.
pub(crate) enum Simple<'a> {
    Class(&'a str),
    Id(&'a str),
}

pub(crate) fn simple(select: &str) -> Option<Simple<'_>> {
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let select = select.trim();
    match (select.strip_prefix('.'), select.strip_prefix('#')) {
        (Some(name), None) if plain(name) => Some(Simple::Class(name)),
        (None, Some(name)) if plain(name) => Some(Simple::Id(name)),
        _ => None,
    }
}

/// A path pattern: a prefix, or with `*` for any characters.
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// FNV-1a over everything that the rules say: not a secret, only a name.
fn version(policy: &StripPolicy, lists: &[FilterList]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |text: &str| {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(env!("CARGO_PKG_VERSION"));
    add(&format!("{policy:?}"));
    for rule in rules::built_in() {
        add(&format!("{rule:?}"));
    }
    for list in lists {
        add(list.text());
    }
    format!("{hash:016x}")
}
