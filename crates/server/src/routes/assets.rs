use axum::{http::header, response::IntoResponse};

const STYLESHEET: &str = include_str!("../../assets/latchkey.css");

pub(crate) async fn stylesheet() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, STYLESHEET)
}
