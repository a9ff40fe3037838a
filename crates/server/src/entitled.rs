//! What a reader may do on a site, and the pass that says so.

use latchkey_entitlement::{AccountId, Entitled, SessionId, SiteId, evaluate};
use latchkey_token::{PassClaims, mint, subject};

use crate::{Problem, secrets, server::App};

/// Grants and standing, evaluated now.
pub(crate) async fn load(app: &App, account: &AccountId, site: &SiteId) -> Result<Entitled, Problem> {
    let grants = app.store.grants_of(account).await?;
    let standings = app.store.standings_of(account).await?;
    Ok(evaluate(&grants, &standings, site, app.clock.now()))
}

/// A pass, and the end of the entitlement in seconds.
pub(crate) struct Minted {
    pub(crate) pass: String,
    pub(crate) until: Option<i64>,
}

/// Signs a pass for one session on one site. It ends with the entitlement if that is sooner than its usual life.
pub(crate) async fn pass(
    app: &App,
    account: &AccountId,
    session: &SessionId,
    site: &SiteId,
) -> Result<Minted, Problem> {
    let secret = app
        .config
        .site_secrets
        .get(site)
        .ok_or_else(|| Problem::internal(&format!("no secret for {site}")))?;
    // Taken first: a pass from grants that are changed meanwhile is older than the change, and is revoked with it.
    let iat = app.clock.now().seconds();
    let entitled = load(app, account, site).await?;
    let until = entitled.until.map(latchkey_entitlement::Timestamp::seconds);
    let life = iat + i64::from(app.config.pass_life_seconds);
    let claims = PassClaims {
        iss: app.config.account_origin.clone(),
        aud: site.to_string(),
        sub: subject(secret.expose(), account.as_str()),
        sid: session.to_string(),
        iat,
        // In the last second of an entitlement a pass still lives for that second.
        exp: until.map_or(life, |until| until.min(life).max(iat + 1)),
        // 22 characters in place of 32: a pass travels with every request.
        jti: secrets::encode(app.ids.uuid().as_bytes()),
        scope: entitled.scope.to_string(),
        until,
        standing: entitled.standing.map(|kind| kind.as_str().to_owned()),
    };
    let pass = mint(&app.keys.ring().pass, &claims).map_err(|error| Problem::internal(&error))?;
    Ok(Minted { pass, until })
}
