//! Money that went back: what refunds and disputes do to access.
//!
//! A charge paid a period. Whoever has the money of the running period back, or has disputed it, has not paid for it; the subscription
//! itself lives on, and a later period that is paid gives access again. Everything follows from what Stripe says now, so the order in
//! which it was told makes no difference.

use latchkey_entitlement::{Timestamp, time::HOUR};
use serde::{Deserialize, Serialize};

use crate::{
    derive::{Benefit, Derived, moment},
    format_money,
    payment::{Charge, Dispute, DisputeStatus, Refund, RefundStatus},
    stripe::{CustomerState, Invoice, Subscription},
};

/// How long before its period an invoice may have been made and still belong to it, in milliseconds: Checkout takes the money first.
const INVOICE_LEAD: i64 = HOUR;

/// What a refund of all that paid the running period does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FullRefund {
    /// Access ends from then on, for that period.
    #[default]
    End,
    /// Access stays until the period ends.
    Keep,
}

/// What a dispute does while it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenDispute {
    /// Access rests, and comes back if the dispute is won.
    #[default]
    Suspend,
    /// Access stays until the dispute is lost.
    Keep,
}

/// What is done about two live subscriptions of one reader to one plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubleSubscription {
    /// One is stopped, and what it cost is paid back.
    #[default]
    Refund,
    /// The operator is told, and nothing else.
    Alert,
}

/// What the publisher decides about money that goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MoneyBackPolicy {
    /// A refund in full.
    pub full_refund: FullRefund,
    /// An open dispute.
    pub open_dispute: OpenDispute,
    /// Two subscriptions to one plan.
    pub double_subscription: DoubleSubscription,
}

/// How money went back, or was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversal {
    /// Everything that paid the running period was refunded.
    RefundInFull,
    /// A part of it was.
    RefundInPart,
    /// A refund is under way.
    RefundPending,
    /// A refund failed or was called back.
    RefundFailed,
    /// The bank asks.
    Inquiry,
    /// The bank has taken the money, and nothing is decided.
    DisputeOpen,
    /// The merchant was right.
    DisputeWon,
    /// The merchant was wrong.
    DisputeLost,
    /// The bank and the merchant had agreed before.
    DisputePrevented,
}

/// What a reversal does to the access that its charge had paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReversalEffect {
    /// Nothing.
    Keeps,
    /// Nothing; the operator is told.
    Notes,
    /// Ends it, from that moment on.
    Ends,
    /// Ends it until the dispute is won.
    Suspends,
    /// What it does once it has arrived.
    AsArrived,
}

/// One row of [`REVERSALS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReversalRule {
    /// What happened.
    pub reversal: Reversal,
    /// What it does unless the publisher decided otherwise.
    pub effect: ReversalEffect,
    /// The key of the configuration that decides, and its values; the first is the default.
    pub choice: Option<(&'static str, [&'static str; 2])>,
    /// Whether the period still counts as revenue.
    pub revenue: bool,
    /// What it means.
    pub meaning: &'static str,
}

const fn row(reversal: Reversal, effect: ReversalEffect, revenue: bool, meaning: &'static str) -> ReversalRule {
    ReversalRule {
        reversal,
        effect,
        choice: None,
        revenue,
        meaning,
    }
}

/// The second half of the table from Stripe's state to access; the first is [`crate::ACCESS`].
pub const REVERSALS: [ReversalRule; 9] = [
    ReversalRule {
        choice: Some(("money_back.full_refund", ["end", "keep"])),
        ..row(
            Reversal::RefundInFull,
            ReversalEffect::Ends,
            false,
            "all that paid the running period was refunded",
        )
    },
    row(
        Reversal::RefundInPart,
        ReversalEffect::Keeps,
        true,
        "a part was refunded; revenue is what is left",
    ),
    row(
        Reversal::RefundPending,
        ReversalEffect::AsArrived,
        false,
        "a refund is under way: it counts as one that has arrived",
    ),
    row(
        Reversal::RefundFailed,
        ReversalEffect::Notes,
        true,
        "a refund failed or was called back: the money is the publisher's again, and access is as before",
    ),
    row(
        Reversal::Inquiry,
        ReversalEffect::Notes,
        true,
        "the bank asks about a payment (`warning_…`); no money has moved",
    ),
    ReversalRule {
        choice: Some(("money_back.open_dispute", ["suspend", "keep"])),
        ..row(
            Reversal::DisputeOpen,
            ReversalEffect::Suspends,
            false,
            "a payment of the running period is disputed (`needs_response`, `under_review`)",
        )
    },
    row(
        Reversal::DisputeWon,
        ReversalEffect::Keeps,
        true,
        "the dispute was won: the money is back, and so is access",
    ),
    row(
        Reversal::DisputeLost,
        ReversalEffect::Ends,
        false,
        "the dispute was lost",
    ),
    row(
        Reversal::DisputePrevented,
        ReversalEffect::Notes,
        true,
        "it was settled with the bank before it became a dispute; a refund, if any, counts by itself",
    ),
];

