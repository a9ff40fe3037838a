//! Every trick of RFC 8725 by its name, each against a pass that would be good without it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "helpers of tests stop at the first surprise"
)]

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use latchkey_token::{
    Algorithm, JwkSet, LEEWAY_SECONDS, MAX_TOKEN_BYTES, MintError, PassClaims, SigningKey, Verifier, VerifyError, mint,
    sign_jws, subject, verify_jws,
};
use serde_json::{Value, json};

const ISSUER: &str = "https://account.publisher.example";
const SITE: &str = "sit_news";
const NOW: i64 = 1_800_000_000;

fn claims() -> PassClaims {
    PassClaims {
        iss: ISSUER.into(),
        aud: SITE.into(),
        sub: subject(b"site secret", "acc_0198c0de00007000800000000000ada1"),
        sid: "ses_0198c0de00007000800000000000ada1".into(),
        iat: NOW,
        exp: NOW + 900,
        jti: "0198c0de00007000800000000000ada1".into(),
        scope: "ad_free comments".into(),
        until: Some(NOW + 86_400),
        standing: None,
    }
}

fn verifier(keys: &[&SigningKey]) -> Verifier {
    Verifier::new(
        &JwkSet {
            keys: keys.iter().map(|key| key.public()).collect(),
        },
        ISSUER,
        SITE,
    )
}

/// A token with any header and claims, signed well by `key`.
fn forge(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let (encoding, algorithm) = match key.algorithm() {
        Algorithm::Es256 => (
            jsonwebtoken::EncodingKey::from_ec_der(&key.to_pkcs8()),
            jsonwebtoken::Algorithm::ES256,
        ),
        Algorithm::EdDsa => (
            jsonwebtoken::EncodingKey::from_ed_der(&key.to_pkcs8()),
            jsonwebtoken::Algorithm::EdDSA,
        ),
    };
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &encoding, algorithm).unwrap();
    format!("{signed}.{signature}")
}

fn header(key: &SigningKey) -> Value {
    json!({ "typ": "latchkey-pass+jwt", "alg": key.algorithm().as_str(), "kid": key.kid() })
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

#[test]
fn a_good_pass_is_believed_and_says_what_was_put_in() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let key = SigningKey::generate(algorithm).unwrap();
        let pass = mint(&key, &claims()).unwrap();
        assert!(pass.len() < 600, "{} bytes", pass.len());
        assert_eq!(verifier(&[&key]).verify(&pass, NOW), Ok(claims()));
        let again = SigningKey::from_pkcs8(algorithm, &key.to_pkcs8()).unwrap();
        assert_eq!(again.kid(), key.kid());
        assert!(!format!("{key:?}").contains("pkcs8"));
    }
}

#[test]
fn a_pass_is_late_by_a_second() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let pass = mint(&key, &claims()).unwrap();
    let verifier = verifier(&[&key]);
    assert!(verifier.verify(&pass, NOW + 899).is_ok());
    assert_eq!(
        verifier.verify(&pass, NOW + 900),
        Err(VerifyError::Expired { by_seconds: 0 })
    );
    assert_eq!(
        verifier.verify(&pass, NOW + 901),
        Err(VerifyError::Expired { by_seconds: 1 })
    );
    assert!(
        verifier.check(&pass, NOW + 901).is_ok(),
        "an expired pass can still be honoured in an outage"
    );
    assert!(verifier.verify(&pass, NOW - LEEWAY_SECONDS).is_ok());
    assert_eq!(
        verifier.verify(&pass, NOW - LEEWAY_SECONDS - 1),
        Err(VerifyError::Early)
    );
}

