//! Takes out of a call what is secret or somebody's own, and leaves its shape. What is not known to be harmless goes.

use std::collections::BTreeMap;

use serde_json::Value;

/// What callers keep with an object is theirs, whatever it is named.
const METADATA: &str = "metadata";
/// Fields whose value goes, whatever it looks like.
const PRIVATE: &[&str] = &[
    "address",
    "city",
    "client_secret",
    "country",
    "custom_fields",
    "customer_address",
    "customer_email",
    "customer_name",
    "customer_phone",
    "description",
    "display_name",
    "dynamic_last4",
    "email",
    "exp_month",
    "exp_year",
    "fingerprint",
    "footer",
    "headline",
    "invoice_prefix",
    "ip",
    "iin",
    "last4",
    "line1",
    "line2",
    METADATA,
    "name",
    "network_transaction_id",
    "nickname",
    "number",
    "phone",
    "postal_code",
    "receipt_email",
    "receipt_number",
    "secret",
    "state",
    "statement_descriptor",
    "support_email",
    "support_phone",
    "user_agent",
];
/// Fields of Stripe's own words that no pattern below fits, and that hold nobody's data.
const HARMLESS: &[&str] = &["param"];
/// Stripe's names for its test cards, which look like ids and are everybody's.
const TEST_CARD: &str = "pm_card_";
/// Longest of Stripe's own words.
const MAX_WORD: usize = 64;
/// A run of digits and small letters without a break that is longer than this is no word.
const MAX_RUN: usize = 24;

/// Replaces ids by numbered ones, the same by the same.
#[derive(Default)]
pub(super) struct Scrub {
    ids: BTreeMap<String, String>,
    numbers: BTreeMap<String, usize>,
}

impl Scrub {
    pub(super) fn path(&mut self, path: &str) -> String {
        let segments = path.split('/').map(|segment| {
            if is_id(segment) {
                self.id(segment)
            } else {
                segment.to_owned()
            }
        });
        segments.collect::<Vec<_>>().join("/")
    }

    pub(super) fn pairs(&mut self, pairs: Vec<(String, String)>) -> Vec<(String, String)> {
        let scrubbed = pairs.into_iter().map(|(name, value)| {
            // The innermost name is the field; an index has none of its own.
            let field = name
                .split(['[', ']'])
                .rfind(|part| !part.is_empty() && !part.bytes().all(|b| b.is_ascii_digit()))
                .unwrap_or(&name)
                .to_owned();
            let field = if name.contains(METADATA) { METADATA } else { &field };
            let value = self.text(field, &value);
            (name, value)
        });
        scrubbed.collect()
    }

    pub(super) fn body(&mut self, body: Value) -> Value {
        self.value("", body)
    }

    fn value(&mut self, field: &str, value: Value) -> Value {
        match value {
            Value::Object(fields) => Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| {
                        let inner = if field == METADATA { METADATA } else { &name };
                        let value = self.value(inner, value);
                        (name, value)
                    })
                    .collect(),
            ),
            Value::Array(entries) => Value::Array(entries.into_iter().map(|one| self.value(field, one)).collect()),
            Value::String(text) => Value::String(self.text(field, &text)),
            Value::Number(_) if PRIVATE.contains(&field) => Value::from(0),
            other => other,
        }
    }

    fn text(&mut self, field: &str, text: &str) -> String {
        let keep = !PRIVATE.contains(&field)
            && (HARMLESS.contains(&field) || text.starts_with(TEST_CARD) || is_word(text) || is_list(text));
        if is_secret(text) {
            "redacted".to_owned()
        } else if is_id(text) && !PRIVATE.contains(&field) {
            self.id(text)
        } else if keep {
            text.to_owned()
        } else {
            stand_in(field, text)
        }
    }

    /// `cus_1`, `cus_2` and so on.
    fn id(&mut self, id: &str) -> String {
        if let Some(known) = self.ids.get(id) {
            return known.clone();
        }
        let prefix = id.rsplit_once('_').map_or(id, |(prefix, _)| prefix);
        let number = self.numbers.entry(prefix.to_owned()).or_default();
        *number += 1;
        let new = format!("{prefix}_Recorded{number}");
        self.ids.insert(id.to_owned(), new.clone());
        new
    }
}

