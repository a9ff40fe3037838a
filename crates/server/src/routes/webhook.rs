use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use latchkey_sync::{ReceiveError, ReceiveOutcome};
use serde_json::json;

use crate::{Problem, server::App};

/// Takes a delivery from Stripe: 200 once it is stored, whatever it says.
pub(crate) async fn receive(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let signature = headers
        .get("stripe-signature")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let outcome = match body {
        Ok(body) => app.sync.receive_webhook(&body, signature).await,
        Err(refused) if refused.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(ReceiveError::TooLarge),
        Err(_) => {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "webhook-body",
                "The body did not arrive",
                "The connection broke, or was too slow. Stripe sends it again.",
            )
            .json());
        }
    };
    let refused = match &outcome {
        Ok(_) => Some(None),
        Err(ReceiveError::BadSignature(why)) => Some(Some(why.to_string())),
        Err(_) => None,
    };
    if let Some(why) = refused {
        app.deliveries.note(&app.store, app.clock.now(), why.as_deref()).await;
    }
    let word = match outcome {
        Ok(ReceiveOutcome::New) => "new",
        Ok(ReceiveOutcome::Duplicate) => "duplicate",
        Ok(ReceiveOutcome::Kept) => "kept",
        Err(error) => return Err(problem(&error).json()),
    };
    Ok(Json(json!({ "received": word })).into_response())
}

fn problem(error: &ReceiveError) -> Problem {
    tracing::warn!(%error, "a webhook was not taken");
    match error {
        ReceiveError::BadSignature(_) => Problem::new(
            StatusCode::BAD_REQUEST,
            "webhook-signature",
            "The signature does not hold",
            format!(
                "{error}. Compare STRIPE_WEBHOOK_SECRETS with the signing secret of this very endpoint in Stripe's dashboard (it begins with whsec_), and this server's clock with the real time. The body must reach this server unchanged."
            ),
        ),
        ReceiveError::TooLarge => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "webhook-size",
            "The body is too large",
            error.to_string(),
        ),
        ReceiveError::Store(_) | ReceiveError::Full => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "webhook-store",
            "The event could not be stored",
            "Nothing is lost: Stripe delivers again.",
        )
        .retry(30),
    }
}
