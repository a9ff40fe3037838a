//! What the books say of readers who come, pay, change, fail and go.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on may panic")]

use latchkey_billing::{
    Books, Currency, DerivePolicy, Figures, Interval, Invoice, InvoiceLine, InvoiceTax, Papers, Period, Plan,
    PlanPrice, Purchases, Subscription, SubscriptionItem, SubscriptionStatus,
};
use latchkey_entitlement::{
    PlanId, PriceId, Scope, Sites, Timestamp,
    time::{DAY, HOUR},
};
use proptest::prelude::*;

const START: Timestamp = Timestamp(1_790_000_000_000);
const MONTH: i64 = 30 * DAY;

fn price(id: &str, amount_minor: i64, interval: Interval, interval_count: u32) -> PlanPrice {
    PlanPrice {
        terms: latchkey_billing::PriceTerms::default(),
        id: PriceId::parse(&format!("prc_{id}")).unwrap(),
        stripe_price: format!("price_{id}"),
        currency: Currency::parse("eur").unwrap(),
        amount_minor,
        interval,
        interval_count,
        once: None,
    }
}

fn plans() -> Vec<Plan> {
    let plan = |name: &str, prices| Plan {
        id: PlanId::parse(&format!("pln_{name}")).unwrap(),
        key: name.to_owned(),
        name: name.to_owned(),
        description: String::new(),
        entitlements: Scope::parse("ad_free").unwrap(),
        sites: Sites::All,
        prices,
    };
    vec![
        plan(
            "supporter",
            vec![
                price("month", 500, Interval::Month, 1),
                price("quarter", 1_500, Interval::Month, 3),
                price("year", 5_000, Interval::Year, 1),
            ],
        ),
        plan("patron", vec![price("patron", 2_000, Interval::Month, 1)]),
    ]
}

fn subscription(id: &str, price: &str, created: Timestamp) -> Subscription {
    Subscription {
        id: id.to_owned(),
        customer: "cus_1".to_owned(),
        status: SubscriptionStatus::Active,
        items: vec![SubscriptionItem {
            price: None,
            id: format!("si_{id}"),
            price_id: format!("price_{price}"),
            product_id: "prod_1".to_owned(),
            quantity: 1,
            current_period_start: created,
            current_period_end: created.plus(MONTH),
        }],
        more_items: false,
        cancel_at_period_end: false,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        trial_end: None,
        created,
        start_date: created,
        pause_collection: false,
        latest_invoice: None,
        metadata: std::collections::BTreeMap::new(),
        livemode: true,
        default_payment_method: None,
        ..Subscription::default()
    }
}

fn line(price: &str, amount_minor: i64, from: Timestamp, to: Timestamp) -> InvoiceLine {
    InvoiceLine {
        amount_minor,
        period_start: from,
        period_end: to,
        price_id: Some(format!("price_{price}")),
        quantity: 1,
        subscription: Some("sub_1".to_owned()),
        ..InvoiceLine::default()
    }
}

fn invoice(number: u32, status: &str, created: Timestamp, lines: Vec<InvoiceLine>) -> Invoice {
    let total: i64 = lines.iter().map(|line| line.amount_minor - line.discount_minor).sum();
    let paid = status == "paid";
    Invoice {
        id: format!("in_{number:04}"),
        status: Some(status.to_owned()),
        subscription: Some("sub_1".to_owned()),
        amount_due_minor: total.max(0),
        amount_paid_minor: if paid { total.max(0) } else { 0 },
        currency: "eur".to_owned(),
        created,
        attempt_count: 1,
        period_end: created,
        papers: Papers {
            paid_at: paid.then_some(created),
            subtotal_minor: total,
            total_minor: total,
            total_excluding_tax_minor: total,
            lines,
            ..Papers::default()
        },
        ..Invoice::default()
    }
}

/// Months of `price` from the start on, all paid.
fn paid_months(price: &str, amount: i64, months: u32) -> Vec<Invoice> {
    let at = |month: u32| START.plus(i64::from(month) * MONTH);
    let one = |month| {
        invoice(
            month,
            "paid",
            at(month),
            vec![line(price, amount, at(month), at(month + 1))],
        )
    };
    (0..months).map(one).collect()
}

fn read(reader: &Purchases, from: i64, to: i64) -> Figures {
    let plans = plans();
    let period = Period {
        from: START.plus(from),
        to: START.plus(to),
    };
    let mut books = Books::new(&plans, DerivePolicy::default(), period, None);
    books.enter(reader);
    books.close().remove("eur").unwrap_or_default()
}

fn monthly() -> Purchases {
    Purchases {
        subscriptions: vec![subscription("sub_1", "month", START)],
        invoices: paid_months("month", 500, 3),
    }
}

