//! What Stripe says, as narrow types, to benefits.
