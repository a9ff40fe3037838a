//! `docs/ACCESS.md` shows the tables that the code decides by.

use std::fmt::Write as _;

use latchkey_billing::{ACCESS, Access, REVERSALS, Reversal, ReversalEffect};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ACCESS.md");

fn in_words(access: Access) -> &'static str {
    match access {
        Access::None => "none",
        Access::Trial => "until the trial ends; the renewal slack longer unless set to end",
        Access::Period => "until the period ends; the renewal slack longer unless set to end",
        Access::Grace => "for the grace time, from the unpaid invoice",
        Access::Undecided => "what was recorded stays until its own end",
    }
}

fn name(reversal: Reversal) -> &'static str {
    match reversal {
        Reversal::RefundInFull => "refund in full",
        Reversal::RefundInPart => "refund in part",
        Reversal::RefundPending => "refund under way",
        Reversal::RefundFailed => "refund failed or called back",
        Reversal::Inquiry => "inquiry",
        Reversal::DisputeOpen => "dispute, open",
        Reversal::DisputeWon => "dispute, won",
        Reversal::DisputeLost => "dispute, lost",
        Reversal::DisputePrevented => "dispute, prevented",
    }
}

fn effect(effect: ReversalEffect) -> &'static str {
    match effect {
        ReversalEffect::Keeps => "stays",
        ReversalEffect::Notes => "stays; the operator is told",
        ReversalEffect::Ends => "ends from then on",
        ReversalEffect::Suspends => "rests until it is won",
        ReversalEffect::AsArrived => "as if it had arrived",
    }
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn tables() -> String {
    let mut text = String::from("| status | means | access | revenue |\n|---|---|---|---|\n");
    for rule in &ACCESS {
        let (access, revenue) = (in_words(rule.access), yes(rule.revenue));
        let _ = writeln!(text, "| `{}` | {} | {access} | {revenue} |", rule.status, rule.meaning);
    }
    text.push_str("| any other | a word that this version does not know | ");
    let _ = writeln!(text, "{} | no |", in_words(Access::Undecided));
    text.push_str(
        "\n| money that went back | means | access of that period | decided by | revenue |\n|---|---|---|---|---|\n",
    );
    for rule in &REVERSALS {
        let choice = rule.choice.map_or_else(
            || "–".to_owned(),
            |(key, [first, second])| format!("`{key}`: `{first}` or `{second}`"),
        );
        let (what, does, revenue) = (name(rule.reversal), effect(rule.effect), yes(rule.revenue));
        let _ = writeln!(text, "| {what} | {} | {does} | {choice} | {revenue} |", rule.meaning);
    }
    text
}

/// Complaint 9: one table, used alike for access and for revenue, and the document is that table.
#[test]
fn the_document_shows_the_tables_that_decide() {
    let document = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    let tables = tables();
    assert!(
        document.contains(&tables),
        "docs/ACCESS.md must hold exactly these tables:\n\n{tables}"
    );
}

/// Complaint 9: counted as revenue but locked out, or the other way round.
#[test]
fn whoever_is_locked_out_counts_for_nothing_and_whoever_pays_is_let_in() {
    for rule in &ACCESS {
        let paid_access = matches!(rule.access, Access::Period | Access::Grace);
        assert_eq!(rule.revenue, paid_access, "{}", rule.status);
    }
    for rule in &REVERSALS {
        let ends = matches!(rule.effect, ReversalEffect::Ends | ReversalEffect::Suspends);
        assert!(!(ends && rule.revenue), "{:?}", rule.reversal);
    }
}