fn is_secret(text: &str) -> bool {
    ["sk_", "rk_", "pk_", "ek_", "whsec_"]
        .iter()
        .any(|prefix| text.contains(prefix))
        || text.contains("_secret_")
}

/// An id of Stripe's: small letters, and behind the last underscore something that no word has.
pub(super) fn is_id(text: &str) -> bool {
    let Some((prefix, tail)) = text.rsplit_once('_') else {
        return false;
    };
    !text.starts_with(TEST_CARD)
        && !prefix.is_empty()
        && prefix.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        && tail.len() >= 6
        && tail.bytes().all(|b| b.is_ascii_alphanumeric())
        && tail.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        && text.len() <= 255
}

/// One of Stripe's own words, a version, a number or a flag: nothing that somebody typed.
fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-*".contains(&b))
        && text.split(['_', '.', '-']).all(|run| run.len() <= MAX_RUN)
}

/// The address of a list, as lists name themselves.
fn is_list(text: &str) -> bool {
    text.strip_prefix("/v1/")
        .is_some_and(|rest| rest.split('/').all(is_word))
}

/// Something of the same kind that is nobody's, and that Stripe would take too.
fn stand_in(field: &str, text: &str) -> String {
    match field {
        "last4" => "0000".to_owned(),
        "country" => "DE".to_owned(),
        _ if text.contains('@') => "redacted@example.org".to_owned(),
        _ if text.starts_with("http") => "https://example.org/redacted".to_owned(),
        _ if text.is_empty() => String::new(),
        _ => "redacted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_secret_and_nobodys_data_stays_and_the_shape_does() {
        let answer = json!({
            "id": "cus_PkQ8a7b6C5", "object": "customer", "email": "zoe@publisher.example", "name": "zoe", "phone": "4912345",
            "invoice_settings": { "default_payment_method": "pm_1Pgaft2B7W" }, "balance": 0, "livemode": false,
            "card": { "last4": "4242", "exp_month": 8, "exp_year": 2030, "brand": "visa", "fingerprint": "AOB934RVN" },
            "client_secret": "pi_1Pga_secret_x7", "note": "sk_test_51abc", "url": "https://checkout.stripe.com/c/pay/cs_test_a1#fid",
            "message": "No such customer: zoe@publisher.example", "metadata": { "reader": "Zoe Lovelace", "nick": "zoe" },
            "nothing": null, "lines": { "object": "list", "url": "/v1/invoices/in_1Pgaft2B7W/lines", "data": [] },
            "token": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        });
        let scrubbed = Scrub::default().body(answer.clone());
        let text = scrubbed.to_string();
        for private in [
            "zoe",
            "Zoe",
            "4912345",
            "4242",
            "2030",
            "AOB934",
            "secret_x7",
            "sk_test",
            "cs_test",
            "PkQ8",
            "1Pga",
            "9f86",
        ] {
            assert!(!text.contains(private), "{private} in {text}");
        }
        assert_eq!(scrubbed["id"], "cus_Recorded1");
        assert_eq!(scrubbed["card"]["brand"], "visa");
        assert_eq!(scrubbed["object"], "customer");
        assert!(crate::recording::differences(&answer, &scrubbed).is_empty());
    }

    #[test]
    fn the_same_id_gets_the_same_number_wherever_it_stands() {
        let mut scrub = Scrub::default();
        let path = scrub.path("/v1/customers/cus_PkQ8a7b6C5");
        let pairs = scrub.pairs(vec![
            ("customer".to_owned(), "cus_PkQ8a7b6C5".to_owned()),
            ("items[0][price]".to_owned(), "price_1AAAAAA".to_owned()),
            ("email".to_owned(), "zoe@publisher.example".to_owned()),
            ("payment_method".to_owned(), "pm_card_visa".to_owned()),
        ]);
        assert_eq!(path, "/v1/customers/cus_Recorded1");
        let values: Vec<&str> = pairs.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            values,
            [
                "cus_Recorded1",
                "price_Recorded1",
                "redacted@example.org",
                "pm_card_visa"
            ]
        );
    }
}
