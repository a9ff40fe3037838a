//! `/v1`: who may call, what is replayed, what fails on request, and which noun answers.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State as Extract};
use axum::response::Response;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::config::KEY_PREFIX;
use crate::error::{ApiError, ApiResult};
use crate::event::{self, API_VERSION};
use crate::fault::Fault;
use crate::idempotency::{Kept, fingerprint};
use crate::params::Params;
use crate::sandbox::Sandbox;
use crate::state::State;
use crate::{
    account, card, card_attach, charge, checkout_api, coupon, credit_note, customer, dispute, endpoint, expand, intent,
    invoice_api, portal, portal_configuration, preview, price, product, promotion_code, refund, subscription_api,
};

/// The name of the major release that [`API_VERSION`] belongs to.
const MAJOR_RELEASE: &str = "endive";
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// An answer of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers, with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body: JSON, save where a fault asks for something else.
    pub body: String,
}

/// An answer and how long it is held back.
struct Reply {
    answer: Answer,
    hold: Option<Duration>,
}

struct Incoming<'a> {
    method: &'a str,
    path: &'a str,
    params: Params,
    request_id: String,
    key: Option<&'a str>,
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn answer(status: u16, request_id: &str, body: String) -> Answer {
    let pairs = [
        ("content-type", "application/json"),
        ("cache-control", "no-cache, no-store"),
        ("request-id", request_id),
        ("stripe-version", API_VERSION),
    ];
    Answer {
        status,
        headers: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body,
    }
}

