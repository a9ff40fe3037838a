use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use latchkey_entitlement::time::HOUR;
use serde_json::json;

use crate::server::App;

/// Customers that were not synced for this long are counted, in milliseconds.
const LATE: i64 = 24 * HOUR;
/// Counting stops here.
const MAX_COUNTED: u32 = 1000;

/// 200 when readers can be served: the database answers with the schema that this program knows, and there are keys.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let schema = app.store.schema().await;
    let late = app
        .store
        .customers_not_synced_since(app.clock.now().plus(-LATE), MAX_COUNTED)
        .await;
    let keys = app.keys.ring().jwks.keys.len();
    let database = match &schema {
        Ok(schema) if schema.found == schema.known => "ok".to_owned(),
        Ok(schema) => format!(
            "schema {} found, {} known: run `latchkey migrate`",
            schema.found, schema.known
        ),
        Err(error) => error.to_string(),
    };
    let ready = database == "ok" && keys > 0;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": ready,
        "database": database,
        "keys": keys,
        "customers_not_synced_for_a_day": late.map(|list| list.len()).ok(),
    });
    (status, Json(body)).into_response()
}