#[test]
fn a_reader_is_new_in_one_month_and_there_in_the_next() {
    let first = read(&monthly(), -DAY, 5 * DAY);
    assert_eq!(
        (first.mrr_start_minor, first.new_minor, first.mrr_end_minor),
        (0, 500, 500)
    );
    assert_eq!((first.readers_new, first.readers_end, first.payments), (1, 1, 1));
    let next = read(&monthly(), 5 * DAY, MONTH + 5 * DAY);
    assert_eq!(
        (next.mrr_start_minor, next.new_minor, next.mrr_end_minor),
        (500, 0, 500)
    );
    assert_eq!((next.collected_minor, next.net_minor()), (500, 500));
}

#[test]
fn a_year_counts_a_twelfth_and_a_quarter_a_third() {
    for (name, amount, month) in [("year", 5_000, 417), ("quarter", 1_500, 500)] {
        let reader = Purchases {
            subscriptions: vec![subscription("sub_1", name, START)],
            invoices: vec![invoice(
                1,
                "paid",
                START,
                vec![line(name, amount, START, START.plus(365 * DAY))],
            )],
        };
        assert_eq!(read(&reader, -DAY, DAY).mrr_end_minor, month, "{name}");
    }
}

#[test]
fn who_ends_is_churned_once_and_comes_back_as_returned() {
    let mut reader = monthly();
    reader.subscriptions[0].ended_at = Some(START.plus(40 * DAY));
    let gone = read(&reader, 35 * DAY, 45 * DAY);
    assert_eq!(
        (gone.churned_minor, gone.readers_churned, gone.mrr_end_minor),
        (500, 1, 0)
    );
    let begins = START.plus(100 * DAY);
    reader.subscriptions.push(subscription("sub_2", "patron", begins));
    let mut again = invoice(
        9,
        "paid",
        begins,
        vec![line("patron", 2_000, begins, begins.plus(MONTH))],
    );
    again.subscription = Some("sub_2".to_owned());
    reader.invoices.push(again);
    let back = read(&reader, 90 * DAY, 105 * DAY);
    assert_eq!(
        (back.returned_minor, back.new_minor, back.readers_returned),
        (2_000, 0, 1)
    );
}

#[test]
fn a_change_within_a_period_counts_from_that_moment_at_the_whole_price() {
    let mut reader = monthly();
    let (changed, end) = (START.plus(10 * DAY), START.plus(MONTH));
    let lines = vec![
        InvoiceLine {
            proration: true,
            ..line("month", -333, changed, end)
        },
        InvoiceLine {
            proration: true,
            ..line("patron", 1_333, changed, end)
        },
    ];
    reader.invoices.truncate(1);
    reader.invoices.push(invoice(2, "paid", changed, lines));
    let figures = read(&reader, 5 * DAY, 15 * DAY);
    assert_eq!(
        (figures.mrr_start_minor, figures.expansion_minor, figures.mrr_end_minor),
        (500, 1_500, 2_000)
    );
}

#[test]
fn past_due_counts_for_as_long_as_the_grace_and_a_renewal_that_settles_for_as_long_as_the_slack() {
    let renewal = START.plus(MONTH);
    let mut reader = monthly();
    reader.invoices.truncate(1);
    let mut owed = invoice(
        2,
        "open",
        renewal,
        vec![line("month", 500, renewal, renewal.plus(MONTH))],
    );
    reader.invoices.push(owed.clone());
    assert_eq!(read(&reader, 0, MONTH + 7 * DAY - HOUR).mrr_end_minor, 500);
    assert_eq!(read(&reader, 0, MONTH + 7 * DAY).mrr_end_minor, 0);
    owed.attempt_count = 0;
    *reader.invoices.last_mut().unwrap() = owed;
    assert_eq!(read(&reader, 0, MONTH + 72 * HOUR - 1).mrr_end_minor, 500);
    assert_eq!(read(&reader, 0, MONTH + 72 * HOUR).mrr_end_minor, 0);
}

#[test]
fn failures_are_told_apart_by_what_came_of_them() {
    let mut reader = monthly();
    reader.invoices[1].attempt_count = 3;
    reader.invoices[2].status = Some("uncollectible".to_owned());
    reader.invoices[2].papers.paid_at = None;
    reader.invoices[2].attempt_count = 4;
    let figures = read(&reader, 0, 3 * MONTH);
    assert_eq!(
        (
            figures.payments_failed,
            figures.payments_recovered,
            figures.payments_given_up,
            figures.payments
        ),
        (2, 1, 1, 2)
    );
}

