//! `docs/contract/vectors.json`: what every verifier of passes must say, ours first. With `UPDATE_VECTORS=1` the file is written anew
//! from the keys in `tests/keys`, which sign nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::path::PathBuf;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use latchkey_token::{Algorithm, JwkSet, PASS_TYPE, PassClaims, SigningKey, Verifier, VerifyError, mint};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://account.publisher.example";
const AUDIENCE: &str = "sit_news";
const ES256: &[u8] = include_bytes!("keys/es256-TEST-ONLY.p8");
const EDDSA: &[u8] = include_bytes!("keys/eddsa-TEST-ONLY.p8");

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract/vectors.json")
}

fn claims() -> PassClaims {
    PassClaims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: "b3BhcXVlLXN1YmplY3Qtb2YtdGhlLXJlYWRlci1oZXJl".into(),
        sid: "ses_test".into(),
        iat: NOW - 60,
        exp: NOW + 840,
        jti: "vector".into(),
        scope: "ad_free articles".into(),
        until: Some(NOW + 2_592_000),
        standing: None,
    }
}

fn b64(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn vectors() -> Value {
    let es256 = SigningKey::from_pkcs8(Algorithm::Es256, ES256).unwrap();
    let eddsa = SigningKey::from_pkcs8(Algorithm::EdDsa, EDDSA).unwrap();
    let unknown = SigningKey::generate(Algorithm::Es256).unwrap();
    let pass = |key: &SigningKey, claims: PassClaims| mint(key, &claims).unwrap();
    let good = pass(&es256, claims());
    let header = |alg: &str| json!({"typ": PASS_TYPE, "alg": alg, "kid": es256.kid()});
    let body = |alg: &str| format!("{}.{}", b64(&header(alg)), b64(&json!(claims())));

    let hs256 = body("HS256");
    let secret = serde_json::to_vec(&es256.public()).unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), hs256.as_bytes());
    let mut parts: Vec<&str> = good.split('.').collect();
    let richer = b64(&json!(PassClaims {
        scope: "ad_free articles comments".into(),
        ..claims()
    }));
    parts[1] = &richer;
    let tampered = parts.join(".");

    let list = [
        ("good-es256", "accept", good.clone()),
        ("good-eddsa", "accept", pass(&eddsa, claims())),
        (
            "good-open-ended",
            "accept",
            pass(
                &es256,
                PassClaims {
                    until: None,
                    ..claims()
                },
            ),
        ),
        (
            "good-issuer-clock-5s-ahead",
            "accept",
            pass(
                &es256,
                PassClaims {
                    iat: NOW + 5,
                    ..claims()
                },
            ),
        ),
        (
            "expired-this-second",
            "expired",
            pass(&es256, PassClaims { exp: NOW, ..claims() }),
        ),
        (
            "expired-by-1s",
            "expired",
            pass(
                &es256,
                PassClaims {
                    exp: NOW - 1,
                    ..claims()
                },
            ),
        ),
        (
            "from-the-future-6s",
            "not-yet",
            pass(
                &es256,
                PassClaims {
                    iat: NOW + 6,
                    ..claims()
                },
            ),
        ),
        (
            "wrong-aud",
            "wrong-audience",
            pass(
                &es256,
                PassClaims {
                    aud: "sit_other".into(),
                    ..claims()
                },
            ),
        ),
        (
            "wrong-iss",
            "wrong-issuer",
            pass(
                &es256,
                PassClaims {
                    iss: "https://evil.example".into(),
                    ..claims()
                },
            ),
        ),
        ("alg-none-no-signature", "malformed", format!("{}.", body("none"))),
        ("alg-none", "wrong-algorithm", format!("{}.AAAA", body("none"))),
        (
            "hs256-with-public-key",
            "wrong-algorithm",
            format!("{hs256}.{}", URL_SAFE_NO_PAD.encode(tag)),
        ),
        ("unknown-kid", "unknown-key", pass(&unknown, claims())),
        ("tampered-payload", "bad-signature", tampered),
        ("trailing-garbage", "malformed", format!("{good}.AAAA")),
    ];
    let list: Vec<Value> = list
        .into_iter()
        .map(|(name, expect, token)| json!({"name": name, "expect": expect, "token": token}))
        .collect();
    json!({
        "about": "TEST ONLY: the private keys are public. Times in seconds. `expect` is `accept` or why a verifier refuses; one that tells no reasons has only to refuse.",
        "now": NOW,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "type": PASS_TYPE,
        "leeway_seconds": latchkey_token::LEEWAY_SECONDS,
        "claims_of_good_es256": claims(),
        "jwks": JwkSet { keys: vec![es256.public(), eddsa.public()] },
        "vectors": list,
    })
}

fn word(result: &Result<PassClaims, VerifyError>) -> &'static str {
    match result {
        Ok(_) => "accept",
        Err(VerifyError::Expired { .. }) => "expired",
        Err(VerifyError::Early) => "not-yet",
        Err(VerifyError::Audience) => "wrong-audience",
        Err(VerifyError::Issuer) => "wrong-issuer",
        Err(VerifyError::Algorithm) => "wrong-algorithm",
        Err(VerifyError::UnknownKey) => "unknown-key",
        Err(VerifyError::Signature) => "bad-signature",
        Err(VerifyError::Malformed) => "malformed",
        Err(_) => "refused",
    }
}

#[test]
fn every_vector_of_the_contract_gets_its_expected_result() {
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::create_dir_all(file().parent().unwrap()).unwrap();
        std::fs::write(file(), serde_json::to_string_pretty(&vectors()).unwrap() + "\n").unwrap();
    }
    let text = std::fs::read_to_string(file()).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let jwks: JwkSet = serde_json::from_value(all["jwks"].clone()).unwrap();
    for jwk in &jwks.keys {
        assert_eq!(all["jwks"].to_string().matches(&jwk.thumbprint()).count(), 1);
    }
    let text = |name: &str| all[name].as_str().unwrap().to_owned();
    let verifier = Verifier::new(&jwks, &text("issuer"), &text("audience"));
    let now = all["now"].as_i64().unwrap();
    let list = all["vectors"].as_array().unwrap();
    assert_eq!(list.len(), 15);
    for vector in list {
        let result = verifier.verify(vector["token"].as_str().unwrap(), now);
        assert_eq!(word(&result), vector["expect"], "{}: {result:?}", vector["name"]);
        if vector["name"] == "good-es256" {
            assert_eq!(json!(result.unwrap()), all["claims_of_good_es256"]);
        }
    }
}