/// What a reversal does under a policy.
pub fn reversal_effect(reversal: Reversal, policy: MoneyBackPolicy) -> ReversalEffect {
    match (reversal, policy) {
        (
            Reversal::RefundInFull,
            MoneyBackPolicy {
                full_refund: FullRefund::Keep,
                ..
            },
        ) => ReversalEffect::Keeps,
        (
            Reversal::DisputeOpen,
            MoneyBackPolicy {
                open_dispute: OpenDispute::Keep,
                ..
            },
        ) => ReversalEffect::Notes,
        _ => REVERSALS
            .iter()
            .find(|rule| rule.reversal == reversal)
            .map_or(ReversalEffect::Notes, |rule| rule.effect),
    }
}

impl DisputeStatus {
    /// Whether Stripe refuses to refund the charge, because the bank has the money.
    pub const fn forbids_refunds(&self) -> bool {
        matches!(self, Self::NeedsResponse | Self::UnderReview | Self::Lost)
    }

    /// What it is to access; `None` for a word that this version does not know.
    pub const fn reversal(&self) -> Option<Reversal> {
        Some(match self {
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed => Reversal::Inquiry,
            Self::NeedsResponse | Self::UnderReview => Reversal::DisputeOpen,
            Self::Won => Reversal::DisputeWon,
            Self::Lost => Reversal::DisputeLost,
            Self::Prevented => Reversal::DisputePrevented,
            Self::Unknown(_) => return None,
        })
    }
}

/// The invoices that paid the running period of a subscription, with money.
pub(crate) fn paid_for_running_period<'a>(subscription: &Subscription, state: &'a CustomerState) -> Vec<&'a Invoice> {
    let starts = subscription.items.iter().map(|item| item.current_period_start);
    let Some(start) = starts.min() else { return vec![] };
    let covers = |invoice: &&Invoice| {
        invoice.subscription.as_ref() == Some(&subscription.id)
            && invoice.status.as_deref() == Some("paid")
            && invoice.amount_paid_minor > 0
            && invoice.created >= start.plus(-INVOICE_LEAD)
            && invoice.lines_end.is_none_or(|end| end > start)
    };
    state.invoices.iter().filter(covers).collect()
}

/// The charges that paid an invoice, as far as anything was taken back of them.
pub(crate) fn charges_of<'a>(invoice: &str, state: &'a CustomerState) -> impl Iterator<Item = &'a Charge> {
    let id = invoice.to_owned();
    state
        .charges
        .iter()
        .filter(move |charge| charge.invoice.as_ref() == Some(&id))
}

/// The refunds of what paid an invoice that count.
pub(crate) fn refunds_of<'a>(invoice: &str, state: &'a CustomerState) -> Vec<&'a Refund> {
    let charges = charges_of(invoice, state);
    let of = |charge: &'a Charge| {
        let own = state.refunds.iter().filter(|refund| refund.charge == charge.id);
        own.filter(|refund| refund.status.counts())
    };
    charges.flat_map(of).collect()
}

/// The disputes of what paid an invoice.
pub(crate) fn disputes_of<'a>(invoice: &str, state: &'a CustomerState) -> Vec<&'a Dispute> {
    let charges = charges_of(invoice, state);
    charges
        .flat_map(|charge| state.disputes.iter().filter(|dispute| dispute.charge == charge.id))
        .collect()
}

/// What took the running period's money back: when it counts from, in words, and the word for the reader's page.
struct Taken {
    at: Timestamp,
    effect: ReversalEffect,
    words: String,
    note: &'static str,
}

/// Lets money that went back end what it had paid for. The benefits are those that follow from the subscriptions alone.
pub(crate) fn take_back(state: &CustomerState, policy: MoneyBackPolicy, out: &mut Derived) {
    for subscription in &state.subscriptions {
        let taken = taken(subscription, state, policy);
        let own = |benefit: &&mut Benefit| {
            let id = benefit.source_ref.split('/').next().unwrap_or_default();
            id == subscription.id
        };
        for benefit in out.benefits.iter_mut().filter(own) {
            for one in &taken {
                one.apply(benefit);
            }
        }
    }
    alert(state, policy, out);
}

impl Taken {
    fn apply(&self, benefit: &mut Benefit) {
        let ends = matches!(self.effect, ReversalEffect::Ends | ReversalEffect::Suspends);
        if ends && benefit.until.is_none_or(|until| self.at < until) {
            benefit.until = Some(self.at);
            benefit.state_note = Some(self.note.to_owned());
        }
        benefit.because.push_str("; ");
        benefit.because.push_str(&self.words);
    }
}

/// Everything that happened to the money of the running period, in order of time.
fn taken(subscription: &Subscription, state: &CustomerState, policy: MoneyBackPolicy) -> Vec<Taken> {
    let paid = paid_for_running_period(subscription, state);
    let mut all = Vec::new();
    all.extend(refunded(&paid, state, policy));
    for invoice in &paid {
        for dispute in disputes_of(&invoice.id, state) {
            all.extend(disputed(dispute, policy));
        }
    }
    all.sort_by(|a, b| (a.at, &a.words).cmp(&(b.at, &b.words)));
    all
}

