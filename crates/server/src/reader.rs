//! The reader behind a session on this origin.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use latchkey_entitlement::{
    AccountId, SessionId, Timestamp,
    time::{DAY, HOUR, SECOND},
};
use latchkey_store::{Account, NewSession, Session};
use url::form_urlencoded;

use crate::{
    Problem,
    browser::{self, Browser, SetCookies},
    secrets,
    server::App,
};

/// How often the last use of a session is written down.
const TOUCH_EVERY: i64 = HOUR;

/// A signed-in reader.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) account: Account,
    pub(crate) session: Session,
}

impl Reader {
    /// The address on file, and whether the reader proved that it is theirs.
    pub(crate) fn email(&self) -> Option<(&str, bool)> {
        let proven = self.account.email_proven.as_deref().map(|address| (address, true));
        proven.or_else(|| self.account.email_unproven.as_deref().map(|address| (address, false)))
    }
}

/// The reader of this browser, if one is signed in.
pub(crate) async fn load(app: &App, browser: &Browser) -> Result<Option<Reader>, Problem> {
    let Some(secret) = &browser.account else {
        return Ok(None);
    };
    let Some((session, _)) = app.store.session_by_secret_hash(&secrets::hash(secret)).await? else {
        return Ok(None);
    };
    let now = app.clock.now();
    if session.site.is_some() || is_stale(app, &session, now) {
        return Ok(None);
    }
    if now.since(session.used_at) >= TOUCH_EVERY {
        app.store.touch_session(&session.id, now).await?;
    }
    let account = app.store.account(&session.account).await?;
    Ok(account.map(|account| Reader { account, session }))
}

/// The reader of this browser, or the way to the sign-in that leads back to `next`.
pub(crate) async fn need(app: &App, browser: &Browser, next: &str) -> Result<Result<Reader, Response>, Problem> {
    Ok(load(app, browser).await?.ok_or_else(|| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("next", next)
            .finish();
        Redirect::to(&format!("/sign-in?{query}")).into_response()
    }))
}

/// Whether a session was not used for so long that its device must sign in again.
pub(crate) fn is_stale(app: &App, session: &Session, now: Timestamp) -> bool {
    now.since(session.used_at) > i64::from(app.config.session_life_days) * DAY
}

/// Signs this browser in.
pub(crate) async fn sign_in(app: &App, browser: &Browser, account: &AccountId) -> Result<SetCookies, Problem> {
    let (session, cookies) = new_session(app, browser, account);
    if app.store.create_session(session).await? {
        return Ok(cookies);
    }
    Err(Problem::new(
        StatusCode::CONFLICT,
        "account-moved",
        "Your account is just being put together",
        "Two accounts of yours became one at this moment. Please sign in once more.",
    ))
}

/// A session of this browser on this origin that is yet to be stored, and the cookie that goes with it.
pub(crate) fn new_session(app: &App, browser: &Browser, account: &AccountId) -> (NewSession, SetCookies) {
    let secret = secrets::encode(&app.ids.secret());
    let session = NewSession {
        id: SessionId::from_uuid(app.ids.uuid()),
        account: account.clone(),
        site: None,
        parent: None,
        secret_hash: secrets::hash(&secret),
        label: browser.device(),
        now: app.clock.now(),
    };
    let life = i64::from(app.config.session_life_days) * DAY / SECOND;
    (session, browser.set(browser::ACCOUNT, &secret, life))
}
