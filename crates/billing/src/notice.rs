//! Which letters a customer's state asks for, and when each is due.
//!
//! Pure: the same state gives the same notices at any time, except for those whose day is long past. A notice has a cause; whoever
//! keeps notices sends one for each cause and kind, however often the state is read.

use latchkey_entitlement::{
    Timestamp,
    time::{DAY, HOUR},
};
use serde::{Deserialize, Serialize};

use crate::{
    derive::DerivePolicy,
    next::Next,
    offer::Renewal,
    plan::{Interval, Plan, PlanPrice},
    stripe::{CustomerState, Invoice, Subscription, SubscriptionStatus},
};

/// How long after its day a notice is still worth sending, in milliseconds: a server may have been away for a weekend.
pub const LATEST: i64 = 3 * DAY;
/// A trial shorter than this has no notice of its end.
const SHORTEST_TRIAL: i64 = 2 * DAY;

/// What a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A payment has arrived.
    Receipt,
    /// A payment did not go through.
    PaymentFailed,
    /// A long period ends soon and is charged again.
    RenewalAhead,
    /// A trial ends soon and is charged.
    TrialEnding,
    /// The card expires before the next payment.
    CardExpiring,
    /// Somebody asked for the end, which comes with the running period.
    CancellationReceived,
    /// What was paid for has ended.
    AccessEnded,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Receipt,
        Self::PaymentFailed,
        Self::RenewalAhead,
        Self::TrialEnding,
        Self::CardExpiring,
        Self::CancellationReceived,
        Self::AccessEnded,
    ];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::PaymentFailed => "payment_failed",
            Self::RenewalAhead => "renewal_ahead",
            Self::TrialEnding => "trial_ending",
            Self::CardExpiring => "card_expiring",
            Self::CancellationReceived => "cancellation_received",
            Self::AccessEnded => "access_ended",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A letter that is or will be due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// What causes it: one letter for each kind and cause.
    pub cause: String,
    /// From when on it is to be sent.
    pub due_at: Timestamp,
    /// What it says.
    pub facts: NoticeFacts,
}

/// What a letter says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeFacts {
    /// Name of the plan.
    pub plan: Option<String>,
    /// An amount in minor units, and its currency.
    pub amount: Option<(i64, String)>,
    /// The day that it is about: of the charge, of the end.
    pub day: Option<Timestamp>,
    /// When somebody asked for it.
    pub asked: Option<Timestamp>,
    /// When collecting is tried again.
    pub again: Option<Timestamp>,
    /// Until when access lasts all the same.
    pub kept_until: Option<Timestamp>,
    /// The card in words.
    pub card: Option<String>,
    /// Stripe's page: of the invoice or receipt.
    pub url: Option<String>,
}

/// Which letters the publisher wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticePolicy {
    /// A receipt for each payment.
    pub receipts: bool,
    /// How long before a renewal of half a year or more, in days; 0 is none.
    pub renewal_ahead_days: u32,
    /// How long before the end of a trial, in days; 0 is none.
    pub trial_ending_days: u32,
    /// How long before the end of the month in which the card expires, in days; 0 is none.
    pub card_expiring_days: u32,
    /// When access has ended.
    pub access_ended: bool,
}

impl Default for NoticePolicy {
    fn default() -> Self {
        Self {
            receipts: true,
            renewal_ahead_days: 14,
            trial_ending_days: 3,
            card_expiring_days: 21,
            access_ended: true,
        }
    }
}

/// Every letter that the state of a customer asks for and whose day is not longer past than [`LATEST`].
pub fn notices(
    state: &CustomerState,
    plans: &[Plan],
    derive: &DerivePolicy,
    policy: &NoticePolicy,
    now: Timestamp,
) -> Vec<Notice> {
    let mut all = Vec::new();
    for subscription in &state.subscriptions {
        // Of what is not sold here, somebody else writes.
        let Some((plan, price)) = sold(subscription, plans) else {
            continue;
        };
        let own = Own {
            subscription,
            plan,
            price,
            renews_at: Renewal::of(subscription, plans).map_or_else(
                || (price.amount_minor, price.currency.to_string()),
                |renewal| (renewal.amount_minor, renewal.currency),
            ),
        };
        all.extend(own.renewal_ahead(policy));
        all.extend(own.trial_ending(policy));
        all.extend(own.card_expiring(policy));
        all.extend(own.cancellation_received());
        if policy.access_ended {
            all.extend(own.access_ended());
        }
        for invoice in &state.invoices {
            if invoice.subscription.as_ref() == Some(&subscription.id) {
                all.extend(own.of_invoice(invoice, derive, policy, now));
            }
        }
    }
    all.retain(|notice| now <= notice.due_at.plus(LATEST));
    all.sort_by(|a, b| (a.due_at, a.kind, &a.cause).cmp(&(b.due_at, b.kind, &b.cause)));
    all
}

fn sold<'a>(subscription: &Subscription, plans: &'a [Plan]) -> Option<(&'a Plan, &'a PlanPrice)> {
    subscription.items.iter().find_map(|item| {
        plans.iter().find_map(|plan| {
            let mut prices = plan.prices.iter();
            Some((plan, prices.find(|price| price.sold(&item.price_id, &item.product_id))?))
        })
    })
}

/// One subscription and what it was bought as.
struct Own<'a> {
    subscription: &'a Subscription,
    plan: &'a Plan,
    price: &'a PlanPrice,
    /// What is charged next, in minor units, and in which currency.
    renews_at: (i64, String),
}

