//! Development only: World.
