//! How a subscription is priced: through the real support page, Stripe's gateway, and the stand-in's Checkout page, on both databases.

mod change;
mod choice;
mod currencies;
mod needs;
mod reductions;
mod shop;
mod trials;
