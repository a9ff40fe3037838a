//! What a publisher decides per site. Plain data: the edge gets it in the bundle, `page` compiles the strip rules.

use serde::{Deserialize, Serialize};

use crate::{Scope, SiteId, time};

/// Everything that is decided for one site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SitePolicy {
    /// Site id; `aud` of its passes.
    pub id: SiteId,
    /// Name of the publication, as readers know it.
    pub name: String,
    /// Hosts on which the site is served, lower-case, with port where it is not the scheme's own (`news.localhost:8080`).
    pub hosts: Vec<String>,
    /// Entitlements that change a page here; their part of a pass's scope is the class.
    #[serde(default = "default_page_changing")]
    pub page_changing: Scope,
    /// What is taken out of pages for payers.
    #[serde(default)]
    pub strip: StripPolicy,
    /// The call at top and bottom of each page for everyone else.
    #[serde(default)]
    pub call: CallPolicy,
    /// Rules for comments.
    #[serde(default)]
    pub comments: CommentPolicy,
    /// How long an expired pass is honoured while the server cannot be reached, in seconds; at most [`MAX_OUTAGE_GRACE_SECONDS`].
    #[serde(default = "default_outage_grace")]
    pub outage_grace_seconds: u32,
}

impl SitePolicy {
    /// The policy of a site for which nothing else was decided.
    pub fn new(id: SiteId, name: String) -> Self {
        Self {
            id,
            name,
            hosts: vec![],
            page_changing: default_page_changing(),
            strip: StripPolicy::default(),
            call: CallPolicy::default(),
            comments: CommentPolicy::default(),
            outage_grace_seconds: default_outage_grace(),
        }
    }
}

/// Longest outage grace that can be configured, in seconds: 30 days.
pub const MAX_OUTAGE_GRACE_SECONDS: u32 = 30 * 24 * 60 * 60;

/// Longest life of a pass that can be configured, in seconds.
pub const MAX_PASS_LIFE_SECONDS: u32 = 60 * 60;

/// How long a revocation is kept, in milliseconds: as long as a pass that it voids could be honoured anywhere, whatever is
/// configured now or was when the pass was made. Life of a pass, outage grace, what clocks may differ.
pub const REVOCATION_LIFE: i64 =
    (MAX_PASS_LIFE_SECONDS as i64 + MAX_OUTAGE_GRACE_SECONDS as i64) * time::SECOND + CLOCK_LEEWAY;

fn default_page_changing() -> Scope {
    Scope::parse("ad_free articles").unwrap_or_default()
}

fn default_outage_grace() -> u32 {
    MAX_OUTAGE_GRACE_SECONDS
}

/// Which rules strip a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripPolicy {
    /// Groups of built-in rules that are on: `ads`, `ad-measurement`, `analytics`, `social`, `chat`.
    #[serde(default = "default_groups")]
    pub groups: Vec<String>,
    /// Hosts of ads beside the built-in ones; a host names its sub-domains too.
    #[serde(default)]
    pub ad_hosts: Vec<String>,
    /// The publisher's own rules.
    #[serde(default)]
    pub rules: Vec<RuleSpec>,
    /// Paths on which nothing is stripped: a prefix, or with `*` for any characters.
    #[serde(default)]
    pub except_paths: Vec<String>,
    /// Whether the small first-party script that refuses late ads is put into `<head>`.
    #[serde(default = "yes")]
    pub guard_script: bool,
}

impl Default for StripPolicy {
    fn default() -> Self {
        Self {
            groups: default_groups(),
            ad_hosts: vec![],
            rules: vec![],
            except_paths: vec![],
            guard_script: true,
        }
    }
}

fn default_groups() -> Vec<String> {
    vec!["ads".to_owned(), "ad-measurement".to_owned()]
}

fn yes() -> bool {
    true
}

/// One rule: exactly one of `select`, `host`, `inline` says what it finds, `action` what is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// Short name, shown in reports and logs.
    pub id: String,
    /// Group in which it is switched; the publisher's own are in `ads` unless said otherwise.
    #[serde(default = "ads")]
    pub group: String,
    /// CSS selector of elements.
    #[serde(default)]
    pub select: Option<String>,
    /// Host (with sub-domains) of scripts, frames, images, hints.
    #[serde(default)]
    pub host: Option<String>,
    /// Text within an inline script; the whole script is judged.
    #[serde(default)]
    pub inline: Option<String>,
    /// What is done with a find.
    #[serde(default)]
    pub action: RuleAction,
    /// Why the rule is there.
    #[serde(default)]
    pub reason: String,
}

fn ads() -> String {
    "ads".to_owned()
}

/// What a rule does with what it finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// The element and all in it go.
    #[default]
    Remove,
    /// The element stays, unseen: for slots that a framework hydrates.
    Hide,
    /// The element stays, its content goes.
    Empty,
    /// The element's tags go, its content stays.
    Unwrap,
}

/// The call "Support us – go ad-free!".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallPolicy {
    /// Whether calls are inserted at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Words of the call; `{name}` is the publication.
    #[serde(default = "default_call")]
    pub text: String,
    /// Words for payers in its place; empty for none.
    #[serde(default = "default_thanks")]
    pub thanks: String,
}

impl Default for CallPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            text: default_call(),
            thanks: default_thanks(),
        }
    }
}

fn default_call() -> String {
    "Support {name} – go ad-free!".to_owned()
}

fn default_thanks() -> String {
    "Thank you for supporting {name}.".to_owned()
}

/// Rules for comments on a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommentPolicy {
    /// Words that hold a comment back; whole words, case folded.
    #[serde(default)]
    pub forbidden_words: Vec<String>,
    /// Whether commenting needs the entitlement `comments`, or only an account in good standing.
    #[serde(default)]
    pub entitlement_needed: bool,
}

/// Time allowed between clocks of server and edge, in milliseconds.
pub const CLOCK_LEEWAY: i64 = 5 * time::SECOND;
