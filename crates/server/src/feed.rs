//! What edges fetch: the signed bundle, and revocations by number.

use latchkey_bundle::{Bundle, Revocation, RevocationPage};

use crate::{Problem, secrets, server::App};

/// Most revocations in one page.
pub(crate) const MAX_PAGE: u32 = 1000;

/// A signed bundle, kept until its content or its key changes.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    content: String,
    pub(crate) version: u64,
    pub(crate) jws: String,
}

/// The bundle as it is now.
pub(crate) async fn bundle(app: &App) -> Result<Published, Problem> {
    let ring = app.keys.ring();
    let mut bundle = Bundle {
        version: 0,
        // Not part of the content: a bundle that says the same keeps its version.
        issued_at: latchkey_entitlement::Timestamp(0),
        issuer: app.config.account_origin.clone(),
        jwks: ring.jwks.clone(),
        sites: app.config.sites.clone(),
        prices_line: app.config.prices_line.clone(),
        support_url: format!("{}/support", app.config.account_origin),
    };
    let json = serde_json::to_string(&bundle).map_err(|error| Problem::internal(&error))?;
    let content = secrets::encode(&secrets::hash(&format!("{} {json}", ring.bundle.kid())));
    let mut held = app.published.lock().await;
    if let Some(published) = held.as_ref().filter(|published| published.content == content) {
        return Ok(published.clone());
    }
    bundle.version = app.store.bump_bundle_version(&content).await?;
    bundle.issued_at = app.clock.now();
    let jws = latchkey_bundle::sign(&bundle, &ring.bundle).map_err(|error| Problem::internal(&error))?;
    let published = Published {
        content,
        version: bundle.version,
        jws,
    };
    *held = Some(published.clone());
    Ok(published)
}

/// Revocations after number `after`, at most [`MAX_PAGE`] of them.
///
/// An edge may have seen more than there is, if the database was restored from a backup: it is told where the feed ends now, so that
/// it misses no new entry under an old number.
pub(crate) async fn revocations(app: &App, after: u64) -> Result<RevocationPage, Problem> {
    let mut page = new_revocations(app, after).await?;
    if page.entries.is_empty() {
        page.last = after.min(app.store.last_revocation().await?);
    }
    Ok(page)
}

/// The same for an edge that was told where the feed ends.
pub(crate) async fn new_revocations(app: &App, after: u64) -> Result<RevocationPage, Problem> {
    let rows = app.store.revocations_after(after, MAX_PAGE).await?;
    let complete = rows.len() < MAX_PAGE as usize;
    let last = rows.last().map_or(after, |row| row.number);
    let entries = rows
        .into_iter()
        .map(|row| Revocation {
            number: row.number,
            site: row.site,
            subject: row.subject,
            session: row.session.map(String::from),
            kind: row.kind,
            not_before: row.not_before,
            expires_at: row.expires_at,
        })
        .collect();
    Ok(RevocationPage {
        last,
        entries,
        complete,
    })
}
