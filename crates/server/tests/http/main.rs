//! The account origin over HTTP: the real router, store, sync and keys; a scripted Stripe, a mailbox in memory, a clock that
//! is moved by hand.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what fails here fails the test, as it should"
)]

mod browser;
mod buying_again;
mod explain;
mod feed;
mod forms;
mod grants;
mod hand_over;
mod leaving;
mod letters;
mod logs;
mod machines;
mod operator;
mod passes;
mod paying;
mod prices;
mod signing_in;
mod stripe;
mod world;