fn refunded(paid: &[&Invoice], state: &CustomerState, policy: MoneyBackPolicy) -> Option<Taken> {
    let refunds: Vec<(&Invoice, Vec<&Refund>)> = paid
        .iter()
        .map(|invoice| (*invoice, refunds_of(&invoice.id, state)))
        .collect();
    let at = refunds
        .iter()
        .flat_map(|(_, refunds)| refunds)
        .map(|refund| refund.created)
        .max()?;
    let sum = |refunds: &[&Refund]| refunds.iter().map(|refund| refund.amount_minor).sum::<i64>();
    let back: i64 = refunds.iter().map(|(_, refunds)| sum(refunds)).sum();
    let whole = refunds
        .iter()
        .all(|(invoice, refunds)| sum(refunds) >= invoice.amount_paid_minor);
    let currency = paid
        .first()
        .map(|invoice| invoice.currency.as_str())
        .unwrap_or_default();
    let amount = format_money(back, currency);
    let reversal = if whole {
        Reversal::RefundInFull
    } else {
        Reversal::RefundInPart
    };
    let effect = reversal_effect(reversal, policy);
    let words = match (reversal, effect) {
        (Reversal::RefundInFull, ReversalEffect::Ends) => format!(
            "what paid the running period was refunded in full ({amount}) on {}, and access ended with it",
            moment(at)
        ),
        (Reversal::RefundInFull, _) => format!(
            "what paid the running period was refunded in full ({amount}) on {}, and access stays by the publisher's choice",
            moment(at)
        ),
        _ => format!(
            "{amount} of what paid the running period was refunded, the last of it on {}, which leaves access as it is",
            moment(at)
        ),
    };
    Some(Taken {
        at,
        effect,
        words,
        note: "refunded",
    })
}

fn disputed(dispute: &Dispute, policy: MoneyBackPolicy) -> Option<Taken> {
    let effect = reversal_effect(dispute.status.reversal()?, policy);
    let (id, at) = (&dispute.id, moment(dispute.created));
    let words = match (&dispute.status, effect) {
        (DisputeStatus::Lost, _) => {
            format!("its payment was disputed on {at} and the dispute was lost ({id}), which ended access")
        }
        (DisputeStatus::Won, _) => {
            format!("a dispute of its payment of {at} was won ({id}), and access is what it was")
        }
        (DisputeStatus::NeedsResponse | DisputeStatus::UnderReview, ReversalEffect::Suspends) => {
            format!("its payment is disputed since {at} ({id}): access rests until the dispute is won")
        }
        (DisputeStatus::NeedsResponse | DisputeStatus::UnderReview, _) => {
            format!("its payment is disputed since {at} ({id}), and access stays while nothing is decided")
        }
        _ => return None,
    };
    Some(Taken {
        at: dispute.created,
        effect,
        words,
        note: "disputed",
    })
}

/// What the operator should know of.
fn alert(state: &CustomerState, policy: MoneyBackPolicy, out: &mut Derived) {
    for dispute in &state.disputes {
        let (id, charge) = (&dispute.id, &dispute.charge);
        let access = match dispute.status.reversal().map(|it| reversal_effect(it, policy)) {
            Some(ReversalEffect::Suspends) => "what the charge paid for rests until it is won",
            Some(ReversalEffect::Ends) => "what the charge paid for has ended",
            _ => "access stays as it is",
        };
        out.alerts.extend(match &dispute.status {
            DisputeStatus::Won | DisputeStatus::WarningClosed => None,
            DisputeStatus::WarningNeedsResponse | DisputeStatus::WarningUnderReview => Some(format!(
                "a bank asks about charge {charge} (inquiry {id}, `{}`): answer it in Stripe's dashboard; {access}",
                dispute.status
            )),
            DisputeStatus::Unknown(word) => Some(format!(
                "dispute {id} of charge {charge} is `{}`, a status that this version does not know: {access}",
                word.chars().take(40).collect::<String>()
            )),
            status => Some(format!("charge {charge} is disputed ({id}, `{status}`): {access}")),
        });
    }
    for refund in &state.refunds {
        let (id, charge) = (&refund.id, &refund.charge);
        let amount = format_money(refund.amount_minor, &refund.currency);
        out.alerts.extend(match &refund.status {
            RefundStatus::Failed => Some(format!(
                "refund {id} of {amount} on charge {charge} failed ({}): the reader has not the money; pay it back in another way",
                refund.failure_reason.as_deref().unwrap_or("no reason given")
            )),
            RefundStatus::Unknown(word) => Some(format!(
                "refund {id} of {amount} on charge {charge} is `{}`, a status that this version does not know: it is not counted",
                word.chars().take(40).collect::<String>()
            )),
            _ => None,
        });
    }
}
