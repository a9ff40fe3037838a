use super::*;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower::ServiceExt;

async fn get_with(path: &str, headers: &[(HeaderName, &str)]) -> Response {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    router(&DemoHosts::on_port(8080))
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

async fn page(path: &str) -> String {
    let response = get_with(path, &[]).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    text(response).await
}

#[tokio::test]
async fn every_article_carries_every_kind_of_ad_and_the_notices() {
    for article in articles::all() {
        let html = page(&article.path()).await;
        for expected in [
            "<ins class=\"adsbygoogle\"",
            "http://ads.localhost:8080/pagead/js/adsbygoogle.js",
            "id=\"div-gpt-ad-1700000000001-0\"",
            "id=\"div-gpt-ad-1700000000002-0\"",
            "googletag.cmd.push",
            "http://ads.localhost:8080/tag/js/gpt.js",
            "pbjs.que.push",
            "http://ads.localhost:8080/prebid.js",
            "/libtrc/harbour-post/loader.js",
            "taboola-below-article-thumbnails",
            "<iframe src=\"http://ads.localhost:8080/frame",
            "<a href=\"http://ads.localhost:8080/click/",
            "<link rel=\"preload\" as=\"script\" href=\"http://ads.localhost:8080/",
            "<link rel=\"preconnect\" href=\"http://ads.localhost:8080\"",
            "<noscript><img",
            "ad-sticky",
            "http://tags.localhost:8080/tm.js",
            "This post first appeared on <a href=\"http://news.localhost:8080/",
            "Its images and videos are not included.",
            "You need not notify us.",
            "/about/commenting-rules",
            "id=\"comments\"",
        ] {
            assert!(html.contains(expected), "{} lacks {expected}", article.path());
        }
        assert!(!html.contains("data-latchkey-call"), "{}", article.path());
    }
}

#[tokio::test]
async fn no_page_has_a_gap_in_its_template_or_a_link_to_nowhere_on_the_site() {
    let hosts = DemoHosts::on_port(8080);
    let mut stored = BTreeMap::new();
    let articles = articles::all();
    store_pages(&mut stored, &Template::new(&hosts), &articles);
    store_files(&mut stored, &hosts, &articles);
    for path in stored
        .iter()
        .filter(|(_, stored)| stored.is_page())
        .map(|(path, _)| path)
    {
        let html = page(path).await;
        assert!(!html.contains("{{"), "{path}");
        for (_, rest) in ["href=\"/", "src=\"/", "poster=\"/"].iter().flat_map(|start| {
            html.match_indices(start)
                .map(|(at, found)| (at, &html[at + found.len() - 1..]))
        }) {
            let target = rest.split(['"', '#']).next().unwrap();
            let elsewhere = target.starts_with("//") || ["/live-desk", "/media/harbour.webm"].contains(&target);
            let known = elsewhere || stored.contains_key(target);
            assert!(known, "{path} links to {target}");
        }
    }
}

#[tokio::test]
async fn a_page_that_is_held_already_is_not_sent_again() {
    let first = get_with("/town/the-new-tide-clock", &[]).await;
    let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    let modified = first.headers()[header::LAST_MODIFIED].to_str().unwrap().to_owned();
    for (name, value) in [
        (header::IF_NONE_MATCH, format!("\"other\", W/{tag}")),
        (header::IF_MODIFIED_SINCE, modified.clone()),
    ] {
        let again = get_with("/town/the-new-tide-clock", &[(name, &value)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[header::ETAG].to_str().unwrap(), tag);
        assert!(text(again).await.is_empty());
    }
    let other = [
        (header::IF_NONE_MATCH, "\"other\""),
        (header::IF_MODIFIED_SINCE, modified.as_str()),
    ];
    assert_eq!(
        get_with("/town/the-new-tide-clock", &other).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_live_desk_has_a_new_nonce_each_time_and_uses_it_on_every_script() {
    let mut nonces = Vec::new();
    for _ in 0..2 {
        let response = get_with("/live-desk", &[]).await;
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .to_owned();
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .unwrap()
            .split('\'')
            .next()
            .unwrap()
            .to_owned();
        let html = text(response).await;
        let scripts = html.matches("<script").count();
        assert!(scripts > 5);
        assert_eq!(html.matches(&format!("<script nonce=\"{nonce}\"")).count(), scripts);
        nonces.push(nonce);
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn one_page_marks_where_calls_go() {
    let html = page("/about").await;
    assert_eq!(html.matches("data-latchkey-call=\"top\"").count(), 1);
    assert_eq!(html.matches("data-latchkey-call=\"bottom\"").count(), 1);
}

#[tokio::test]
async fn the_feed_names_all_articles_and_robots_may_read() {
    let feed = page("/feed.xml").await;
    assert_eq!(feed.matches("<entry>").count(), articles::all().len());
    assert!(page("/robots.txt").await.contains("User-agent: *"));
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_not_there() {
    assert_eq!(get_with("/nowhere", &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get_with("/town/", &[]).await.status(), StatusCode::PERMANENT_REDIRECT);
}

#[tokio::test]
async fn a_part_of_the_video_is_served_as_a_part() {
    let part = get_with("/media/harbour.webm", &[(header::RANGE, "bytes=0-99")]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert!(
        part.headers()[header::CONTENT_RANGE]
            .to_str()
            .unwrap()
            .starts_with("bytes 0-99/")
    );
    let beyond = get_with("/media/harbour.webm", &[(header::RANGE, "bytes=99999999-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
}
