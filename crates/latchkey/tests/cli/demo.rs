//! `latchkey demo`: what it refuses, and that it harms nobody's data. That it works is the walk's to show.

use std::net::TcpListener;

use crate::program::{Place, free_port};

#[test]
fn a_port_in_use_is_named_and_another_can_be_chosen() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let place = Place::new();
    place
        .run(&["demo", "--port", &port])
        .is(1)
        .says(&[&port, "is in use", "--port"]);
    assert!(!place.path(".latchkey").exists(), "something was made for nothing");
}

#[test]
fn a_folder_that_cannot_be_made_and_a_list_that_is_not_there_are_named() {
    let place = Place::new();
    place.write("file", "");
    let port = free_port().to_string();
    place
        .run(&["demo", "--port", &port, "--data", "file/demo"])
        .is(1)
        .says(&["the demo's data cannot be kept in file/demo", "--data"]);
    place
        .run(&["demo", "--port", &port, "--filter-list", "none.txt"])
        .is(3)
        .says(&["the filter list none.txt cannot be read"]);
}

#[test]
fn damaged_data_is_named_and_left_as_it_is() {
    let place = Place::new();
    let port = free_port().to_string();
    let arguments = ["demo", "--port", port.as_str(), "--data", "data"];
    let mut running = place.start(&arguments, "demo is ready");
    running.signal("TERM");
    assert_eq!(running.ends().0, Some(0), "{}", running.said());
    for file in [
        "data/secrets.json",
        "data/stripe/stripe-sandbox.json",
        "data/latchkey.db",
    ] {
        let whole = std::fs::read(place.path(file)).unwrap();
        let damaged = "{ no JSON, and no database ".repeat(200);
        place.write(file, &damaged);
        let name = file.rsplit('/').next().unwrap();
        let refused = place.run(&arguments);
        assert!(matches!(refused.code, Some(1 | 3)), "{file}: {refused:?}");
        refused.says(&[name]);
        assert_eq!(place.read(file), damaged, "{file} was written over");
        std::fs::write(place.path(file), whole).unwrap();
    }
    let mut running = place.start(&arguments, "demo is ready");
    running.signal("INT");
    assert_eq!(running.ends().0, Some(0), "the whole data go on");
}

#[test]
fn a_real_site_that_does_not_answer_is_said_at_the_start() {
    let place = Place::new();
    let port = free_port().to_string();
    let arguments = ["demo", "--port", port.as_str(), "--origin", "https://127.0.0.1:1/"];
    let mut running = place.start(&arguments, "demo is ready");
    running.waits_for("https://127.0.0.1:1/ does not answer");
    running.waits_for("start the demo again when this is mended");
    running.signal("INT");
    assert_eq!(running.ends().0, Some(0), "{}", running.said());

    // One that sends everybody elsewhere.
    let elsewhere = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let site = format!("http://{}/", elsewhere.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in elsewhere.incoming().take(3) {
            let mut connection = connection.unwrap();
            let _ = std::io::Read::read(&mut connection, &mut [0; 4096]);
            let answer = b"HTTP/1.1 301 Moved\r\nLocation: https://www.gazette.test/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = std::io::Write::write_all(&mut connection, answer);
        }
    });
    let mut running = place.start(&["demo", "--port", &port, "--origin", &site], "demo is ready");
    running.waits_for("sends its readers to https://www.gazette.test/: begin with that address after --origin");
    running.signal("INT");
    assert_eq!(running.ends().0, Some(0), "{}", running.said());

    let none = ["--origin-ca", "none.pem"];
    let refused = place.run(&[&arguments[..], &none].concat()).is(3);
    refused.says(&["none.pem, which cannot be read", "PEM"]);
    place.write("list.txt", "no certificate");
    let refused = place
        .run(&[&arguments[..], &["--origin-ca", "list.txt"]].concat())
        .is(3);
    refused.says(&["origin_ca cannot be used: there is none", "BEGIN CERTIFICATE"]);
    for (option, value) in [("--origin-ca", "x"), ("--origin-address", "127.0.0.1:1")] {
        place.run(&["demo", option, value]).is(2).says(&["--origin <URL>"]);
    }
}
