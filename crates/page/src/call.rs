//! The call "Support us – go ad-free!", and the thanks that stand in its place for payers.

use latchkey_entitlement::policy::SitePolicy;

use crate::edit::escape;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// First in the page.
    Top,
    /// Last in the page.
    Bottom,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Bottom => "bottom",
        }
    }
}

/// Colours with a contrast above 7:1 whatever the page's own are, in light and in dark.
const FRAME: &str = "display:block;box-sizing:border-box;width:100%;margin:0;padding:.75rem 1rem;background:#12312b;color:#fff;\
                     font:600 1rem/1.5 system-ui,sans-serif;text-align:center";
const LINK: &str = "color:#fff;text-decoration:underline;text-underline-offset:.2em";

/// A smaller link beside the words.
const SMALL: &str = "color:#fff;font-weight:400;margin-left:1rem;text-decoration:underline;text-underline-offset:.2em";

/// The call with a link to the support page, and one for readers who have paid and come on another device. Works without the
/// page's styles and scripts.
pub fn call_html(policy: &SitePolicy, support_href: &str, sign_in_href: &str, place: Place) -> String {
    let text = escape(&policy.call.text.replace("{name}", &policy.name));
    format!(
        "<aside class=\"latchkey-call\" data-place=\"{}\" aria-label=\"Support\" style=\"{FRAME}\"><a href=\"{}\" style=\"{LINK}\">{text}</a> \
         <a class=\"latchkey-sign-in\" href=\"{}\" style=\"{SMALL}\">Sign in</a></aside>",
        place.name(),
        escape(support_href),
        escape(sign_in_href),
    )
}

/// The thanks for payers, with a link to their account; empty if the policy has no words for it.
pub fn thanks_html(policy: &SitePolicy, account_href: &str, place: Place) -> String {
    if policy.call.thanks.is_empty() {
        return String::new();
    }
    let text = escape(&policy.call.thanks.replace("{name}", &policy.name));
    format!(
        "<aside class=\"latchkey-call\" data-place=\"{}\" aria-label=\"Thanks\" style=\"{FRAME}\">{text} \
         <a class=\"latchkey-account\" href=\"{}\" style=\"{SMALL}\">Your account</a></aside>",
        place.name(),
        escape(account_href),
    )
}
