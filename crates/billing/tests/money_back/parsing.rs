use latchkey_billing::{
    DisputeStatus, RefundStatus, parse_charge, parse_dispute, parse_invoice, parse_invoice_payment, parse_refund,
};
use serde_json::{Value, json};

fn fixture(name: &str) -> Option<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/stripe/fixtures3.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: {path} is not there");
        return None;
    };
    let mut all: Value = serde_json::from_str(&text).unwrap();
    Some(all["resources"][name].take())
}

#[test]
fn stripes_own_examples_are_read() {
    let (Some(charge), Some(refund), Some(dispute)) = (fixture("charge"), fixture("refund"), fixture("dispute")) else {
        return;
    };
    let charge = parse_charge(&charge).unwrap();
    assert_eq!((charge.amount_minor, charge.paid, charge.disputed), (100, true, false));
    let refund = parse_refund(&refund).unwrap();
    assert_eq!((refund.charge, refund.status), (charge.id, RefundStatus::Succeeded));
    assert_eq!(
        parse_dispute(&dispute).unwrap().status,
        DisputeStatus::WarningNeedsResponse
    );
    parse_invoice_payment(&fixture("invoice_payment").unwrap()).unwrap();
}

#[test]
fn every_word_of_stripe_is_kept_known_or_not() {
    for status in DisputeStatus::KNOWN {
        assert_eq!(DisputeStatus::from(status.as_str().to_owned()), status);
    }
    for status in RefundStatus::KNOWN {
        assert_eq!(RefundStatus::from(status.as_str().to_owned()), status);
    }
    let odd = parse_dispute(
        &json!({"id": "dp_1", "charge": {"id": "ch_1"}, "amount": 5, "currency": "EUR",
        "status": "hibernating", "created": 1}),
    )
    .unwrap();
    assert_eq!(
        (odd.charge.as_str(), odd.currency.as_str(), odd.status.as_str()),
        ("ch_1", "eur", "hibernating")
    );
}

#[test]
fn a_missing_field_is_named() {
    let wrong = parse_refund(&json!({"id": "re_1", "amount": 5, "currency": "eur", "status": "pending", "created": 1}));
    assert_eq!(wrong.unwrap_err().to_string(), "refund: field `charge` is missing");
}

#[test]
fn an_invoice_says_until_when_its_lines_are() {
    let line = |end| json!({"amount": 5, "period": {"start": 1, "end": end}});
    let json = json!({"id": "in_1", "amount_due": 5, "currency": "eur", "created": 1, "lines": {"data": [line(30), line(90), line(60)]}});
    assert_eq!(
        parse_invoice(&json)
            .unwrap()
            .lines_end
            .map(latchkey_billing::Timestamp::seconds),
        Some(90)
    );
}
