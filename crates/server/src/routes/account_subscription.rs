use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use latchkey_billing::{IdempotencyKey, Subscription, SubscriptionChange};
use serde::Deserialize;

use crate::{Problem, browser::SameOrigin, extract::Form, reader, server::App};

#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    #[serde(default)]
    token: String,
    #[serde(default)]
    subscription: String,
    #[serde(default)]
    action: String,
}

/// Cancels at the end of the period, or takes that back.
pub(crate) async fn change(
    State(app): State<App>,
    same: SameOrigin,
    Form(form): Form<Change>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    let reader = match reader::need(&app, &browser, "/account").await? {
        Ok(reader) => reader,
        Err(sign_in) => return Ok(sign_in),
    };
    let cancel = match form.action.as_str() {
        "cancel" => true,
        "resume" => false,
        _ => return Err(Problem::bad_input("Choose whether to cancel or to go on.")),
    };
    let rows = app.store.subscriptions_of(&reader.account.id).await?;
    let own: Subscription = rows
        .iter()
        .find(|row| row.id == form.subscription)
        .and_then(|row| serde_json::from_str(&row.body).ok())
        .ok_or_else(|| Problem::bad_input("This subscription is not yours or has ended. Reload your account page."))?;
    let key = IdempotencyKey::new(format!("cancel.{}", app.ids.uuid().simple()));
    app.stripe
        .update_subscription(&key, &own.id, SubscriptionChange::CancelAtPeriodEnd(cancel))
        .await?;
    // Stripe has taken the change. If it cannot be read back now, the account page tries again and says so.
    let next = match app.sync.sync_customer(&own.customer).await {
        Ok(_) => "/account",
        Err(error) if error.is_transient() => "/account?back=1",
        Err(error) => return Err(error.into()),
    };
    Ok(Redirect::to(next).into_response())
}
