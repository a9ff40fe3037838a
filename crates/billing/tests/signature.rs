//! Which deliveries are believed.

use latchkey_billing::{SignatureError, Timestamp, WebhookSecrets, sign, verify_signature};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const BODY: &[u8] = br#"{"id":"evt_1"}"#;
const SECRET: &str = "whsec_a";

fn check(header: &str, now: Timestamp) -> Result<(), SignatureError> {
    verify_signature(BODY, header, &WebhookSecrets::new(["whsec_old", SECRET]), now, 300)
}

#[test]
fn a_known_vector_holds() {
    // printf '1790000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_a
    let expected = "fdb5e0c1b3489ed65eabe95aa3b36a0c4285fb53cc1436f964fe85904b3db879";
    assert_eq!(sign(BODY, SECRET, NOW), format!("t=1790000000,v1={expected}"));
}

#[test]
fn any_secret_and_any_v1_may_fit_and_other_schemes_are_ignored() {
    let good = sign(BODY, SECRET, NOW);
    let v1 = good.split_once(",v1=").unwrap().1.to_owned();
    let zero = "0".repeat(64);
    assert_eq!(check(&good, NOW), Ok(()));
    assert_eq!(check(&format!("t=1790000000, v1={zero}, v0=x, v1={v1}"), NOW), Ok(()));
    assert_eq!(
        check(&format!("t=1790000000,v0={v1}"), NOW),
        Err(SignatureError::Header)
    );
    assert_eq!(
        check(&sign(BODY, "whsec_other", NOW), NOW),
        Err(SignatureError::Mismatch)
    );
    assert_eq!(
        check(&good.replace("1790000000", "1790000001"), NOW),
        Err(SignatureError::Mismatch)
    );
}

#[test]
fn the_tolerance_is_inclusive_in_both_directions() {
    let good = sign(BODY, SECRET, NOW);
    for seconds in [-300, 300] {
        assert_eq!(check(&good, NOW.plus(seconds * 1000)), Ok(()));
    }
    for seconds in [-301, 301] {
        assert_eq!(
            check(&good, NOW.plus(seconds * 1000)),
            Err(SignatureError::Time { seconds })
        );
    }
}

#[test]
fn malformed_headers_and_large_bodies_are_refused() {
    for header in [
        "",
        "t=1",
        "v1=00",
        "t=,v1=0",
        "t=-5,v1=0",
        "t=99999999999999999999,v1=0",
        &"x".repeat(5000),
    ] {
        assert_eq!(check(header, NOW), Err(SignatureError::Header), "{header:.40}");
    }
    let big = vec![b' '; 1024 * 1024 + 1];
    let header = sign(&big, SECRET, NOW);
    let secrets = WebhookSecrets::new([SECRET]);
    assert_eq!(
        verify_signature(&big, &header, &secrets, NOW, 300),
        Err(SignatureError::TooLarge)
    );
    assert_eq!(
        verify_signature(BODY, &header, &WebhookSecrets::new([" "]), NOW, 300),
        Err(SignatureError::NoSecret)
    );
    assert!(!format!("{secrets:?}").contains(SECRET));
}
