//! Secrets in memory: tokens, passwords, keys of HMACs.

use std::fmt;

use aws_lc_rs::constant_time;
use zeroize::{Zeroize, Zeroizing};

/// A secret, as text or as bytes (`Secret<Vec<u8>>`): wiped when dropped, printed as `[redacted]`, compared in constant time. There is
/// no `==`, so that none is used by mistake; see [`Secret::is`].
#[derive(Clone)]
pub struct Secret<T: Zeroize = String>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Keeps `secret`. The caller's own copy, if there is one, is the caller's to wipe.
    pub fn new(secret: impl Into<T>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// The secret itself. Whoever asks for it must not print or store it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Whether `shown` is this secret, in a time that does not tell where they differ. An empty secret is nobody's: it never is.
    pub fn is(&self, shown: impl AsRef<[u8]>) -> bool {
        let own: &[u8] = self.0.as_ref();
        !own.is_empty() && constant_time::verify_slices_are_equal(own, shown.as_ref()).is_ok()
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_tells_itself_only_to_who_asks_for_it() {
        let token = Secret::<String>::new("open sesame");
        assert_eq!(token.expose(), "open sesame");
        assert_eq!(format!("{token:?} {:?}", Some(&token)), "[redacted] Some([redacted])");
        assert_eq!(format!("{token:#?}"), "[redacted]");
    }

    #[test]
    fn only_the_whole_secret_is_the_secret() {
        let key = Secret::<Vec<u8>>::new([1, 2, 3]);
        assert!(key.is([1, 2, 3]));
        for odd in [&[][..], &[1, 2], &[1, 2, 4], &[1, 2, 3, 0]] {
            assert!(!key.is(odd), "{odd:?}");
        }
    }

    #[test]
    fn an_empty_secret_opens_nothing() {
        assert!(!Secret::<String>::new("").is(""));
    }
}
