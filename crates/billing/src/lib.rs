//! What Stripe says, as narrow types, to benefits.
//!
//! Pure: nothing here reads a clock, a socket or a file. [`Stripe`] is the one door to the outside; the gateway, the sandbox and the
//! simulator each implement it. [`fn@derive`] turns one customer's whole state into [`Benefit`]s by the table [`ACCESS`].

pub mod api;
pub mod derive;
pub mod envelope;
pub mod money;
pub mod next;
pub mod parse;
pub mod plan;
pub mod price_check;
mod purchase;
pub mod signature;
pub mod stripe;

/// Named by the trait [`Stripe`], so that an implementation needs no other crate.
pub use latchkey_entitlement::{AccountId, Clock, EventId, Timestamp};

pub use api::{
    IdempotencyKey, KeyError, NewCheckout, NewCustomer, NewPrice, Page, Stripe, StripeError, SubscriptionChange,
};
pub use derive::{ACCESS, Access, AccessRule, Benefit, DerivePolicy, Derived, Foreign, access, derive};
pub use envelope::{EventEnvelope, parse_envelope};
pub use money::format_money;
pub use next::Next;
pub use parse::{
    ParseError, parse_customer, parse_invoice, parse_page, parse_price, parse_product, parse_session,
    parse_subscription,
};
pub use plan::{Currency, CurrencyError, Interval, Once, Plan, PlanPrice};
pub use price_check::{PriceFault, check_price};
pub use signature::{SignatureError, WebhookSecrets, sign, verify_signature};
pub use stripe::{
    ACCOUNT_KEY, ATTEMPT_KEY, CheckoutSession, Customer, CustomerState, Invoice, Price, Product, SessionLine,
    Subscription, SubscriptionItem, SubscriptionStatus,
};
