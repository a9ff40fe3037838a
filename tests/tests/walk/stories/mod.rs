//! What must come of a walk. Each story has a demo of its own, and as many browsers as it has people.

mod access;
mod caches;
mod cards;
mod origin;
mod pages;
mod paying;
mod pictures;
mod prices;
mod restarting;
mod signing_in;
mod subscription;
