//! Charges, and what takes their money back: refunds and disputes. Narrow, as everything that is read of Stripe.

use std::{collections::BTreeMap, fmt};

use latchkey_entitlement::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::parse::{ParseError, Reader};

/// A charge: a card was asked for money.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// `ch_…`.
    pub id: String,
    /// `pi_…`.
    pub payment_intent: Option<String>,
    /// `cus_…`.
    pub customer: Option<String>,
    /// `in_…` that it paid. Stripe's charges do not say; whoever reads them finds it through the invoice payments.
    pub invoice: Option<String>,
    /// What was asked for, in minor units.
    pub amount_minor: i64,
    /// What is back or on its way back, in minor units.
    pub refunded_minor: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// When.
    pub created: Timestamp,
    /// Whether money moved.
    pub paid: bool,
    /// Whether it was ever disputed or asked about.
    pub disputed: bool,
    /// Live or test mode.
    pub livemode: bool,
}

/// Where a refund stands, in Stripe's words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RefundStatus {
    /// Under way.
    Pending,
    /// Waits for something that the reader has to do.
    RequiresAction,
    /// The money is back; it can still fail days later, if the reader's bank sends it back.
    Succeeded,
    /// The money did not arrive, and is the merchant's again.
    Failed,
    /// It was called back.
    Canceled,
    /// A word that this version does not know.
    Unknown(String),
}

impl RefundStatus {
    /// Every status known here.
    pub const KNOWN: [Self; 5] = [
        Self::Pending,
        Self::RequiresAction,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
    ];

    /// Stripe's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::RequiresAction => "requires_action",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Unknown(word) => word,
        }
    }

    /// Whether the money counts as given back.
    pub const fn counts(&self) -> bool {
        matches!(self, Self::Pending | Self::RequiresAction | Self::Succeeded)
    }
}

impl From<String> for RefundStatus {
    fn from(word: String) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.as_str() == word)
            .unwrap_or(Self::Unknown(word))
    }
}

impl From<RefundStatus> for String {
    fn from(status: RefundStatus) -> Self {
        status.as_str().to_owned()
    }
}

/// Money on its way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// `re_…`.
    pub id: String,
    /// `ch_…`.
    pub charge: String,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// Where it stands.
    pub status: RefundStatus,
    /// Why it failed, in Stripe's word.
    pub failure_reason: Option<String>,
    /// When it was asked for.
    pub created: Timestamp,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

/// Where a dispute stands, in Stripe's words. Those that begin with `warning` are inquiries: the bank asks, and no money has moved.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum DisputeStatus {
    /// An inquiry that waits for an answer.
    WarningNeedsResponse,
    /// An inquiry that was answered.
    WarningUnderReview,
    /// An inquiry that came to nothing.
    WarningClosed,
    /// The money was taken; evidence may be sent.
    NeedsResponse,
    /// The bank looks at the evidence.
    UnderReview,
    /// The money came again.
    Won,
    /// The money is gone.
    Lost,
    /// It was settled with the bank before it became one.
    Prevented,
    /// A word that this version does not know.
    Unknown(String),
}

impl DisputeStatus {
    /// Every status known here.
    pub const KNOWN: [Self; 8] = [
        Self::WarningNeedsResponse,
        Self::WarningUnderReview,
        Self::WarningClosed,
        Self::NeedsResponse,
        Self::UnderReview,
        Self::Won,
        Self::Lost,
        Self::Prevented,
    ];

    /// Stripe's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::WarningNeedsResponse => "warning_needs_response",
            Self::WarningUnderReview => "warning_under_review",
            Self::WarningClosed => "warning_closed",
            Self::NeedsResponse => "needs_response",
            Self::UnderReview => "under_review",
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Prevented => "prevented",
            Self::Unknown(word) => word,
        }
    }
}

impl From<String> for DisputeStatus {
    fn from(word: String) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.as_str() == word)
            .unwrap_or(Self::Unknown(word))
    }
}

impl From<DisputeStatus> for String {
    fn from(status: DisputeStatus) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for DisputeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A bank that takes a payment back on its customer's word, or asks about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// `du_…` or `dp_…`.
    pub id: String,
    /// `ch_…`.
    pub charge: String,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// Where it stands.
    pub status: DisputeStatus,
    /// The bank's reason, such as `fraudulent`.
    pub reason: String,
    /// When it was opened.
    pub created: Timestamp,
}

/// How an invoice was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoicePayment {
    /// `in_…`.
    pub invoice: String,
    /// `pi_…`; `None` if it was paid in another way than by a payment intent.
    pub payment_intent: Option<String>,
    /// `open`, `paid` or `canceled`.
    pub status: String,
    /// What it paid, in minor units.
    pub amount_paid_minor: i64,
}

/// Reads a charge.
pub fn parse_charge(json: &Value) -> Result<Charge, ParseError> {
    let it = Reader::new("charge", json)?;
    Ok(Charge {
        id: it.text("id")?,
        payment_intent: it.opt_id("payment_intent")?,
        customer: it.opt_id("customer")?,
        invoice: None,
        amount_minor: it.int("amount")?,
        refunded_minor: it.opt_int("amount_refunded")?.unwrap_or(0),
        currency: it.text("currency")?.to_ascii_lowercase(),
        created: it.time("created")?,
        paid: it.flag("paid")?,
        disputed: it.flag("disputed")?,
        livemode: it.mode()?,
    })
}

/// Reads a refund.
pub fn parse_refund(json: &Value) -> Result<Refund, ParseError> {
    let it = Reader::new("refund", json)?;
    Ok(Refund {
        id: it.text("id")?,
        charge: it.id("charge")?,
        amount_minor: it.int("amount")?,
        currency: it.text("currency")?.to_ascii_lowercase(),
        status: RefundStatus::from(it.text("status")?),
        failure_reason: it.opt_text("failure_reason")?,
        created: it.time("created")?,
        metadata: it.metadata()?,
    })
}

/// Reads a dispute.
pub fn parse_dispute(json: &Value) -> Result<Dispute, ParseError> {
    let it = Reader::new("dispute", json)?;
    Ok(Dispute {
        id: it.text("id")?,
        charge: it.id("charge")?,
        amount_minor: it.int("amount")?,
        currency: it.text("currency")?.to_ascii_lowercase(),
        status: DisputeStatus::from(it.text("status")?),
        reason: it.opt_text("reason")?.unwrap_or_default(),
        created: it.time("created")?,
    })
}

/// Reads an invoice payment.
pub fn parse_invoice_payment(json: &Value) -> Result<InvoicePayment, ParseError> {
    let it = Reader::new("invoice_payment", json)?;
    Ok(InvoicePayment {
        invoice: it.id("invoice")?,
        payment_intent: it.opt_id("payment.payment_intent")?,
        status: it.text("status")?,
        amount_paid_minor: it.opt_int("amount_paid")?.unwrap_or(0),
    })
}