#[test]
fn headers_of_rfc_8725_are_refused_by_name() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let verifier = verifier(&[&key]);
    let body = serde_json::to_value(claims()).unwrap();
    let good = header(&key);
    assert!(verifier.verify(&forge(&key, &good, &body), NOW).is_ok());
    let cases = [
        (
            "alg none, signed",
            with(good.clone(), "alg", json!("none")),
            VerifyError::Algorithm,
        ),
        (
            "alg None",
            with(good.clone(), "alg", json!("None")),
            VerifyError::Algorithm,
        ),
        (
            "another algorithm than the key's",
            with(good.clone(), "alg", json!("EdDSA")),
            VerifyError::Algorithm,
        ),
        (
            "alg missing",
            json!({ "typ": good["typ"], "kid": good["kid"] }),
            VerifyError::Header("alg"),
        ),
        (
            "alg not a string",
            with(good.clone(), "alg", json!(["ES256"])),
            VerifyError::Header("alg"),
        ),
        (
            "foreign kid",
            with(good.clone(), "kid", json!(other.kid())),
            VerifyError::UnknownKey,
        ),
        (
            "kid missing",
            json!({ "typ": good["typ"], "alg": "ES256" }),
            VerifyError::Header("kid"),
        ),
        (
            "kid is a path",
            with(good.clone(), "kid", json!("../../dev/null")),
            VerifyError::Header("kid"),
        ),
        (
            "kid too long",
            with(good.clone(), "kid", json!("k".repeat(65))),
            VerifyError::Header("kid"),
        ),
        (
            "jku",
            with(good.clone(), "jku", json!("https://evil.example/jwks")),
            VerifyError::Header("jku"),
        ),
        (
            "jwk",
            with(good.clone(), "jwk", json!(other.public())),
            VerifyError::Header("jwk"),
        ),
        (
            "x5u",
            with(good.clone(), "x5u", json!("https://evil.example/x")),
            VerifyError::Header("x5u"),
        ),
        ("x5c", with(good.clone(), "x5c", json!([])), VerifyError::Header("x5c")),
        (
            "crit",
            with(good.clone(), "crit", json!(["exp"])),
            VerifyError::Header("crit"),
        ),
        (
            "zip",
            with(good.clone(), "zip", json!("DEF")),
            VerifyError::Header("zip"),
        ),
        (
            "b64",
            with(good.clone(), "b64", json!(false)),
            VerifyError::Header("b64"),
        ),
        ("typ JWT", with(good.clone(), "typ", json!("JWT")), VerifyError::Type),
        (
            "typ of an access token",
            with(good.clone(), "typ", json!("at+jwt")),
            VerifyError::Type,
        ),
        (
            "typ missing",
            json!({ "alg": "ES256", "kid": good["kid"] }),
            VerifyError::Header("typ"),
        ),
    ];
    for (name, header, refused) in cases {
        assert_eq!(
            verifier.verify(&forge(&key, &header, &body), NOW),
            Err(refused),
            "{name}"
        );
    }
}

#[test]
fn hs256_with_the_public_key_as_secret_is_refused() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let public = key.public();
    let header = with(header(&key), "alg", json!("HS256"));
    let body = serde_json::to_value(claims()).unwrap();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(body.to_string())
    );
    for secret in [serde_json::to_string(&public).unwrap(), public.x.clone()] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
        assert_eq!(verifier(&[&key]).verify(&token, NOW), Err(VerifyError::Algorithm));
    }
}

#[test]
fn claims_that_do_not_fit_are_refused_by_name() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let verifier = verifier(&[&key]);
    let good = serde_json::to_value(claims()).unwrap();
    let head = header(&key);
    let cases = [
        (
            "wrong iss",
            with(good.clone(), "iss", json!("https://evil.example")),
            VerifyError::Issuer,
        ),
        (
            "iss with a slash",
            with(good.clone(), "iss", json!(format!("{ISSUER}/"))),
            VerifyError::Issuer,
        ),
        (
            "wrong aud",
            with(good.clone(), "aud", json!("sit_sport")),
            VerifyError::Audience,
        ),
        (
            "two audiences",
            with(good.clone(), "aud", json!([SITE, "sit_sport"])),
            VerifyError::Audience,
        ),
        (
            "aud a list of one",
            with(good.clone(), "aud", json!([SITE])),
            VerifyError::Audience,
        ),
        (
            "exp a string",
            with(good.clone(), "exp", json!("1900000000")),
            VerifyError::Claims,
        ),
        (
            "exp a fraction",
            with(good.clone(), "exp", json!(1.5)),
            VerifyError::Claims,
        ),
    ];
    for (name, claims, refused) in cases {
        assert_eq!(
            verifier.verify(&forge(&key, &head, &claims), NOW),
            Err(refused),
            "{name}"
        );
    }
    for name in ["iss", "aud", "sub", "sid", "iat", "exp", "jti", "scope", "until"] {
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove(name);
        assert_eq!(
            verifier.verify(&forge(&key, &head, &missing), NOW),
            Err(VerifyError::Claims),
            "{name} missing"
        );
    }
}

