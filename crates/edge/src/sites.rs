//! A bundle made ready to serve: per site the verifier, the compiled rules and the words of the calls.

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use latchkey_bundle::Bundle;
use latchkey_entitlement::{SiteId, policy::SitePolicy};
use latchkey_page::{Compiled, FilterList, Place};
use latchkey_token::Verifier;
use url::form_urlencoded;

use crate::memo::PassMemo;

/// Characters of a page variant's name in its `ETag`.
const VARIANT_LENGTH: usize = 12;

/// One site, ready to serve.
pub(crate) struct Site {
    pub(crate) policy: SitePolicy,
    pub(crate) verifier: Verifier,
    pub(crate) rules: Compiled,
    pub(crate) guard: String,
    pub(crate) guard_src: String,
    /// Changes with everything that decides how a page is changed, beside the class.
    pub(crate) variant: String,
    pub(crate) passes: PassMemo,
    thanks: Option<Arc<Words>>,
    support: String,
    /// Where readers sign in.
    sign_in: String,
}

/// What one bundle says.
pub(crate) struct Snapshot {
    pub(crate) version: u64,
    sites: HashMap<SiteId, Arc<Site>>,
}

impl Snapshot {
    /// Compiles a bundle; an error names the site that cannot be used.
    pub(crate) fn new(bundle: Bundle, lists: &[FilterList], wanted: &[SiteId]) -> Result<Self, String> {
        let mut sites = HashMap::new();
        for policy in bundle.sites {
            if !wanted.contains(&policy.id) {
                continue;
            }
            let rules = Compiled::new(&policy.strip, lists).map_err(|why| format!("site {}: {why}", policy.id))?;
            let verifier = Verifier::new(&bundle.jwks, &bundle.issuer, policy.id.as_str());
            let guard = latchkey_page::guard_script(&rules);
            let guard_src = format!("/.latchkey/assets/guard-{}.js", rules.version());
            let support = bundle.support_url.clone();
            let account = bundle.issuer.trim_end_matches('/');
            let mut site = Site {
                verifier,
                guard,
                guard_src,
                variant: String::new(),
                passes: PassMemo::default(),
                thanks: thanks(&policy, &format!("{account}/account")).map(Arc::new),
                support,
                sign_in: format!("{account}/sign-in"),
                policy,
                rules,
            };
            site.variant = variant(&site);
            sites.insert(site.policy.id.clone(), Arc::new(site));
        }
        match wanted.iter().find(|id| !sites.contains_key(id)) {
            Some(missing) => Err(format!(
                "the server's configuration has no site {missing}, which this edge serves"
            )),
            None => Ok(Self {
                version: bundle.version,
                sites,
            }),
        }
    }

    pub(crate) fn site(&self, id: &SiteId) -> Option<Arc<Site>> {
        self.sites.get(id).cloned()
    }
}

fn variant(site: &Site) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(site.rules.version().as_bytes());
    context.update(site.policy.strip.except_paths.join("\n").as_bytes());
    context.update(if site.policy.strip.guard_script {
        site.guard.as_bytes()
    } else {
        b"-"
    });
    for words in [site.call("/").map(Arc::new), site.thanks()].into_iter().flatten() {
        context.update(words.top.as_bytes());
        context.update(words.bottom.as_bytes());
    }
    let mut text = URL_SAFE_NO_PAD.encode(context.finish());
    text.truncate(VARIANT_LENGTH);
    text.replace('-', "_")
}

/// HTML for the top and the bottom of a page.
pub(crate) struct Words {
    pub(crate) top: String,
    pub(crate) bottom: String,
}

impl Words {
    fn some(self) -> Option<Self> {
        (!self.top.is_empty() || !self.bottom.is_empty()).then_some(self)
    }
}

impl Site {
    /// The call, for a reader who came to `path` and may come back there after paying.
    pub(crate) fn call(&self, path: &str) -> Option<Words> {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("site", self.policy.id.as_str())
            .append_pair("to", path)
            .finish();
        let join = if self.support.contains('?') { '&' } else { '?' };
        let href = format!("{}{join}{query}", self.support);
        let sign_in = format!("{}?{query}", self.sign_in);
        let html = |place| latchkey_page::call_html(&self.policy, &href, &sign_in, place);
        self.policy
            .call
            .enabled
            .then(|| Words {
                top: html(Place::Top),
                bottom: html(Place::Bottom),
            })
            .and_then(Words::some)
    }

    /// The thanks in its place.
    pub(crate) fn thanks(&self) -> Option<Arc<Words>> {
        self.thanks.clone()
    }

    /// Whether nothing is stripped on `path`, in the form in which rules see it.
    pub(crate) fn is_excepted(&self, path: &str) -> bool {
        self.policy
            .strip
            .except_paths
            .iter()
            .any(|pattern| matches(pattern, path))
    }
}

fn thanks(policy: &SitePolicy, account: &str) -> Option<Words> {
    let html = |place| latchkey_page::thanks_html(policy, account, place);
    let wanted = policy.call.enabled && !policy.call.thanks.is_empty();
    wanted
        .then(|| Words {
            top: html(Place::Top),
            bottom: html(Place::Bottom),
        })
        .and_then(Words::some)
}

/// Whether `path` begins with `pattern`, or is of its form if it has `*` (any characters).
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    if !pattern.contains('*') {
        return true;
    }
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return true;
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_path_pattern_is_a_prefix_or_has_stars() {
        for (pattern, path, want) in [
            ("/advertise", "/advertise/x", true),
            ("/advertise", "/adv", false),
            ("/advertise/*", "/advertise/x/y", true),
            ("/*/ads", "/en/ads", true),
            ("/*/ads", "/en/ads/x", false),
            ("*.pdf", "/a/b.pdf", true),
            ("/a*b*c", "/a-b-b-c", true),
            ("/a*b*c", "/a-c-b", false),
        ] {
            assert_eq!(matches(pattern, path), want, "{pattern} {path}");
        }
    }
}