impl Own<'_> {
    fn facts(&self) -> NoticeFacts {
        NoticeFacts {
            plan: Some(self.plan.name.clone()),
            amount: Some(self.renews_at.clone()),
            card: self.subscription.default_payment_method.clone(),
            ..NoticeFacts::default()
        }
    }

    fn notice(&self, kind: NoticeKind, cause: String, due_at: Timestamp, facts: NoticeFacts) -> Notice {
        Notice {
            kind,
            cause,
            due_at,
            facts: NoticeFacts {
                plan: Some(self.plan.name.clone()),
                ..facts
            },
        }
    }

    /// Who pays for half a year or more may have forgotten by then.
    fn renewal_ahead(&self, policy: &NoticePolicy) -> Option<Notice> {
        let days = i64::from(policy.renewal_ahead_days);
        let long = match self.price.interval {
            Interval::Year => true,
            Interval::Month => self.price.interval_count >= 6,
            Interval::Week => self.price.interval_count >= 26,
            Interval::Day => self.price.interval_count >= 182,
        };
        let Some(Next::Renews(at)) = self.subscription.next() else {
            return None;
        };
        let charged = self.subscription.status == SubscriptionStatus::Active && !self.subscription.pause_collection;
        if days == 0 || !long || !charged {
            return None;
        }
        let facts = NoticeFacts {
            day: Some(at),
            ..self.facts()
        };
        let cause = format!("{}@{}", self.subscription.id, at.seconds());
        Some(self.notice(NoticeKind::RenewalAhead, cause, at.plus(-days * DAY), facts))
    }

    fn trial_ending(&self, policy: &NoticePolicy) -> Option<Notice> {
        let days = i64::from(policy.trial_ending_days);
        let end = self.subscription.trial_end?;
        // A trial without a card may end by itself: nothing is said of a charge that may not come.
        let charged = matches!(self.subscription.next(), Some(Next::Renews(_)))
            && self.subscription.default_payment_method.is_some()
            && !self.subscription.pause_collection;
        let trying = self.subscription.status == SubscriptionStatus::Trialing;
        if days == 0 || !trying || !charged || end.0 - self.subscription.start_date.0 < SHORTEST_TRIAL {
            return None;
        }
        let facts = NoticeFacts {
            day: Some(end),
            ..self.facts()
        };
        let cause = format!("{}@{}", self.subscription.id, end.seconds());
        let due_at = end.plus(-days * DAY).max(self.subscription.start_date.plus(HOUR));
        Some(self.notice(NoticeKind::TrialEnding, cause, due_at, facts))
    }

    /// Only where the next payment comes after the card's last day: a yearly payer must not be written to for nothing.
    fn card_expiring(&self, policy: &NoticePolicy) -> Option<Notice> {
        let days = i64::from(policy.card_expiring_days);
        let Some(Next::Renews(charged)) = self.subscription.next() else {
            return None;
        };
        let expires = self.subscription.card_expires_at?;
        if days == 0 || charged < expires || self.subscription.pause_collection {
            return None;
        }
        let facts = NoticeFacts {
            // The last day on which it is good.
            day: Some(expires.plus(-1)),
            ..self.facts()
        };
        let cause = format!("{}@{}", self.subscription.id, expires.seconds());
        Some(self.notice(NoticeKind::CardExpiring, cause, expires.plus(-days * DAY), facts))
    }

    /// A confirmation with the time, wherever it was asked for: here, in the portal, or by the publisher in Stripe.
    fn cancellation_received(&self) -> Option<Notice> {
        let it = self.subscription;
        let Some(Next::Ends(end)) = it.next() else { return None };
        let asked = it.canceled_at?;
        let facts = NoticeFacts {
            day: Some(end),
            asked: Some(asked),
            ..NoticeFacts::default()
        };
        let cause = format!("{}@{}", it.id, asked.seconds());
        Some(self.notice(NoticeKind::CancellationReceived, cause, asked, facts))
    }

    fn access_ended(&self) -> Option<Notice> {
        let it = self.subscription;
        let end = match (it.ended_at, it.next()) {
            (Some(ended), _) if it.status == SubscriptionStatus::Canceled => ended,
            (None, Some(Next::Ends(at))) => at,
            _ => return None,
        };
        let facts = NoticeFacts {
            day: Some(end),
            ..NoticeFacts::default()
        };
        Some(self.notice(NoticeKind::AccessEnded, it.id.clone(), end, facts))
    }

    fn of_invoice(
        &self,
        invoice: &Invoice,
        derive: &DerivePolicy,
        policy: &NoticePolicy,
        now: Timestamp,
    ) -> Option<Notice> {
        match invoice.status.as_deref()? {
            "paid" if policy.receipts && invoice.amount_paid_minor > 0 => {
                let paid_at = invoice.papers.paid_at?;
                let facts = NoticeFacts {
                    amount: Some((invoice.amount_paid_minor, invoice.currency.clone())),
                    day: Some(paid_at),
                    url: invoice.hosted_invoice_url.clone(),
                    ..self.facts()
                };
                Some(self.notice(NoticeKind::Receipt, invoice.id.clone(), paid_at, facts))
            }
            "open" if invoice.attempt_count > 0 && self.subscription.status == SubscriptionStatus::PastDue => {
                let owed_since = invoice.due_date.unwrap_or(invoice.created);
                let kept_until = owed_since.plus(derive.past_due_grace_ms);
                let facts = NoticeFacts {
                    amount: Some((invoice.amount_due_minor, invoice.currency.clone())),
                    again: invoice.next_payment_attempt,
                    kept_until: (now < kept_until).then_some(kept_until),
                    url: invoice.hosted_invoice_url.clone(),
                    ..self.facts()
                };
                // One for each try that failed. When it failed Stripe does not say; a first one fails within hours of the invoice.
                let cause = format!("{}#{}", invoice.id, invoice.attempt_count);
                Some(self.notice(NoticeKind::PaymentFailed, cause, now, facts))
            }
            _ => None,
        }
    }
}
