//! Changes HTML: takes ads out for payers, puts calls in for everyone else. Pure.
//!
//! Two passes over a whole page. The first only reads: it finds what the rules name and checks that each find ends where it
//! should, since the streaming parser knows no implied end tags and removing an unclosed element would eat the article. The
//! second edits what was found to be safe. Whatever is in doubt is hidden by its start tag alone, or the page is given back
//! byte for byte.

mod analyse;
mod call;
mod compile;
mod edit;
mod guard;
mod host;
mod link;
mod list;
mod rehost;
mod rewrite;
mod rules;

pub use call::{Place, call_html, thanks_html};
pub use compile::{Compiled, RuleError};
pub use guard::guard_script;
pub use link::link_header;
pub use list::FilterList;
pub use rehost::rehost;
pub use rewrite::{Call, Change, MAX_REMOVED_TEXT_PERCENT, Outcome, Removal, Verdict, rewrite};
