//! Latchkey: ad-free subscriptions for publishers, from Stripe to a page without ads.
fn main() {}
