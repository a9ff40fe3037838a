//! Talks to Stripe; alone names async-stripe.
