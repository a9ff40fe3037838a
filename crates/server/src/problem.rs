//! What went wrong, as a page for people and as `application/problem+json` (RFC 9457) for programs.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use latchkey_billing::StripeError;
use latchkey_store::StoreError;
use serde::Serialize;

/// One thing that went wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// Which kind of problem: a short word, stable across versions.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind in words.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What happened, and what to do next.
    pub detail: String,
    /// Each field that cannot be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Seconds after which trying again makes sense.
    #[serde(skip)]
    pub retry_after: Option<u32>,
    #[serde(skip)]
    json: bool,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, Serialize)]
pub struct FieldProblem {
    /// Its name.
    pub field: String,
    /// What is wrong with it, and what to write.
    pub detail: String,
}

impl FieldProblem {
    pub(crate) fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
        }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    title: &'a str,
    detail: &'a str,
}

impl Problem {
    /// A problem of one kind.
    pub fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: vec![],
            retry_after: None,
            json: false,
        }
    }

    /// The same for a program.
    pub fn json(mut self) -> Self {
        self.json = true;
        self
    }

    /// A program's request of which some fields cannot be used.
    pub(crate) fn fields(errors: Vec<FieldProblem>) -> Self {
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        let detail = format!("Look at {}, and send it again. Nothing was changed.", names.join(", "));
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "fields",
            "Some fields cannot be used",
            detail,
        );
        problem.errors = errors;
        problem.json()
    }

    /// The same with a moment for another try.
    pub(crate) fn retry(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) fn form_token() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "form-expired",
            "This form is no longer valid",
            "The page was open for too long, or your browser refuses cookies. Go back, reload the page, and send it again. Nothing was changed or charged.",
        )
    }

    pub(crate) fn foreign_form() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "foreign-form",
            "This came from another website",
            "For your safety such requests are only accepted from our own pages. Open the page here and try again. Nothing was changed or charged.",
        )
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such page",
            "Check the address, or go to your account to see what you have.",
        )
    }

    pub(crate) fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "That is not how this address is used",
            "Open it by a link or a button of our pages. What can be done with it stands in the header Allow.",
        )
    }

    pub(crate) fn too_many(what: &str, seconds: u32) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-tries",
            "Too many tries",
            format!("{what} Please wait {} minutes and try again.", seconds.div_ceil(60)),
        )
        .retry(seconds)
    }

    pub(crate) fn bad_input(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-input", "That cannot be used", detail)
    }

    /// An answer to a program that showed no right token.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "edge-token",
            "The token does not hold",
            "Send `Authorization: Bearer …` with the value of LATCHKEY_EDGE_TOKEN that this server was started with.",
        )
        .json()
    }

    fn broken(title: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title, detail).retry(10)
    }

    pub(crate) fn internal(what: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %what, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something failed on our side",
            "It was recorded. Please try again in a moment; nothing that you paid for is lost.",
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "the database did not answer");
            return Self::broken(
                "We cannot look that up right now",
                "Please try again in a moment. Nothing that you paid for is lost.",
            );
        }
        Self::internal(&error)
    }
}

impl From<StripeError> for Problem {
    fn from(error: StripeError) -> Self {
        tracing::warn!(%error, "Stripe did not do what was asked");
        Self::broken(
            "Our payment service cannot be reached",
            "Please try again in a minute. You were not charged by this try, and what you have paid for stays yours.",
        )
    }
}

impl From<latchkey_sync::SyncError> for Problem {
    fn from(error: latchkey_sync::SyncError) -> Self {
        tracing::warn!(%error, "a customer could not be synced");
        Self::broken(
            "Our payment service cannot be reached",
            "Please try again in a minute. You were not charged by this try, and what you have paid for stays yours.",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (kind, body) = if self.json {
            (
                "application/problem+json",
                serde_json::to_string(&self).unwrap_or_default(),
            )
        } else {
            let page = ProblemPage {
                title: self.title,
                detail: &self.detail,
            };
            (
                "text/html; charset=utf-8",
                page.render().unwrap_or_else(|_| self.title.to_owned()),
            )
        };
        let mut answer = (status, body).into_response();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}
