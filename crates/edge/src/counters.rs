//! What an operator may want to see counted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Default)]
        pub(crate) struct Counters {
            $($name: AtomicU64,)*
        }

        impl Counters {
            $(pub(crate) fn $name(&self) {
                self.$name.fetch_add(1, Ordering::Relaxed);
            })*

            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Requests that were not well-formed.
    refused,
    /// Pages that were changed.
    changed,
    /// Pages that were changed before, and taken from memory.
    remembered,
    /// Pages that a rule would have torn, and that were sent as the origin made them.
    kept_original,
    /// Pages that could not be changed because the origin had compressed them all the same.
    coded,
    /// Pages too large to be changed.
    too_large,
    /// Origins that could not be reached, or broke off.
    origin_failed,
    /// Origins that took too long.
    origin_late,
    /// Passes that were renewed.
    renewed,
    /// Renewals for which the server could not be reached.
    renewal_failed,
}
