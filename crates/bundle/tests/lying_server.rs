//! What an edge takes from a server, and what it refuses from one that lies.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

use latchkey_bundle::{BUNDLE_TYPE, Bundle, BundleError, MAX_BUNDLE_BYTES, open, sign};
use latchkey_entitlement::{SiteId, Timestamp, policy::SitePolicy};
use latchkey_token::{Algorithm, JwkSet, SigningKey, VerifyError, sign_jws};

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap()
}

fn bundle(version: u64) -> Bundle {
    let mut site = SitePolicy::new(SiteId::parse("sit_news").unwrap(), "The News".into());
    site.hosts = vec!["news.example".into()];
    Bundle {
        version,
        issued_at: Timestamp(1),
        issuer: "https://account.example".into(),
        jwks: JwkSet {
            keys: vec![key().public()],
        },
        sites: vec![site],
        prices_line: None,
        support_url: "https://account.example/support".into(),
    }
}

#[test]
fn a_signed_bundle_opens_with_the_pinned_key() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let key = SigningKey::generate(algorithm).unwrap();
        let wanted = bundle(7);
        let opened = open(&sign(&wanted, &key).unwrap(), key.kid(), None, false).unwrap();
        assert_eq!(opened, wanted);
        assert!(opened.site_of_host("news.example").is_some());
        assert!(opened.site_of_host("other.example").is_none());
    }
}

#[test]
fn an_older_version_is_refused_unless_forced() {
    let key = key();
    let jws = sign(&bundle(7), &key).unwrap();
    assert_eq!(
        open(&jws, key.kid(), Some(8), false),
        Err(BundleError::Rollback { held: 8, offered: 7 })
    );
    assert!(open(&jws, key.kid(), Some(8), true).is_ok());
    assert!(open(&jws, key.kid(), Some(7), false).is_ok());
    assert!(open(&jws, key.kid(), Some(6), false).is_ok());
}

#[test]
fn another_key_is_refused_though_its_signature_holds() {
    let jws = sign(&bundle(7), &key()).unwrap();
    assert_eq!(
        open(&jws, key().kid(), None, true),
        Err(BundleError::Signature(VerifyError::UnknownKey))
    );
}

#[test]
fn a_changed_payload_is_refused() {
    let key = key();
    let jws = sign(&bundle(7), &key).unwrap();
    let other = sign(&bundle(9), &key).unwrap();
    let mut parts: Vec<&str> = jws.split('.').collect();
    parts[1] = other.split('.').nth(1).unwrap();
    assert_eq!(
        open(&parts.join("."), key.kid(), None, false),
        Err(BundleError::Signature(VerifyError::Signature))
    );
}

#[test]
fn garbage_and_huge_answers_are_refused() {
    let key = key();
    for bad in ["", "{}", "<html>502</html>", "a.b.c", "..", "é"] {
        assert!(
            matches!(open(bad, key.kid(), None, true), Err(BundleError::Signature(_))),
            "{bad}"
        );
    }
    let huge = "a".repeat(MAX_BUNDLE_BYTES + 1);
    assert_eq!(
        open(&huge, key.kid(), None, true),
        Err(BundleError::Signature(VerifyError::TooLarge))
    );
}

#[test]
fn something_else_signed_with_the_key_is_refused() {
    let key = key();
    let json = serde_json::to_vec(&bundle(7)).unwrap();
    let typed = sign_jws(&key, "other+jws", &json).unwrap();
    assert_eq!(
        open(&typed, key.kid(), None, true),
        Err(BundleError::Signature(VerifyError::Type))
    );
    let text = sign_jws(&key, BUNDLE_TYPE, b"[1,2").unwrap();
    assert!(matches!(open(&text, key.kid(), None, true), Err(BundleError::Json(_))));
}

#[test]
fn a_bundle_that_an_edge_cannot_work_with_is_neither_signed_nor_opened() {
    let key = key();
    let without_keys = Bundle {
        jwks: JwkSet::default(),
        ..bundle(7)
    };
    let mut useless_keys = bundle(7);
    useless_keys.jwks.keys[0].kid = Some("another".into());
    let with_slash = Bundle {
        issuer: "https://account.example/".into(),
        ..bundle(7)
    };
    let mut twice = bundle(7);
    twice.sites.extend(bundle(7).sites);
    let wrong = [
        (without_keys, BundleError::NoKeys),
        (useless_keys, BundleError::NoKeys),
        (with_slash, BundleError::Issuer("https://account.example/".into())),
        (twice, BundleError::Twice("sit_news".into())),
    ];
    for (bundle, error) in wrong {
        assert_eq!(sign(&bundle, &key).unwrap_err(), error);
        let jws = sign_jws(&key, BUNDLE_TYPE, &serde_json::to_vec(&bundle).unwrap()).unwrap();
        assert_eq!(open(&jws, key.kid(), None, true).unwrap_err(), error);
    }
}
