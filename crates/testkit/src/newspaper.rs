//! The publisher's own web server: an article with ads at every address.

use axum::{
    Router,
    extract::Request,
    response::{Html, IntoResponse},
};

/// How many ads each page of the origin holds.
pub const ADS_PER_PAGE: usize = 3;

/// Text of one ad each, found nowhere else in a page.
pub(crate) const AD_MARKS: [&str; ADS_PER_PAGE] = [
    "<ins class=\"adsbygoogle\"",
    "https://securepubads.g.doubleclick.net/tag/js/gpt.js",
    "id=\"div-gpt-ad-",
];

/// First and last words of every article: a page without them has lost a part of its text.
pub(crate) const ARTICLE_ENDS: [&str; 2] = [
    "The harbour froze on Tuesday night.",
    "The ferry goes again on Thursday.",
];

async fn article(request: Request) -> impl IntoResponse {
    let [first, last] = ARTICLE_ENDS;
    let path = request.uri().path().to_owned();
    Html(format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><title>{path}</title>\n\
        <script async src=\"https://securepubads.g.doubleclick.net/tag/js/gpt.js\"></script></head>\n\
        <body><article><h1>Ice</h1>\n<p>{first}</p>\n\
        <ins class=\"adsbygoogle\" data-ad-slot=\"1\"></ins>\n\
        <p>Nobody was hurt.</p>\n\
        <div id=\"div-gpt-ad-1-0\"></div>\n\
        <p>{last}</p></article></body></html>\n"
    ))
}

/// Its router.
pub(crate) fn router() -> Router {
    Router::new().fallback(article)
}
