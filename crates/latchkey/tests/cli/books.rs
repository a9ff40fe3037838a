//! `latchkey figures` and `latchkey invoices`, on SQLite and on PostgreSQL.

use latchkey_billing::{Invoice, InvoiceLine, InvoiceTax, Papers, parse_subscription};
use latchkey_entitlement::{AccountId, EventId, Timestamp, time::DAY};
use latchkey_store::{Store, SubscriptionRow, SyncCommit};
use serde_json::json;

use crate::{database::each_database, program::Place};

/// 1 October 2026.
const OCTOBER: Timestamp = Timestamp(1_790_812_800_000);

/// A paid month from a day of October on; 19 per cent are in the price.
fn month(number: &str, day: i64, country: Option<&str>) -> Invoice {
    let at = OCTOBER.plus(day * DAY);
    Invoice {
        id: format!("in_{number}"),
        status: Some("paid".to_owned()),
        subscription: Some("sub_1".to_owned()),
        amount_due_minor: 500,
        amount_paid_minor: 500,
        currency: "eur".to_owned(),
        created: at,
        attempt_count: 1,
        period_end: at,
        number: Some(format!("=N-{number}")),
        papers: Papers {
            customer: Some("cus_1".to_owned()),
            paid_at: Some(at),
            country: country.map(str::to_owned),
            subtotal_minor: 500,
            total_minor: 500,
            total_excluding_tax_minor: 420,
            taxes: vec![InvoiceTax {
                rate: Some("txr_1".to_owned()),
                inclusive: true,
                taxable_minor: 420,
                amount_minor: 80,
            }],
            lines: vec![InvoiceLine {
                amount_minor: 500,
                period_start: at,
                period_end: at.plus(30 * DAY),
                price_id: Some("price_1".to_owned()),
                quantity: 1,
                inclusive_tax_minor: 80,
                subscription: Some("sub_1".to_owned()),
                ..InvoiceLine::default()
            }],
            ..Papers::default()
        },
        ..Invoice::default()
    }
}

/// A reader who pays monthly, and what a sync of them recorded.
fn given_a_payer(url: &str, invoices: Vec<Invoice>) {
    let body = json!({
        "id": "sub_1", "customer": "cus_1", "status": "active", "created": OCTOBER.seconds(), "livemode": false,
        "items": { "data": [{ "id": "si_1", "quantity": 1, "price": { "id": "price_1", "product": "prod_1" },
            "current_period_start": OCTOBER.seconds(), "current_period_end": OCTOBER.seconds() + 2_592_000 }] },
    });
    let subscription = parse_subscription(&body).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(url).await.unwrap();
        store.migrate().await.unwrap();
        let (account, now) = (AccountId::from_uuid(uuid::Uuid::from_u128(1)), OCTOBER);
        store.create_account(&account, now).await.unwrap();
        assert!(store.link_customer("cus_1", &account, false, now).await.unwrap());
        assert!(store.lease_customer("cus_1", "test", now, now.plus(DAY)).await.unwrap());
        let row = SubscriptionRow {
            id: "sub_1".to_owned(),
            status: "active".to_owned(),
            livemode: false,
            body: serde_json::to_string(&subscription).unwrap(),
            ..SubscriptionRow::default()
        };
        let commit = SyncCommit {
            trials: vec![],
            offers: vec![],
            sync_id: EventId::from_uuid(uuid::Uuid::from_u128(2)),
            customer: "cus_1".to_owned(),
            owner: "test".to_owned(),
            account,
            livemode: false,
            started_at: now,
            now,
            wanted: vec![],
            events_done: vec![],
            mirror: vec![row],
            invoices,
            notices: vec![],
            alerts: vec![],
            effects: vec![],
            deleted: false,
        };
        store.commit_sync(commit).await.unwrap();
        store.close().await;
    });
}

