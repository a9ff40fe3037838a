//! `latchkey serve` and `latchkey edge`: what they need, what they say, and how they stop.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use crate::program::{Place, SECRETS, ask, free_port, get};

const SITE: &str = "news.localhost";

/// Everything on this machine: Stripe and mail at addresses where nobody answers.
fn local() -> (Place, u16, u16) {
    let (server, edge) = (free_port(), free_port());
    let place = Place::configured().edit(&[
        (
            "https://account.gazette.test",
            &format!("http://account.localhost:{server}"),
        ),
        ("127.0.0.1:8300", &format!("127.0.0.1:{server}")),
        ("127.0.0.1:8301", &format!("127.0.0.1:{edge}")),
        ("www.gazette.test\"]", &format!("{SITE}:{edge}\"]")),
        (
            "# base_url = \"http://127.0.0.1:12111/\"",
            "base_url = \"http://127.0.0.1:1/\"",
        ),
        ("origin = \"http://127.0.0.1:8080\"", "origin = \"http://127.0.0.1:1\""),
    ]);
    (place, server, edge)
}

#[test]
fn serve_names_every_secret_that_it_lacks_and_the_mail_server() {
    for (name, _) in SECRETS {
        let (place, _, _) = local();
        place
            .set(name, "")
            .run(&["serve"])
            .is(3)
            .says(&[name, "not set", "help:"]);
    }
    let (place, _, _) = local();
    let place = SECRETS.iter().fold(place, |place, (name, _)| place.set(name, ""));
    place.run(&["serve"]).is(3).says(&SECRETS.map(|(name, _)| name));
    for (from, to, said) in [
        ("smtp_host =", "# smtp_host =", "[mail] smtp_host is not set"),
        ("\nfrom =", "\n# from =", "[mail] from is not set"),
        ("# smtp_user =", "smtp_user =", "LATCHKEY_SMTP_PASSWORD is not"),
    ] {
        let (place, _, _) = local();
        let place = place.edit(&[(from, to)]);
        place.run(&["serve"]).is(3).says(&[said, "help:"]);
        place.run(&["config", "check"]).is(4).says(&[said]);
    }
}

#[test]
fn a_port_in_use_is_named_with_the_setting_that_says_another() {
    let (place, server, edge) = local();
    let taken = TcpListener::bind(("127.0.0.1", server)).unwrap();
    place
        .run(&["serve"])
        .is(1)
        .says(&[&server.to_string(), "is in use", "[server] listen"]);
    drop(taken);
    let _taken = TcpListener::bind(("127.0.0.1", edge)).unwrap();
    place
        .run(&["serve", "--edge"])
        .is(1)
        .says(&[&edge.to_string(), "is in use", "[edge] listen"]);
}

