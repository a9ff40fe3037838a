use axum::http::StatusCode;

use crate::world::{ORIGIN, each_world};

#[tokio::test]
async fn a_form_without_its_token_or_from_another_website_is_refused() {
    each_world(async |world| {
        let mut browser = world.browser();
        let form = browser.get("/sign-in").await.hidden();
        let with_email = |form: &[(String, String)]| {
            let mut form = form.to_vec();
            form.push(("email".into(), "ada@example.org".into()));
            form
        };
        let bare = with_email(&[]);
        let whole = with_email(&form);
        for path in [
            "/sign-in",
            "/sign-in/code",
            "/sign-in/link",
            "/sign-out",
            "/support/checkout",
            "/account/portal",
            "/account/devices",
            "/account/subscription",
            "/account/prove",
            "/cancel",
            "/cancel/link",
        ] {
            assert_eq!(
                browser.post(path, &bare).await.status,
                StatusCode::FORBIDDEN,
                "{path} took a form without a token"
            );
            for headers in [
                [("sec-fetch-site", "cross-site"), ("origin", ORIGIN)],
                [("sec-fetch-site", "same-site"), ("origin", ORIGIN)],
                [("x-none", ""), ("origin", "https://evil.example")],
            ] {
                let answer = browser.send("POST", path, &headers, Some(&whole)).await;
                assert_eq!(
                    answer.status,
                    StatusCode::FORBIDDEN,
                    "{path} took a form with {headers:?}"
                );
            }
        }
        // Another browser's token is as good as none.
        let mut other = world.browser();
        other.get("/sign-in").await;
        assert_eq!(other.post("/sign-in", &whole).await.status, StatusCode::FORBIDDEN);
        assert!(world.mailbox.letters().is_empty());
        assert_eq!(browser.post("/sign-in", &whole).await.location(), "/sign-in/sent");
    })
    .await;
}

#[tokio::test]
async fn no_address_leads_to_a_host_that_is_not_ours() {
    each_world(async |world| {
        let mut payer = world.payer("ada@example.org").await;
        for to in [
            "//evil.example",
            "https://evil.example/",
            "/%5Cevil.example",
            "/%09/evil.example",
            "%2F%2Fevil.example",
        ] {
            let answer = payer.get(&format!("/account/continue?site=sit_news&to={to}")).await;
            assert_eq!(
                answer.location(),
                "https://news.example.org/.latchkey/enter?to=%2F",
                "{to}"
            );
            let page = payer.get(&format!("/support?site=sit_news&to={to}")).await;
            assert!(!page.body.contains("evil.example"), "{to}");
            let enter = payer
                .get(&format!(
                    "/account/enter?host=news.example.org&nonce={}&to={to}",
                    crate::world::nonce_hash("n")
                ))
                .await;
            assert!(
                enter
                    .location()
                    .starts_with("https://news.example.org/.latchkey/enter?code=")
                    && enter.location().ends_with("&to=%2F")
            );
        }
        for next in ["https://evil.example", "//evil.example/account", "/webhooks/stripe"] {
            assert_eq!(
                payer.get(&format!("/sign-in?next={next}")).await.location(),
                "/account",
                "{next}"
            );
        }
        let answer = payer.get("/account/enter?host=evil.example&nonce=x&to=/").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(
            payer.get("/account/continue?site=sit_unknown&to=/").await.location(),
            "/account"
        );
    })
    .await;
}