#[test]
fn figures_are_shown_month_by_month_for_people_and_for_programs() {
    each_database("figures", |place, url| {
        let empty = place.run(&["figures", "--from", "2026-10", "--to", "2026-11"]).is(0);
        assert!(
            empty.out.contains("No subscription has brought anything"),
            "{}",
            empty.out
        );

        given_a_payer(url, vec![month("1", 10, Some("DE")), month("2", 40, Some("DE"))]);
        let shown = place.run(&["figures", "--from", "2026-09", "--to", "2026-10"]).is(0);
        let line = |month: &str| {
            let line = shown.out.lines().find(|line| line.starts_with(month)).expect("a month");
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(line("2026-09")[1], "€0.00");
        // Without the tax: 5.00 holds 0.80 of it.
        assert_eq!(line("2026-10")[1..3], ["€4.20", "€4.20"], "{}", shown.out);
        assert_eq!(line("2026-10")[9..], ["€5.00", "€4.20"], "{}", shown.out);
        assert!(
            shown.out.contains("Recurring revenue in EUR") && shown.out.contains('█'),
            "{}",
            shown.out
        );

        let csv = place
            .run(&["figures", "--from", "2026-10", "--to", "2026-10", "--csv"])
            .is(0);
        let rows: Vec<Vec<&str>> = csv.out.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), 2, "{}", csv.out);
        let cell = |name: &str| rows[1][rows[0].iter().position(|own| *own == name).expect("a column")];
        assert_eq!(
            (
                cell("month"),
                cell("currency"),
                cell("mrr_end_minor"),
                cell("readers_new"),
                cell("net_minor")
            ),
            ("2026-10", "eur", "420", "1", "420")
        );
        let json = place.run(&["figures", "--from", "2026-10", "--to", "2026-10", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(json[0]["collected_minor"], 500);
    });
}

#[test]
fn what_cannot_be_asked_is_said() {
    let place = Place::configured();
    let wrong = place.run(&["figures", "--from", "October"]).is(2);
    assert!(wrong.err.contains("write it like 2026-01"), "{}", wrong.err);
    let backwards = place.run(&["figures", "--from", "2026-10", "--to", "2026-09"]).is(1);
    assert!(backwards.err.contains("2026-10 to 2026-09"), "{}", backwards.err);
    let unknown = place.run(&["figures", "--plan", "pln_nobody"]).is(1);
    assert!(
        unknown
            .err
            .contains("there is no plan pln_nobody; the configuration has pln_"),
        "{}",
        unknown.err
    );
}

#[test]
fn invoices_and_taxes_are_handed_to_bookkeeping() {
    each_database("invoices", |place, url| {
        let france = Invoice {
            id: "in_3".to_owned(),
            ..month("3", 12, Some("FR"))
        };
        given_a_payer(
            url,
            vec![
                month("1", 10, Some("DE")),
                month("2", 11, Some("DE")),
                france,
                month("4", 40, None),
            ],
        );
        let list = place
            .run(&["invoices", "list", "--from", "2026-10", "--to", "2026-10"])
            .is(0);
        assert_eq!(list.out.lines().count(), 4, "{}", list.out);
        let first = list.out.lines().nth(1).unwrap();
        assert_eq!(
            first, "2026-10-11T00:00:00Z,'=N-1,in_1,cus_1,sub_1,DE,eur,420,80,500,500,0",
            "no cell is taken for a formula"
        );

        let taxes = place
            .run(&["invoices", "taxes", "--from", "2026-10", "--to", "2026-11"])
            .is(0);
        assert_eq!(
            taxes.out.lines().collect::<Vec<_>>(),
            [
                "month,currency,country,tax_rate,percent,invoices,taxable_minor,tax_minor",
                "2026-10,eur,DE,txr_1,19.00,2,840,160",
                "2026-10,eur,FR,txr_1,19.00,1,420,80",
                "2026-11,eur,,txr_1,19.00,1,420,80",
            ]
        );
        place.run(&["invoices", "fetch"]).is(0);
    });
}