#[test]
fn the_form_is_judged_before_anything_is_decoded() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let verifier = verifier(&[&key]);
    let pass = mint(&key, &claims()).unwrap();
    let (signed, signature) = pass.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let der = [&[0x30, 0x44, 0x02, 0x20][..], &raw[..32], &[0x02, 0x20], &raw[32..]].concat();
    let der = URL_SAFE_NO_PAD.encode(der);
    let mut changed = pass.clone().into_bytes();
    let middle = signed.len() / 2 + 40;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let cases = [
        ("empty", String::new()),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{pass}.x")),
        ("no signature", format!("{signed}.")),
        ("padded base64", format!("{pass}=")),
        (
            "standard base64",
            format!("{signed}.{}", signature.replace(['-', '_'], "+")),
        ),
        ("trailing garbage", format!("{pass}x")),
        ("trailing newline", format!("{pass}\n")),
        ("DER signature", format!("{signed}.{der}")),
        ("truncated signature", format!("{signed}.{}", &signature[..80])),
        ("changed payload", String::from_utf8(changed).unwrap()),
        ("oversize", format!("{signed}.{}", "A".repeat(MAX_TOKEN_BYTES))),
        ("not ASCII", pass.replace('.', "。")),
    ];
    for (name, token) in cases {
        // "standard base64" is the same text when the signature has neither character.
        assert!(token == pass || verifier.verify(&token, NOW).is_err(), "{name}");
    }
}

#[test]
fn an_empty_key_set_and_odd_keys_verify_nothing() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let pass = mint(&key, &claims()).unwrap();
    assert_eq!(verifier(&[]).verify(&pass, NOW), Err(VerifyError::UnknownKey));
    let mut odd = key.public();
    odd.y = Some(odd.x.clone());
    odd.kid = None;
    let set = JwkSet {
        keys: vec![odd, key.public()],
    };
    assert!(
        Verifier::new(&set, ISSUER, SITE).verify(&pass, NOW).is_ok(),
        "an odd key does not harm the others"
    );
}

#[test]
fn a_pass_that_is_too_large_or_empty_is_not_made() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let large = PassClaims {
        scope: "x".repeat(500),
        ..claims()
    };
    assert!(matches!(mint(&key, &large), Err(MintError::TooLarge(_))));
    let empty = PassClaims { exp: NOW, ..claims() };
    assert_eq!(mint(&key, &empty), Err(MintError::Empty { iat: NOW, exp: NOW }));
}

#[test]
fn other_payloads_are_believed_from_the_pinned_key_alone() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let jws = sign_jws(&key, "latchkey-bundle+jws", b"payload").unwrap();
    let open = |jws: &str, typ, kid: &str| verify_jws(jws, typ, kid, 4096);
    assert_eq!(open(&jws, "latchkey-bundle+jws", key.kid()).unwrap(), b"payload");
    assert_eq!(
        open(&jws, "latchkey-bundle+jws", other.kid()),
        Err(VerifyError::UnknownKey)
    );
    assert_eq!(open(&jws, "latchkey-pass+jwt", key.kid()), Err(VerifyError::Type));
    assert_eq!(
        verify_jws(&jws, "latchkey-bundle+jws", key.kid(), 64),
        Err(VerifyError::TooLarge)
    );
    let theirs = sign_jws(&other, "latchkey-bundle+jws", b"payload").unwrap();
    let (signed, _) = jws.rsplit_once('.').unwrap();
    let (_, signature) = theirs.rsplit_once('.').unwrap();
    assert_eq!(
        open(&format!("{signed}.{signature}"), "latchkey-bundle+jws", key.kid()),
        Err(VerifyError::Signature)
    );
    assert!(verifier(&[&key]).verify(&jws, NOW).is_err(), "a bundle is no pass");
}

#[test]
fn a_subject_is_pairwise_and_tells_nothing() {
    assert_eq!(subject(b"a", "acc_1"), subject(b"a", "acc_1"));
    assert_ne!(subject(b"a", "acc_1"), subject(b"b", "acc_1"));
    assert_ne!(subject(b"a", "acc_1"), subject(b"a", "acc_2"));
    assert_eq!(subject(b"a", "acc_1").len(), 22);
}

/// RFC 7515, appendix A.3: the example of ES256, through the same library call that verifies passes.
#[test]
fn the_es256_example_of_rfc_7515() {
    let signed = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let key = jsonwebtoken::DecodingKey::from_ec_components(
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    )
    .unwrap();
    let verify =
        |text: &str| jsonwebtoken::crypto::verify(signature, text.as_bytes(), &key, jsonwebtoken::Algorithm::ES256);
    assert!(verify(signed).unwrap());
    assert!(!verify(&signed.replace("joe", "jim").replace("eyJpc3Mi", "eyJpc3Ni")).unwrap());
}
