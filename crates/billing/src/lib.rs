//! What Stripe says, as narrow types, to benefits.
//!
//! Pure: nothing here reads a clock, a socket or a file. [`Stripe`] is the one door to the outside; the gateway, the sandbox and the
//! simulator each implement it. [`fn@derive`] turns one customer's whole state into [`Benefit`]s by the tables [`ACCESS`] and
//! [`REVERSALS`]; [`decide_doubles`] says what is done about a reader who pays twice.

pub mod api;
pub mod buyer;
pub mod change;
pub mod derive;
pub mod doctor;
pub mod double;
pub mod envelope;
pub mod explain;
pub mod figures;
pub mod money;
pub mod next;
pub mod notice;
pub mod offer;
pub mod papers;
pub mod parse;
pub mod payment;
pub mod period;
pub mod plan;
pub mod price_check;
pub mod promotion;
mod purchase;
pub mod quote;
pub mod reduction;
pub mod reversal;
pub mod setup;
pub mod setup_api;
pub mod signature;
pub mod stripe;
pub mod terms;
pub mod webhook_events;

/// Named by the trait [`Stripe`], so that an implementation needs no other crate.
pub use latchkey_entitlement::{AccountId, Clock, EventId, Timestamp};

pub use api::{
    IdempotencyKey, KeyError, NewCheckout, NewCustomer, NewPrice, NewRefund, Page, RefundReason, Stripe, StripeError,
    SubscriptionChange,
};
pub use buyer::{Buyer, Refusal, Shown, TrialFor};
pub use change::{ChangePreview, NoChange, PriceChange, choices, may_change};
pub use derive::{ACCESS, Access, AccessRule, Benefit, DerivePolicy, Derived, Foreign, access, derive};
pub use doctor::{ClockSkew, Deliveries, Fault, endpoint_faults, secret_in_use};
pub use double::{DoubleDecision, RefundDue, SETTLING_TIME, SuspectedDouble, decide_doubles, suspect_doubles};
pub use envelope::{EventEnvelope, parse_envelope};
pub use figures::{Books, Figures, Period, Purchases};
pub use money::{
    AmountError, DecimalMark, Decimals, MAX_AMOUNT_MINOR, format_money, format_number, is_charged, minimum_charge,
    parse_amount,
};
pub use next::Next;
pub use notice::{Notice, NoticeFacts, NoticeKind, NoticePolicy, notices};
pub use offer::{CheckoutTerms, ChosenPrice, Discounted, Offer, Renewal, broken_promise};
pub use papers::{InvoiceLine, InvoiceTax, Papers};
pub use parse::{
    ParseError, parse_change_preview, parse_coupon, parse_customer, parse_invoice, parse_page, parse_price,
    parse_product, parse_promotion_code, parse_session, parse_subscription,
};
pub use payment::{
    Charge, Dispute, DisputeStatus, InvoicePayment, Refund, RefundStatus, parse_charge, parse_dispute,
    parse_invoice_payment, parse_refund,
};
pub use plan::{Currency, CurrencyError, Interval, Once, Plan, PlanPrice};
pub use price_check::{PriceFault, check_coupon, check_price};
pub use promotion::{CodeFault, CodeUse, PromotionCode, readable_code};
pub use quote::{Quote, Reduced};
pub use reduction::{Lasts, Off, Reduction};
pub use reversal::{
    DoubleSubscription, FullRefund, MoneyBackPolicy, OpenDispute, REVERSALS, Reversal, ReversalEffect, ReversalRule,
    reversal_effect,
};
pub use setup::{
    FoundInStripe, MAX_KEYS, Made, Standing, endpoint_standing, lookup_key, portal_standing, price_standing,
    product_standing,
};
pub use setup_api::{
    EndpointChange, EndpointSecret, MADE_KEY, NewEndpoint, PLAN_KEY, PortalConfiguration, PortalFeatures, StripeSetup,
    TaxSettings, WebhookEndpoint, parse_endpoint, parse_portal_configuration, parse_tax_settings,
};
pub use signature::{SignatureError, WebhookSecrets, sign, verify_signature};
pub use stripe::{
    ACCOUNT_KEY, ATTEMPT_KEY, CheckoutSession, Coupon, Customer, CustomerState, Discount, Invoice, ItemPrice, Price,
    Product, SessionLine, Subscription, SubscriptionItem, SubscriptionStatus,
};
pub use terms::{
    ChosenAmount, ChosenError, CurrencyAmount, Introduction, MAX_SUGGESTIONS, MAX_TRIAL_DAYS, MailDomain, MissingCard,
    Needs, PriceTerms, Trial, TrialCard,
};
pub use webhook_events::{EventDifference, WEBHOOK_EVENTS, is_wanted};