#[tokio::test]
async fn every_page_is_hardened_and_cookies_are_strict() {
    each_world(async |world| {
        let mut browser = world.browser();
        for path in [
            "/support",
            "/sign-in",
            "/sign-in/sent",
            "/nothing",
            "/return?state=mailed",
            "/sign-in/link?token=x",
        ] {
            let answer = browser.get(path).await;
            let policy = answer.header("content-security-policy");
            for part in [
                "default-src 'none'",
                "frame-ancestors 'none'",
                "style-src 'self'",
                "https://news.example.org",
                "https://checkout.stripe.com",
            ] {
                assert!(policy.contains(part), "{path}: {policy}");
            }
            assert_eq!(
                (answer.header("cache-control"), answer.header("x-content-type-options")),
                ("no-store", "nosniff"),
                "{path}"
            );
            assert!(
                answer.body.contains("<html lang=\"en\">") && answer.body.contains("name=\"viewport\""),
                "{path}"
            );
            assert!(
                !answer.body.contains("<script") && !answer.body.contains("style="),
                "{path}"
            );
            for cookie in answer.headers.get_all("set-cookie") {
                let cookie = cookie.to_str().unwrap();
                assert!(
                    cookie.starts_with("__Host-latchkey_")
                        && cookie.contains("; Secure")
                        && cookie.contains("HttpOnly; SameSite=Lax"),
                    "{cookie}"
                );
            }
        }
        assert_eq!(
            browser.get("/sign-in/link?token=x").await.header("referrer-policy"),
            "no-referrer"
        );
        assert_eq!(browser.get("/admin").await.status, StatusCode::NOT_FOUND);
        assert_eq!(
            browser.get("/assets/latchkey.css").await.header("content-type"),
            "text/css; charset=utf-8"
        );
    })
    .await;
}

#[tokio::test]
async fn what_a_reader_types_is_shown_escaped() {
    each_world(async |world| {
        let mut browser = world.browser();
        let answer = browser
            .submit("/sign-in", "/sign-in", &[("email", "\"><script>alert(1)</script>")])
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(!answer.body.contains("<script"), "{}", answer.body);
        assert!(
            !browser
                .get("/sign-in/link?token=%22%3E%3Cscript%3E")
                .await
                .body
                .contains("<script")
        );
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_advice() {
    each_world(async |world| {
        let mut browser = world.browser();
        let ours = [("sec-fetch-site", "same-origin"), ("origin", ORIGIN)];
        // A form that is far too long, and one that is none.
        let long = vec![("email".to_owned(), "a".repeat(200 * 1024))];
        let answer = browser.send("POST", "/sign-in", &ours, Some(&long)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(
            answer.body.contains("<h1>That is too long</h1>") && answer.body.contains("128 KiB"),
            "{answer:?}"
        );
        let answer = browser.get("/return?session_id=a&session_id=b").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body.contains("Follow the link again"), "{answer:?}");
        let answer = browser.send("DELETE", "/account", &ours, None).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(
            answer.header("allow").contains("GET") && answer.body.contains("<h1>"),
            "{answer:?}"
        );
        // Cookies that nobody of ours made are as none.
        for name in [
            "__Host-latchkey_account",
            "__Host-latchkey_browser",
            "__Host-latchkey_attempt",
        ] {
            browser.jar.insert(name.to_owned(), "%00%ff\"garbage".to_owned());
        }
        assert!(browser.get("/account").await.location().starts_with("/sign-in"));
        assert_eq!(browser.get("/support").await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn a_program_is_told_what_is_wrong_with_its_json() {
    each_world(async |world| {
        for (body, status, word) in [
            ("{\"host\":", 400, "EOF"),
            ("{\"host\":1}", 422, "host"),
            ("[]", 422, "invalid length"),
        ] {
            let answer = world.edge_raw("/edge/v1/enter", "application/json", body).await;
            assert_eq!(answer.status.as_u16(), status, "{answer:?}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(word), "{detail}");
        }
        let answer = world.edge_raw("/v1/comments/check", "text/plain", "{}").await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(answer.body.contains("application/json"), "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn codes_are_looked_up_a_few_times_for_a_network() {
    each_world(async |world| {
        let mut guesser = world.browser_at("198.51.100.7");
        let mut refused = 0;
        for number in 0..35 {
            let page = guesser.get(&format!("/support?code=GUESS{number}")).await;
            refused += usize::from(page.status == StatusCode::TOO_MANY_REQUESTS);
        }
        assert_eq!((refused, world.stripe.codes_asked()), (5, 30));
        // Whoever comes from elsewhere is not held up, nor is the page without a code.
        assert_eq!(guesser.get("/support").await.status, StatusCode::OK);
        let mut other = world.browser_at("203.0.113.9");
        assert_eq!(other.get("/support?code=SPRING").await.status, StatusCode::OK);
    })
    .await;
}
