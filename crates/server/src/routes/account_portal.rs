use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use latchkey_billing::{IdempotencyKey, Next};
use serde::Deserialize;

use super::account;
use crate::{Problem, browser::SameOrigin, extract::Form, reader, server::App};

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    token: String,
    /// Whose card it is about, where somebody has come to have several; else the one that is owed or in force.
    #[serde(default)]
    subscription: String,
}

/// Opens Stripe's billing portal: card, invoices, change of plan.
pub(crate) async fn open(
    State(app): State<App>,
    same: SameOrigin,
    Form(form): Form<Asked>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    let reader = match reader::need(&app, &browser, "/account").await? {
        Ok(reader) => reader,
        Err(sign_in) => return Ok(sign_in),
    };
    let bought = account::subscriptions(&app, &reader).await?;
    let live = || bought.iter().filter(|own| own.ended_at.is_none());
    let named = bought.iter().find(|own| own.id == form.subscription);
    let about = named
        .or_else(|| live().find(|own| own.next() == Some(Next::Owed)))
        .or_else(|| live().next());
    let customers = app.store.customers_of(&reader.account.id).await?;
    let customer = customers
        .iter()
        .find(|customer| about.is_some_and(|own| own.customer == customer.id))
        .or_else(|| customers.first())
        .ok_or_else(|| Problem::bad_input("There is nothing to bill yet: you have not supported us so far."))?;
    let key = IdempotencyKey::new(format!("portal.{}", app.ids.uuid().simple()));
    // Whatever is changed there is read as soon as the reader is back.
    let back = format!("{}/account?back=1", app.config.account_origin);
    let url = app.stripe.create_portal_session(&key, &customer.id, &back).await?;
    Ok(Redirect::to(&url).into_response())
}
