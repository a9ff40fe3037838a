//! Development only: a stateful Stripe with Checkout, portal, clock and signed webhooks.
