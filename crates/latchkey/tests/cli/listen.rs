//! `latchkey stripe listen`: events without an address that Stripe could reach.

use crate::{
    outside::Outside,
    program::{Place, free_port, postgres},
};

const LISTEN: [&str; 4] = ["stripe", "listen", "--every", "1"];

/// Somebody appears in Stripe.
fn customer(outside: &Outside) -> String {
    let made = outside.dashboard("POST", "/v1/customers", "name=A");
    made["id"].as_str().unwrap().to_owned()
}

/// The id of the event about an object.
fn event_of(outside: &Outside, object: &str) -> String {
    let events = outside.listed("/v1/events?limit=100&type=customer.created");
    let found = events.iter().find(|event| event["data"]["object"]["id"] == object);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

fn pulls_what_happens_and_goes_on_where_it_was(outside: &Outside, place: &Place) {
    let before = event_of(outside, &customer(outside));
    let mut listening = place.start(&LISTEN, "Listening for events of Stripe's test mode");
    let first = event_of(outside, &customer(outside));
    listening.waits_for(&format!("{first}  customer.created  new"));
    listening.signal("INT");
    assert_eq!(listening.ends().0, Some(0));
    assert!(!listening.said().contains(&before), "it began with what was there");

    outside.dashboard("POST", "/v1/products", "name=Mug");
    let missed = event_of(outside, &customer(outside));
    let once = place.run(&["stripe", "listen", "--once"]).is(0);
    let said = once.says(&[&format!("{missed}  customer.created  new")]);
    // What nobody reads is not kept.
    said.never_says(&[&first, "product.created"]);
    place.run(&["stripe", "listen", "--once"]).is(0).never_says(&[&missed]);
}

#[test]
fn events_go_into_the_inbox_once_and_it_goes_on_where_it_was() {
    let outside = Outside::new();
    let place = outside.place();
    pulls_what_happens_and_goes_on_where_it_was(&outside, &place);
    if let Some(url) = postgres("listen") {
        let place = outside.place().set("DATABASE_URL", &url);
        pulls_what_happens_and_goes_on_where_it_was(&outside, &place);
    }
}

#[test]
fn everything_that_stripe_still_has_comes_if_asked_for_and_in_order() {
    let outside = Outside::new();
    let events: Vec<String> = (0..120)
        .map(|_| customer(&outside))
        .map(|id| event_of(&outside, &id))
        .collect();
    let said = outside.place().run(&["stripe", "listen", "--once", "--all"]).is(0).out;
    let told: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_suffix("  customer.created  new"))
        .collect();
    assert_eq!(told, events);
}

#[test]
fn beside_a_running_server_an_event_counts_once() {
    let outside = Outside::new();
    let port = free_port();
    let place = outside.place().edit(&[
        (
            "http://account.localhost:1",
            &format!("http://account.localhost:{port}"),
        ),
        ("127.0.0.1:8300", &format!("127.0.0.1:{port}")),
    ]);
    let body = format!("url=http://account.localhost:{port}/webhooks/stripe&enabled_events[]=*");
    let endpoint = outside.dashboard("POST", "/v1/webhook_endpoints", &body);
    let place = place.set("STRIPE_WEBHOOK_SECRETS", endpoint["secret"].as_str().unwrap());
    let _server = place.start(&["serve"], "The account origin listens");
    let delivered = event_of(&outside, &customer(&outside));
    outside.runtime.block_on(outside.sandbox.deliver_due());
    place
        .run(&["stripe", "listen", "--once", "--all"])
        .is(0)
        .says(&[&format!("{delivered}  customer.created  known already")]);
    let pulled = event_of(&outside, &customer(&outside));
    place
        .run(&["stripe", "listen", "--once"])
        .is(0)
        .says(&[&format!("{pulled}  customer.created  new")]);
    // Its delivery comes later, and is taken as one that is known.
    outside.runtime.block_on(outside.sandbox.deliver_due());
    let late = outside.sandbox.control().deliveries();
    let late = late.iter().find(|delivery| delivery.event == pulled).unwrap();
    assert_eq!((late.status, late.tries), (Some(200), 1));
}

#[test]
fn forwarded_events_are_signed_with_the_first_secret() {
    let outside = Outside::new();
    let port = free_port();
    let place = outside.place().edit(&[
        (
            "http://account.localhost:1",
            &format!("http://account.localhost:{port}"),
        ),
        ("127.0.0.1:8300", &format!("127.0.0.1:{port}")),
    ]);
    let place = place.set("STRIPE_WEBHOOK_SECRETS", "whsec_hunter2first,whsec_hunter2second");
    let to = format!("http://account.localhost:{port}/webhooks/stripe");
    let mut listening = place.start(&[&LISTEN[..], &["--forward-to", &to]].concat(), "Listening");
    let event = event_of(&outside, &customer(&outside));
    // The server is not there yet: nothing is lost.
    listening.waits_for("does not answer; trying again");
    let server = place.start(&["serve"], "The account origin listens");
    listening.waits_for(&format!("{event}  customer.created  200"));
    drop(server);
    let place = place.set("STRIPE_WEBHOOK_SECRETS", "whsec_hunter2third");
    let _server = place.start(&["serve"], "The account origin listens");
    let event = event_of(&outside, &customer(&outside));
    listening.waits_for(&format!("{event}  customer.created  400"));

    for elsewhere in [
        "https://account.localhost/webhooks/stripe",
        "http://publisher.example/webhooks/stripe",
    ] {
        place
            .run(&["stripe", "listen", "--once", "--forward-to", elsewhere])
            .is(3)
            .says(&["is not on this machine"]);
    }
}
