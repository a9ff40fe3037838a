use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use latchkey_entitlement::time::SECOND;
use latchkey_store::NewEnterCode;
use serde::Deserialize;
use url::form_urlencoded;

use crate::{
    Problem,
    browser::Browser,
    extract::Query,
    reader, secrets,
    server::App,
    target::{self, LocalPath, Target},
};

/// How long a code of the hand-over holds, in milliseconds.
const CODE_LIFE: i64 = 60 * SECOND;

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    host: String,
    #[serde(default)]
    nonce: String,
    to: Option<String>,
}

/// The third step of the hand-over: a code for one host, bound to the nonce that the host gave this browser.
pub(crate) async fn give_code(
    State(app): State<App>,
    browser: Browser,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let wrong = || {
        Problem::bad_input(
            "This address is incomplete or names a website that is not ours. Go back to the page that you came from and try again.",
        )
    };
    let site = app.config.site_of_host(&asked.host).ok_or_else(wrong)?;
    let host = asked.host.to_ascii_lowercase();
    let nonce_hash = secrets::decode_hash(&asked.nonce).ok_or_else(wrong)?;
    let to = LocalPath::or_front(asked.to.as_deref());
    // Signing in may end in another browser, whose nonce is another: the hand-over begins anew after it.
    let next = Target {
        site: Some(site.id.clone()),
        to: to.clone(),
    }
    .onward();
    let reader = match reader::need(&app, &browser, &next).await? {
        Ok(reader) => reader,
        Err(sign_in) => return Ok(sign_in),
    };
    let code = secrets::encode(&app.ids.secret());
    let now = app.clock.now();
    app.store
        .create_enter_code(NewEnterCode {
            code_hash: secrets::hash(&code),
            account_session: reader.session.id,
            account: reader.account.id,
            site: site.id.clone(),
            host: host.clone(),
            nonce_hash,
            now,
            expires_at: now.plus(CODE_LIFE),
        })
        .await?;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &code)
        .append_pair("to", to.as_str())
        .finish();
    let url = format!("{}/.latchkey/enter?{query}", target::host_origin(&host));
    Ok(([("referrer-policy", "no-referrer")], Redirect::to(&url)).into_response())
}
