//! What Stripe says, as narrow types, to benefits.
//!
//! Pure: nothing here reads a clock, a socket or a file. [`Stripe`] is the one door to the outside; the gateway, the sandbox and the
//! simulator each implement it. [`fn@derive`] turns one customer's whole state into [`Benefit`]s by the table [`ACCESS`].

pub mod api;
pub mod buyer;
pub mod change;
pub mod derive;
pub mod envelope;
pub mod money;
pub mod next;
pub mod offer;
pub mod parse;
pub mod period;
pub mod plan;
pub mod price_check;
pub mod promotion;
pub mod quote;
pub mod reduction;
pub mod signature;
pub mod stripe;
pub mod terms;

/// Named by the trait [`Stripe`], so that an implementation needs no other crate.
pub use latchkey_entitlement::{AccountId, Clock, EventId, Timestamp};

pub use api::{
    IdempotencyKey, KeyError, NewCheckout, NewCustomer, NewPrice, Page, Stripe, StripeError, SubscriptionChange,
};
pub use buyer::{Buyer, Refusal, Shown, TrialFor};
pub use change::{ChangePreview, NoChange, PriceChange, choices, may_change};
pub use derive::{ACCESS, Access, AccessRule, Benefit, DerivePolicy, Derived, Foreign, access, derive};
pub use envelope::{EventEnvelope, parse_envelope};
pub use money::{
    AmountError, DecimalMark, Decimals, MAX_AMOUNT_MINOR, format_money, format_number, is_charged, minimum_charge,
    parse_amount,
};
pub use next::Next;
pub use offer::{CheckoutTerms, ChosenPrice, Discounted, Offer, Renewal, broken_promise};
pub use parse::{
    ParseError, parse_change_preview, parse_coupon, parse_customer, parse_invoice, parse_page, parse_price,
    parse_product, parse_promotion_code, parse_session, parse_subscription,
};
pub use plan::{Currency, CurrencyError, Interval, Plan, PlanPrice};
pub use price_check::{PriceFault, check_coupon, check_price};
pub use promotion::{CodeFault, CodeUse, PromotionCode, readable_code};
pub use quote::{Quote, Reduced};
pub use reduction::{Lasts, Off, Reduction};
pub use signature::{SignatureError, WebhookSecrets, sign, verify_signature};
pub use stripe::{
    ACCOUNT_KEY, ATTEMPT_KEY, CheckoutSession, Coupon, Customer, CustomerState, Discount, Invoice, ItemPrice, Price,
    Product, Subscription, SubscriptionItem, SubscriptionStatus,
};
pub use terms::{
    ChosenAmount, ChosenError, CurrencyAmount, Introduction, MAX_SUGGESTIONS, MAX_TRIAL_DAYS, MailDomain, MissingCard,
    Needs, PriceTerms, Trial, TrialCard,
};
