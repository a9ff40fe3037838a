//! Measurements of Latchkey: real binaries on the loopback, ours and the competitor in turn, printed as a ratio with its spread.
//!
//! Nothing here is a test: a figure says what a machine did once. What must hold is in `tests/`.

pub mod account;
pub mod browser;
pub mod deliveries;
pub mod figures;
pub mod page;
pub mod process;
pub mod proxies;
pub mod raw;
pub mod receivers;
pub mod stripe;
