//! Money that goes back, and money that was taken twice: what follows from Stripe's state alone.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of a test that cannot go on may panic"
)]

mod document;
mod doubles;
mod kit;
mod parsing;
mod reversals;