#[test]
fn serve_starts_without_stripe_and_says_so_and_stops_in_order() {
    let (place, server, edge) = local();
    let mut running = place.start(&["serve", "--edge"], "The edge listens on");
    running.waits_for("reconciling with Stripe will be tried again");
    assert!(get(server, &format!("account.localhost:{server}"), "/healthz").ends_with("ok\n"));
    let support = get(server, &format!("account.localhost:{server}"), "/support");
    assert!(
        support.starts_with("HTTP/1.1 200") && support.contains("Support"),
        "{support}"
    );
    // The origin is away: a page of ours, and a line in the log.
    let page = get(edge, &format!("{SITE}:{edge}"), "/");
    assert!(
        page.starts_with("HTTP/1.1 502") && page.contains("The site cannot be reached"),
        "{page}"
    );
    running.waits_for("the origin cannot be reached");
    // Another host is nobody's here.
    assert!(get(edge, "elsewhere.example", "/").starts_with("HTTP/1.1 421"));

    running.signal("TERM");
    let (code, time) = running.ends();
    assert_eq!(code, Some(0), "{}", running.said());
    assert!(time < Duration::from_secs(9), "{time:?}");
    assert!(running.said().contains("Stopping"), "{}", running.said());
    // What was kept goes on with the next start.
    let mut again = place.start(&["serve"], "The account origin listens on");
    again.signal("INT");
    assert_eq!(again.ends().0, Some(0), "{}", again.said());
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let (place, _, edge) = local();
    let mut running = place.start(&["serve", "--edge"], "The edge listens on");
    // A request that never ends would hold the stop up.
    let held = std::net::TcpStream::connect(("127.0.0.1", edge)).unwrap();
    std::io::Write::write_all(&mut &held, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n").unwrap();
    running.signal("INT");
    running.waits_for("Ctrl-C again ends at once");
    running.signal("INT");
    let (code, time) = running.ends();
    assert_eq!(code, Some(130), "{}", running.said());
    assert!(time < Duration::from_secs(3), "{time:?}");
}

#[test]
fn an_edge_says_what_it_lacks() {
    let (place, server, edge) = local();
    place
        .run(&["edge"])
        .is(3)
        .says(&["[edge] bundle_key is not set", "latchkey keys list"]);
    let keys = place.run(&["keys", "list"]).is(0).out;
    let pinned = keys.lines().find(|line| line.contains("bundle_key")).unwrap();
    let (_, setting) = pinned.split_once("[edge] ").unwrap();
    let place = place.edit(&[
        ("# bundle_key = \"\"", setting),
        (
            "# server_url = \"https://latchkey.internal.publisher.example/\"",
            &format!("server_url = \"http://127.0.0.1:{server}/\""),
        ),
    ]);
    place.run(&["edge"]).is(1).says(&["no bundle", &server.to_string()]);

    // The server is there, but was started with another token.
    let _running = place.start(&["serve"], "The account origin listens on");
    let place = place.set("LATCHKEY_EDGE_TOKEN", "another-token-another-token-another");
    place
        .run(&["edge"])
        .is(1)
        .says(&["the server refuses the edge token", "LATCHKEY_EDGE_TOKEN"]);
    let place = place.set("LATCHKEY_EDGE_TOKEN", "hunter2hunter2hunter2hunter2hunter2");
    let mut good = place.start(&["edge", "--auth-only"], "The edge listens on");
    let auth = get(edge, &format!("{SITE}:{edge}"), "/.latchkey/auth");
    assert!(
        auth.starts_with("HTTP/1.1 200") && auth.contains("latchkey-class: free"),
        "{auth}"
    );
    assert!(get(edge, &format!("{SITE}:{edge}"), "/").starts_with("HTTP/1.1 404"));
    good.signal("TERM");
    assert_eq!(good.ends().0, Some(0));
}

#[test]
fn a_proxy_that_is_no_network_is_refused() {
    let (place, _, _) = local();
    let place = place.edit(&[("trusted_proxies = []", "trusted_proxies = [\"10.0.0.0/x\"]")]);
    place
        .run(&["serve", "--edge"])
        .is(3)
        .says(&["trusted_proxies", "10.0.0.0/x", "10.0.0.0/8"]);
    let (place, _, _) = local();
    let place = place.edit(&[("filter_lists = []", "filter_lists = [\"none.txt\"]")]);
    place
        .run(&["serve", "--edge"])
        .is(3)
        .says(&["none.txt cannot be read", "help:"]);
}

#[test]
fn an_edge_starts_from_the_kept_bundle_when_the_server_is_gone() {
    let (place, server, edge) = local();
    let listed = place.run(&["keys", "list"]).is(0).out;
    let key = listed.split('"').nth(1).expect("the thumbprint");
    let place = place
        .set("LATCHKEY_EDGE__SERVER_URL", &format!("http://127.0.0.1:{server}/"))
        .set("LATCHKEY_EDGE__BUNDLE_KEY", key)
        .set("LATCHKEY_EDGE__STATE_DIR", "state");
    let auth = || get(edge, &format!("{SITE}:{edge}"), "/.latchkey/auth");
    let mut account = place.start(&["serve"], "The account origin listens on");
    let mut first = place.start(&["edge"], "The edge listens on");
    assert!(auth().contains("latchkey-class: free"));
    first.signal("TERM");
    assert_eq!(first.ends().0, Some(0), "{}", first.said());
    account.signal("TERM");
    assert_eq!(account.ends().0, Some(0), "{}", account.said());
    let _second = place.start(&["edge"], "The edge listens on");
    assert!(auth().contains("latchkey-class: free"));
}

#[test]
fn an_edge_that_was_set_up_wrongly_says_what_to_change() {
    for (name, value, said) in [
        (
            "LATCHKEY_EDGE__BUNDLE_KEY",
            "short".to_owned(),
            "is not a key's thumbprint",
        ),
        (
            "LATCHKEY_EDGE__SERVER_URL",
            "http://latchkey.internal/".to_owned(),
            "in the clear",
        ),
        (
            "LATCHKEY_EDGE__ORIGIN_CA",
            "none.pem".to_owned(),
            "none.pem, which cannot be read",
        ),
    ] {
        let place = local()
            .0
            .set("LATCHKEY_EDGE__BUNDLE_KEY", &"k".repeat(43))
            .set(name, &value);
        place.run(&["edge"]).is(3).says(&[said]);
    }
}

#[test]
fn a_delivery_that_was_signed_with_another_secret_is_told_what_to_check() {
    let (place, server, _) = local();
    let _running = place.start(&["serve"], "The account origin listens on");
    let body = "{\"id\":\"evt_1\"}";
    let answer = ask(
        server,
        &format!(
            "POST /webhooks/stripe HTTP/1.1\r\nHost: account.localhost:{server}\r\nConnection: close\r\n\
             Stripe-Signature: t=1,v1={}\r\nContent-Length: {}\r\n\r\n{body}",
            "0".repeat(64),
            body.len()
        ),
    );
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("STRIPE_WEBHOOK_SECRETS"),
        "{answer}"
    );
}

/// An origin that takes one request and answers when told to.
fn slow_origin() -> (u16, Receiver<()>, Sender<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let (asked, was_asked) = channel();
    let (go_on, may_answer) = channel::<()>();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("a connection");
        let _ = connection.read(&mut [0; 4096]);
        asked.send(()).expect("the test waits");
        let _ = may_answer.recv();
        let page = "<p>The whole page.";
        let _ = write!(
            connection,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        );
    });
    (port, was_asked, go_on)
}

#[test]
fn what_was_begun_is_finished_after_a_signal() {
    let (port, was_asked, go_on) = slow_origin();
    let (place, _, edge) = local();
    let place = place.edit(&[(
        "origin = \"http://127.0.0.1:1\"",
        &format!("origin = \"http://127.0.0.1:{port}\""),
    )]);
    let mut serve = place.start(&["serve", "--edge"], "The edge listens on");
    let reader = std::thread::spawn(move || get(edge, &format!("{SITE}:{edge}"), "/"));
    was_asked.recv().expect("the origin is asked");
    serve.signal("TERM");
    serve.waits_for("Stopping: what was begun is finished");
    std::thread::sleep(Duration::from_secs(1));
    go_on.send(()).expect("the origin waits");
    let answer = reader.join().expect("the reader");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("The whole page."),
        "{answer}"
    );
    assert_eq!(serve.ends().0, Some(0), "{}", serve.said());
}