/// RFC 9110 section 5.6.7.
fn http_date(seconds: i64) -> String {
    const FORM: &[BorrowedFormatItem<'_>] =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(FORM).unwrap_or_default()
}

fn refusal(error: &ApiError, request_id: &str) -> Answer {
    answer(error.status, request_id, error.body().to_string())
}

impl Sandbox {
    /// One API call in this process, by the same code as over HTTP. `path_and_query` begins with `/v1/`; `body` is
    /// form-encoded. Headers as over HTTP: `Authorization: Bearer …` at least.
    pub async fn call(&self, method: &str, path_and_query: &str, headers: &[(String, String)], body: &str) -> Answer {
        let reply = self.run(method, path_and_query, headers, body);
        let Some(hold) = reply.hold else { return reply.answer };
        tokio::time::sleep(hold).await;
        let body = "upstream request timeout".to_owned();
        Answer {
            status: 504,
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
            body,
        }
    }

    /// The same by the account's owner in the dashboard, whom no fault of [`Control::fail_next_calls`](crate::Control::fail_next_calls)
    /// hits.
    pub fn call_from_dashboard(&self, method: &str, path_and_query: &str, body: &str) -> Answer {
        let key = format!("Bearer {}", self.config().secret_key);
        let faults = self.edit(|state| std::mem::take(&mut state.faults));
        let reply = self.run(method, path_and_query, &[("authorization".to_owned(), key)], body);
        self.edit(|state| drop(state.faults.splice(..0, faults)));
        reply.answer
    }

    /// The API's routes, for the root of a server or of a host.
    pub fn api_router(self: &Arc<Self>) -> Router {
        Router::new()
            .fallback(over_http)
            .layer(axum::middleware::from_fn(crate::pages::loopback_only))
            .with_state(Arc::clone(self))
    }

    fn run(&self, method: &str, path_and_query: &str, headers: &[(String, String)], body: &str) -> Reply {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let path = path.trim_end_matches('/');
        let mut reply = self.edit(|state| {
            let request_id = state.new_id("req", 8);
            let read = self.admit(headers).and_then(|()| Params::parse(query, body));
            let params = match read {
                Ok(params) => params,
                Err(error) => {
                    return Reply {
                        answer: refusal(&error, &request_id),
                        hold: None,
                    };
                }
            };
            let key = header(headers, "idempotency-key").filter(|_| method == "POST");
            state.execute(&Incoming {
                method,
                path,
                params,
                request_id,
                key,
            })
        });
        let date = http_date(self.clock().now_ms().div_euclid(1000));
        reply.answer.headers.push(("date".to_owned(), date));
        reply
    }

    /// Whether the caller may call: the sandbox's key, and the one version of the API.
    fn admit(&self, headers: &[(String, String)]) -> Result<(), ApiError> {
        let key = header(headers, "authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(str::trim);
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return Err(ApiError::unauthorised(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            ));
        };
        if !key.starts_with(KEY_PREFIX) {
            let what = if key.contains("_live_") {
                "A live key was sent to"
            } else {
                "A key of a Stripe account was sent to"
            };
            return Err(ApiError::unauthorised(format!(
                "{what} the Stripe sandbox, which refuses it: this is no real Stripe. Keys here begin with {KEY_PREFIX}. Roll that key if others can read this machine's traffic."
            )));
        }
        if verify_slices_are_equal(key.as_bytes(), self.config().secret_key.as_bytes()).is_err() {
            return Err(ApiError::unauthorised(format!(
                "Invalid API Key provided: {KEY_PREFIX}****"
            )));
        }
        match header(headers, "stripe-version") {
            // Later versions of the same major release only add (docs.stripe.com/api/versioning), and nothing is added here.
            Some(version) if version.split_once('.').map(|(_, major)| major) != Some(MAJOR_RELEASE) => {
                Err(ApiError::invalid(
                    format!("Invalid Stripe API version: {version}. The sandbox speaks {API_VERSION} only."),
                    None,
                ))
            }
            _ => Ok(()),
        }
    }
}

impl State {
    fn execute(&mut self, incoming: &Incoming<'_>) -> Reply {
        let id = &incoming.request_id;
        let fault = if self.faults.is_empty() {
            None
        } else {
            Some(self.faults.remove(0))
        };
        let mut hold = None;
        let mut broken = None;
        match fault {
            Some(Fault::ServerError) => {
                broken = Some(ApiError::api(
                    500,
                    "An unknown error occurred. (The sandbox was told to fail.)",
                ));
            }
            Some(Fault::TimeoutAfterEffect { hold_ms }) => hold = Some(Duration::from_millis(hold_ms)),
            Some(fault) => {
                return Reply {
                    answer: fault_answer(fault, id),
                    hold: None,
                };
            }
            None => {}
        }
        let print = fingerprint(incoming.method, incoming.path, &incoming.params);
        if let Some(key) = incoming.key {
            match self.kept(key, &print) {
                Err(error) => {
                    return Reply {
                        answer: refusal(&error, id),
                        hold: None,
                    };
                }
                Ok(Some(kept)) => {
                    let mut answer = answer(kept.status, id, kept.body.clone());
                    answer
                        .headers
                        .push(("idempotent-replayed".to_owned(), "true".to_owned()));
                    answer
                        .headers
                        .push(("original-request".to_owned(), kept.request.clone()));
                    return Reply { answer, hold };
                }
                Ok(None) => {}
            }
        }
        self.cause = Some((id.clone(), incoming.key.map(str::to_owned)));
        let result = match broken {
            Some(error) => Err(error),
            None => self.route(incoming).and_then(|mut value| {
                expand::expand(self, &mut value, &incoming.params)?;
                Ok(value)
            }),
        };
        self.cause = None;
        self.changed |= incoming.method != "GET";
        let mut answer = match result {
            Ok(value) => answer(200, id, value.to_string()),
            Err(error) => refusal(&error, id),
        };
        if let Some(key) = incoming.key {
            let (status, body) = (answer.status, answer.body.clone());
            self.keep(
                key,
                Kept {
                    fingerprint: print,
                    created: self.now,
                    request: id.clone(),
                    status,
                    body,
                },
            );
            answer.headers.push(("idempotency-key".to_owned(), key.to_owned()));
        }
        Reply { answer, hold }
    }

    fn route(&mut self, incoming: &Incoming<'_>) -> ApiResult {
        let segments: Vec<&str> = incoming.path.trim_start_matches('/').split('/').collect();
        let p = &incoming.params;
        let known = match (incoming.method, segments.as_slice()) {
            ("GET", ["v1", rest @ ..]) => read(self, p, rest),
            ("POST", ["v1", rest @ ..]) => write(self, p, rest),
            ("DELETE", ["v1", "coupons", id]) => Some(coupon::delete(self, p, id)),
            ("DELETE", ["v1", "customers", id]) => Some(customer::delete(self, p, id)),
            ("DELETE", ["v1", "subscriptions", id]) => Some(subscription_api::cancel(self, p, id)),
            ("DELETE", ["v1", "webhook_endpoints", id]) => Some(endpoint::delete(self, p, id)),
            _ => None,
        };
        known.unwrap_or_else(|| {
            let message = format!(
                "Unrecognized request URL ({}: {}). The sandbox knows a part of Stripe's API; see its documentation.",
                incoming.method, incoming.path
            );
            Err(ApiError::invalid(message, None).with_status(404))
        })
    }
}

fn read(state: &State, p: &Params, path: &[&str]) -> Option<ApiResult> {
    Some(match path {
        ["customers"] => customer::list(state, p),
        ["customers", id] => customer::get(state, p, id),
        ["products"] => product::list(state, p),
        ["products", id] => product::get(state, p, id),
        ["prices"] => price::list(state, p),
        ["prices", id] => price::get(state, p, id),
        ["coupons"] => coupon::list(state, p),
        ["coupons", id] => coupon::get(state, p, id),
        ["promotion_codes"] => promotion_code::list(state, p),
        ["promotion_codes", id] => promotion_code::get(state, p, id),
        ["checkout", "sessions"] => checkout_api::list(state, p),
        ["checkout", "sessions", id] => checkout_api::get(state, p, id),
        ["checkout", "sessions", id, "line_items"] => checkout_api::line_items(state, p, id),
        ["subscriptions"] => subscription_api::list(state, p),
        ["subscriptions", id] => subscription_api::get(state, p, id),
        ["invoices"] => invoice_api::list(state, p),
        ["invoices", id] => invoice_api::get(state, p, id),
        ["invoice_payments"] => invoice_api::list_payments(state, p),
        ["invoice_payments", id] => invoice_api::get_payment(state, p, id),
        ["charges"] => charge::list(state, p),
        ["charges", id] => charge::get(state, p, id),
        ["refunds"] => refund::list(state, p),
        ["refunds", id] => refund::get(state, p, id),
        ["disputes"] => dispute::list(state, p),
        ["disputes", id] => dispute::get(state, p, id),
        ["credit_notes"] => credit_note::list(state, p),
        ["credit_notes", id] => credit_note::get(state, p, id),
        ["payment_intents"] => intent::list(state, p),
        ["payment_intents", id] => intent::get(state, p, id),
        ["payment_methods"] => card::list(state, p),
        ["payment_methods", id] => card::get(state, p, id),
        ["events"] => event::list(state, p),
        ["events", id] => event::get(state, p, id),
        ["webhook_endpoints"] => endpoint::list(state, p),
        ["account"] => account::get(state, p),
        ["tax", "settings"] => account::tax(state, p),
        ["billing_portal", "configurations"] => portal_configuration::list(state, p),
        ["billing_portal", "configurations", id] => portal_configuration::get(state, p, id),
        ["webhook_endpoints", id] => endpoint::get(state, p, id),
        _ => return None,
    })
}

fn write(state: &mut State, p: &Params, path: &[&str]) -> Option<ApiResult> {
    Some(match path {
        ["customers"] => customer::create(state, p),
        ["customers", id] => customer::update(state, p, id),
        ["products"] => product::create(state, p),
        ["products", id] => product::update(state, p, id),
        ["prices"] => price::create(state, p),
        ["prices", id] => price::update(state, p, id),
        ["coupons"] => coupon::create(state, p),
        ["promotion_codes"] => promotion_code::create(state, p),
        ["promotion_codes", id] => promotion_code::update(state, p, id),
        ["invoices", "create_preview"] => preview::create(state, p),
        ["checkout", "sessions"] => checkout_api::create(state, p),
        ["checkout", "sessions", id, "expire"] => checkout_api::expire(state, p, id),
        ["subscriptions"] => subscription_api::create(state, p),
        ["subscriptions", id] => subscription_api::update(state, p, id),
        ["payment_methods", id, "attach"] => card_attach::attach(state, p, id),
        ["invoices", id, "pay"] => invoice_api::pay(state, p, id),
        ["invoices", id, "void"] => invoice_api::void(state, p, id),
        ["refunds"] => refund::create(state, p),
        ["disputes", id, "close"] => dispute::close(state, p, id),
        ["credit_notes"] => credit_note::create(state, p),
        ["billing_portal", "sessions"] => portal::create(state, p),
        ["webhook_endpoints"] => endpoint::create(state, p),
        ["tax", "settings"] => account::set_tax(state, p),
        ["billing_portal", "configurations"] => portal_configuration::create(state, p),
        ["billing_portal", "configurations", id] => portal_configuration::update(state, p, id),
        ["webhook_endpoints", id] => endpoint::update(state, p, id),
        _ => return None,
    })
}

fn fault_answer(fault: Fault, id: &str) -> Answer {
    match fault {
        Fault::RateLimited { retry_after_seconds } => {
            let error = ApiError::invalid("Request rate limit exceeded. (The sandbox was told to fail.)", None)
                .with_code("rate_limit");
            let mut answer = refusal(&error.with_status(429), id);
            answer
                .headers
                .push(("retry-after".to_owned(), retry_after_seconds.to_string()));
            answer
                .headers
                .push(("stripe-should-retry".to_owned(), "true".to_owned()));
            answer
        }
        Fault::LockTimeout => {
            let message = "This object cannot be accessed right now because another API request or Stripe process is currently accessing it.";
            refusal(
                &ApiError::invalid(message, None)
                    .with_code("lock_timeout")
                    .with_status(409),
                id,
            )
        }
        Fault::BadGateway => Answer {
            status: 502,
            headers: vec![("content-type".to_owned(), "text/html".to_owned())],
            body: "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
                .to_owned(),
        },
        Fault::Unavailable | Fault::ServerError | Fault::TimeoutAfterEffect { .. } => {
            let mut answer = refusal(&ApiError::api(503, "The sandbox was told to be unavailable."), id);
            answer
                .headers
                .push(("stripe-should-retry".to_owned(), "true".to_owned()));
            answer
        }
    }
}

async fn over_http(Extract(sandbox): Extract<Arc<Sandbox>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let too_large = || {
        let error = ApiError::invalid(format!("The request body is larger than {MAX_BODY_BYTES} bytes."), None);
        into_response(&refusal(&error.with_status(413), "req_none"))
    };
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return too_large();
    };
    let Ok(body) = std::str::from_utf8(&body) else {
        return into_response(&refusal(
            &ApiError::invalid("The request body is not UTF-8.", None),
            "req_none",
        ));
    };
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    into_response(&sandbox.call(parts.method.as_str(), target, &headers, body).await)
}

fn into_response(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() =
        http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(name.as_str()),
            http::HeaderValue::from_str(value),
        ) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
