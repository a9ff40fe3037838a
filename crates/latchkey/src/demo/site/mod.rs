//! The Harbour Post: a small news site full of ads, served as a publisher's own web server would.
//!
//! It knows nothing of Latchkey. The edge before it inserts the calls and takes the ads out.

mod articles;
mod live;
mod pages;
mod pictures;
mod stored;
mod template;
mod video;

use super::hosts::DemoHosts;
use articles::Article;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use std::collections::BTreeMap;
use std::sync::Arc;
use stored::Stored;
use template::Template;

const CSS: &str = include_str!("../assets/site.css");
const FAVICON: &str = include_str!("../assets/favicon.svg");

struct Site {
    template: Template,
    /// Everything that is the same for every request, by path.
    stored: BTreeMap<String, Stored>,
    not_found: String,
    link: Option<HeaderValue>,
}

/// What the publisher's own web server serves. `hosts.site` is the name that readers use, which the site needs for its
/// absolute links, whatever address the server itself listens on.
pub(crate) fn router(hosts: &DemoHosts) -> Router {
    let articles = articles::all();
    let template = Template::new(hosts);
    let mut stored = BTreeMap::new();
    store_pages(&mut stored, &template, &articles);
    store_files(&mut stored, hosts, &articles);
    let link = format!(
        "</site.css>; rel=preload; as=style, <http://{}>; rel=preconnect",
        hosts.ads
    );
    let site = Site {
        not_found: pages::not_found(&template),
        link: HeaderValue::from_str(&link).ok(),
        template,
        stored,
    };
    Router::new()
        .route("/live", get(live::events))
        .route("/live-desk", get(live_desk))
        .route("/media/harbour.webm", get(video::serve))
        .fallback(get(serve))
        .with_state(Arc::new(site))
}

fn store_pages(stored: &mut BTreeMap<String, Stored>, template: &Template, articles: &[Article]) {
    let newest = articles.first().map(|article| article.date).unwrap_or_default();
    let mut page = |path: String, html: String, date| {
        stored.insert(
            path,
            Stored::new("text/html; charset=utf-8", html.into_bytes(), date, 60),
        );
    };
    page("/".to_owned(), pages::front(template, articles), newest);
    for section in articles::SECTIONS {
        page(
            format!("/{}", section.slug),
            pages::section(template, section, articles),
            newest,
        );
    }
    for article in articles {
        page(
            article.path(),
            pages::article(template, article, articles),
            article.date,
        );
    }
    for (path, title, body) in pages::ABOUT {
        page((*path).to_owned(), pages::about(template, path, title, body), newest);
    }
}

fn store_files(stored: &mut BTreeMap<String, Stored>, hosts: &DemoHosts, articles: &[Article]) {
    let newest = articles.first().map(|article| article.date).unwrap_or_default();
    let mut file = |path: String, kind, body: String, seconds| {
        stored.insert(path, Stored::new(kind, body.into_bytes(), newest, seconds));
    };
    file("/site.css".to_owned(), "text/css; charset=utf-8", CSS.to_owned(), 3_600);
    file("/favicon.svg".to_owned(), "image/svg+xml", FAVICON.to_owned(), 86_400);
    file(
        "/feed.xml".to_owned(),
        "application/atom+xml; charset=utf-8",
        pages::feed(hosts, articles),
        300,
    );
    let robots = format!(
        "User-agent: *\nAllow: /\nDisallow: /live\nSitemap: http://{}/feed.xml\n",
        hosts.site
    );
    file("/robots.txt".to_owned(), "text/plain; charset=utf-8", robots, 86_400);
    for scene in pictures::SCENES {
        file(
            format!("/pictures/{}.svg", scene.name),
            "image/svg+xml",
            pictures::svg(scene),
            86_400,
        );
    }
}

async fn serve(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if let Some(stored) = site.stored.get(path) {
        let mut response = stored.answer(&headers);
        if stored.is_page() {
            site.add_page_headers(&mut response);
        }
        return response;
    }
    if let Some(without) = path.strip_suffix('/')
        && site.stored.contains_key(without)
    {
        return Redirect::permanent(without).into_response();
    }
    let page = (
        StatusCode::NOT_FOUND,
        super::html::uncached("text/html; charset=utf-8", site.not_found.clone()),
    );
    page.into_response()
}

/// A page as busy sites have them: kept by nobody, and with a policy that lets only scripts with this answer's nonce
/// run, and what those load.
async fn live_desk(State(site): State<Arc<Site>>) -> Response {
    let Some(nonce) = live::nonce() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "no randomness\n").into_response();
    };
    let page = pages::live_desk(&site.template, &nonce);
    let mut response = super::html::uncached("text/html; charset=utf-8", page);
    if let Ok(policy) = HeaderValue::from_str(&live::policy(&site.template.hosts, &nonce)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    site.add_page_headers(&mut response);
    response
}

impl Site {
    fn add_page_headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(link) = &self.link {
            headers.insert(header::LINK, link.clone());
        }
        // Ad networks ask publishers for this, to know the page; the demo's counter uses it for the same.
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer-when-downgrade"),
        );
        headers.insert(
            HeaderName::from_static("x-served-by"),
            HeaderValue::from_static("harbour-post"),
        );
    }
}

#[cfg(test)]
mod tests;