#[test]
fn taxes_and_discounts_are_no_revenue() {
    let mut reader = monthly();
    reader.invoices.truncate(1);
    let first = &mut reader.invoices[0];
    first.papers.lines[0].discount_minor = 100;
    first.papers.lines[0].inclusive_tax_minor = 64;
    first.amount_paid_minor = 400;
    first.papers.taxes = vec![InvoiceTax {
        rate: None,
        inclusive: true,
        taxable_minor: 336,
        amount_minor: 64,
    }];
    first.papers.credited_minor = 36;
    let figures = read(&reader, -DAY, DAY);
    assert_eq!(figures.mrr_end_minor, 336);
    assert_eq!(
        (figures.collected_minor, figures.tax_minor, figures.net_minor()),
        (400, 64, 300)
    );
}

#[test]
fn a_trial_is_no_revenue_until_it_is_paid() {
    let trial_end = START.plus(14 * DAY);
    let mut trying = subscription("sub_1", "month", START);
    trying.trial_end = Some(trial_end);
    let mut reader = Purchases {
        subscriptions: vec![trying],
        invoices: vec![invoice(1, "paid", START, vec![line("month", 0, START, trial_end)])],
    };
    let during = read(&reader, -DAY, DAY);
    assert_eq!(
        (
            during.trials_started,
            during.trials_running,
            during.mrr_end_minor,
            during.readers_end
        ),
        (1, 1, 0, 0)
    );
    reader.invoices.push(invoice(
        2,
        "paid",
        trial_end,
        vec![line("month", 500, trial_end, trial_end.plus(MONTH))],
    ));
    let after = read(&reader, DAY, 15 * DAY);
    assert_eq!(
        (after.trials_converted, after.trials_running, after.new_minor),
        (1, 0, 500)
    );
}

#[test]
fn what_no_plan_sells_is_left_out_and_one_plan_can_be_read_alone() {
    let mut reader = monthly();
    for invoice in &mut reader.invoices {
        invoice.papers.lines[0].price_id = Some("price_of_somebody_else".to_owned());
    }
    assert_eq!(read(&reader, -DAY, 5 * DAY), Figures::default());

    let plans = plans();
    let period = Period {
        from: START.plus(-DAY),
        to: START.plus(DAY),
    };
    for (plan, month) in [("pln_supporter", 500), ("pln_patron", 0)] {
        let plan = PlanId::parse(plan).unwrap();
        let mut books = Books::new(&plans, DerivePolicy::default(), period, Some(plan));
        books.enter(&monthly());
        assert_eq!(
            books.close().get("eur").map_or(0, |figures| figures.mrr_end_minor),
            month
        );
    }
}

/// Months, each paid, failed for good, or missing, at one of two prices.
fn lives() -> impl Strategy<Value = Vec<(u8, bool)>> {
    prop::collection::vec((0_u8..4, any::<bool>()), 1..24)
}

fn life(months: &[(u8, bool)]) -> Purchases {
    let mut reader = Purchases {
        subscriptions: vec![subscription("sub_1", "month", START)],
        invoices: vec![],
    };
    for (number, (kind, patron)) in (0_u32..).zip(months) {
        let (name, amount) = if *patron { ("patron", 2_000) } else { ("month", 500) };
        let at = START.plus(i64::from(number) * MONTH);
        let status = match kind {
            0 => continue,
            1 => "uncollectible",
            _ => "paid",
        };
        let lines = vec![line(name, amount, at, at.plus(MONTH))];
        reader.invoices.push(invoice(number, status, at, lines));
    }
    reader
}

proptest! {
    #[test]
    fn each_period_begins_where_the_one_before_ended_and_its_parts_add_up(lives in prop::collection::vec(lives(), 1..6)) {
        let plans = plans();
        let readers: Vec<Purchases> = lives.iter().map(|months| life(months)).collect();
        let mut before = 0;
        let mut collected = 0;
        for month in -1..25_i64 {
            let period = Period { from: START.plus(month * MONTH), to: START.plus((month + 1) * MONTH) };
            let mut books = Books::new(&plans, DerivePolicy::default(), period, None);
            for reader in &readers {
                books.enter(reader);
            }
            let it = books.close().remove("eur").unwrap_or_default();
            prop_assert_eq!(it.mrr_start_minor, before);
            let sum = it.mrr_start_minor + it.new_minor + it.returned_minor + it.expansion_minor
                - it.contraction_minor - it.churned_minor;
            prop_assert_eq!(sum, it.mrr_end_minor);
            let heads = it.readers_start + it.readers_new + it.readers_returned - it.readers_churned;
            prop_assert_eq!(heads, it.readers_end);
            before = it.mrr_end_minor;
            collected += it.collected_minor;
        }
        let paid: i64 = readers.iter().flat_map(|reader| &reader.invoices).map(|invoice| invoice.amount_paid_minor).sum();
        prop_assert_eq!(collected, paid);
    }
}
