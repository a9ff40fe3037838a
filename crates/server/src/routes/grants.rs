//! `/v1/grants`: what other systems of the publisher say about readers, and what readers have.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use latchkey_entitlement::{AccountId, Grant, GrantId, Scope, SiteId, Sites, Timestamp};
use latchkey_store::{External, ExternalReader, NewExternal, PutOutcome, normalise_email};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::operator::Operator;
use crate::{
    Problem,
    extract::{Json, Query},
    problem::FieldProblem,
    server::App,
};

/// Largest body, in bytes.
pub(crate) const MAX_GRANT_BYTES: usize = 16 * 1024;
/// Longest word for a system, and longest id of its, in characters.
const MAX_SOURCE: usize = 32;
const MAX_REFERENCE: usize = 200;
/// Longest reason, in bytes.
const MAX_BECAUSE: usize = 500;
/// Words that say what Latchkey itself found out.
const OURS: [&str; 6] = ["subscription", "pass", "gift", "seat", "institution", "external"];
const FIELDS: [&str; 6] = ["reader", "entitlements", "sites", "from_at", "until_at", "because"];

#[derive(Serialize)]
pub(crate) struct Statement {
    source: String,
    id: String,
    /// `given`, or `unclaimed` while nobody has proven the address.
    state: &'static str,
    account: Option<AccountId>,
    email: Option<String>,
    entitlements: Vec<String>,
    /// `null` is every site.
    sites: Option<Vec<SiteId>>,
    from_at: Timestamp,
    until_at: Option<Timestamp>,
    because: String,
}

#[derive(Serialize)]
struct Held {
    grant: GrantId,
    source: &'static str,
    source_ref: String,
    /// `live`, `queued` or `ended`.
    state: &'static str,
    entitlements: Vec<String>,
    sites: Option<Vec<SiteId>>,
    from_at: Timestamp,
    until_at: Option<Timestamp>,
    because: String,
    /// How much was bought, if it is time that was bought once.
    bought: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Holding {
    account: Option<AccountId>,
    grants: Vec<Held>,
    unclaimed: Vec<Statement>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Asked {
    reader: String,
}

/// `PUT /v1/grants/{source}/{id}`
pub(crate) async fn put(
    State(app): State<App>,
    _operator: Operator,
    Path((source, id)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Result<Response, Problem> {
    let new = read(&app, source, id, &body).map_err(Problem::fields)?;
    if let ExternalReader::Account(id) = &new.reader
        && app.store.account(id).await.map_err(json)?.is_none()
    {
        return Err(Problem::fields(vec![FieldProblem::new(
            "reader",
            "There is no account of this id.",
        )]));
    }
    let grant = GrantId::from_uuid(app.ids.uuid());
    let put = app.store.put_external(&new, &grant, app.clock.now()).await;
    let (outcome, kept) = put.map_err(json)?;
    if outcome != PutOutcome::Unchanged {
        tracing::info!(
            source = kept.source,
            id = kept.reference,
            given = kept.account.is_some(),
            "a grant from elsewhere was kept"
        );
        app.revoked.notify_waiters();
    }
    let status = match outcome {
        PutOutcome::Created => StatusCode::CREATED,
        PutOutcome::Replaced | PutOutcome::Unchanged => StatusCode::OK,
    };
    Ok((status, Json(statement(kept))).into_response())
}

/// `GET /v1/grants/{source}/{id}`
pub(crate) async fn get(
    State(app): State<App>,
    _operator: Operator,
    Path((source, id)): Path<(String, String)>,
) -> Result<Json<Statement>, Problem> {
    let found = app.store.external(&source, &id).await.map_err(json)?;
    found.map(statement).map(Json).ok_or_else(unknown)
}

/// `DELETE /v1/grants/{source}/{id}`
pub(crate) async fn delete(
    State(app): State<App>,
    _operator: Operator,
    Path((source, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let deleted = app.store.delete_external(&source, &id, app.clock.now()).await;
    if !deleted.map_err(json)? {
        return Err(unknown());
    }
    tracing::info!(source, id, "a grant from elsewhere was taken back");
    app.revoked.notify_waiters();
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/grants?reader=…`
pub(crate) async fn list(
    State(app): State<App>,
    _operator: Operator,
    Query(asked): Query<Asked>,
) -> Result<Json<Holding>, Problem> {
    let mut unclaimed = vec![];
    let account = match reader(&asked.reader).map_err(|error| Problem::fields(vec![error]))? {
        ExternalReader::Account(id) => app.store.account(&id).await.map_err(json)?,
        ExternalReader::Email(email) => {
            unclaimed = app.store.unclaimed_external(&email).await.map_err(json)?;
            app.store.account_by_proven_email(&email).await.map_err(json)?
        }
    };
    let account = account.map(|account| account.merged_into.unwrap_or(account.id));
    let grants = match &account {
        Some(id) => app.store.grants_of(id).await.map_err(json)?,
        None if unclaimed.is_empty() => return Err(unknown()),
        None => vec![],
    };
    let now = app.clock.now();
    Ok(Json(Holding {
        account,
        grants: grants.into_iter().map(|grant| held(grant, now)).collect(),
        unclaimed: unclaimed.into_iter().map(statement).collect(),
    }))
}

fn json(error: impl Into<Problem>) -> Problem {
    error.into().json()
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown-grant",
        "There is no such grant or reader",
        "Check source and id, or the account id or the address that was asked for.",
    )
    .json()
}

fn names(scope: &Scope) -> Vec<String> {
    scope.iter().map(|name| name.as_str().to_owned()).collect()
}

fn sites(sites: Sites) -> Option<Vec<SiteId>> {
    match sites {
        Sites::All => None,
        Sites::Only(sites) => Some(sites),
    }
}

fn statement(kept: External) -> Statement {
    Statement {
        state: if kept.account.is_some() { "given" } else { "unclaimed" },
        source: kept.source,
        id: kept.reference,
        account: kept.account,
        email: kept.email,
        entitlements: names(&kept.entitlements),
        sites: sites(kept.sites),
        from_at: kept.from,
        until_at: kept.until,
        because: kept.because,
    }
}

fn held(grant: Grant, now: Timestamp) -> Held {
    let state = if grant.is_live(now) {
        "live"
    } else if now < grant.from {
        "queued"
    } else {
        "ended"
    };
    Held {
        state,
        source: grant.source.as_str(),
        entitlements: names(&grant.entitlements),
        from_at: grant.from,
        until_at: grant.until,
        bought: grant.bought.map(|bought| bought.span.to_string()),
        grant: grant.id,
        source_ref: grant.source_ref,
        sites: sites(grant.sites),
        because: grant.because,
    }
}

fn reader(text: &str) -> Result<ExternalReader, FieldProblem> {
    if text.contains('@') {
        let email = normalise_email(text).map_err(|error| FieldProblem::new("reader", error.to_string()))?;
        return Ok(ExternalReader::Email(email));
    }
    let wrong = "It is neither an account id (`acc_…`) nor an e-mail address.";
    let id = AccountId::parse(text).map_err(|_| FieldProblem::new("reader", wrong))?;
    Ok(ExternalReader::Account(id))
}

/// A field that is there and not `null`.
fn field<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

/// What the body says; every field that cannot be used is told at once.
fn read(app: &App, source: String, reference: String, body: &Value) -> Result<NewExternal, Vec<FieldProblem>> {
    let Some(body) = body.as_object() else {
        return Err(vec![FieldProblem::new("(body)", "It is not a JSON object.")]);
    };
    let mut wrong = vec![];
    key(&source, &reference, &mut wrong);
    for name in body.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        let name: String = name.chars().take(40).collect();
        wrong.push(FieldProblem::new(
            name,
            format!("There is no such field; there are {}.", FIELDS.join(", ")),
        ));
    }
    let mut text = |name: &'static str, needed: bool| match field(body, name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => {
            wrong.push(FieldProblem::new(name, "It is not a string."));
            None
        }
        None => {
            if needed {
                wrong.push(FieldProblem::new(name, "It is missing."));
            }
            None
        }
    };
    let (named, scope) = (text("reader", true), text("entitlements", true));
    let because = text("because", false).unwrap_or_else(|| format!("{source} {reference}"));
    let named = named.and_then(|named| reader(&named).map_err(|error| wrong.push(error)).ok());
    let scope = scope.and_then(|scope| match Scope::parse(scope.trim()) {
        Ok(scope) if !scope.is_empty() => Some(scope),
        Ok(_) => {
            wrong.push(FieldProblem::new("entitlements", "It names nothing; write `ad_free`."));
            None
        }
        Err(error) => {
            wrong.push(FieldProblem::new("entitlements", error.to_string()));
            None
        }
    });
    if because.len() > MAX_BECAUSE || because.contains('\0') {
        wrong.push(FieldProblem::new(
            "because",
            format!("It is longer than {MAX_BECAUSE} bytes."),
        ));
    }
    let sites = read_sites(app, field(body, "sites"), &mut wrong);
    let mut moment = |name: &'static str| {
        let value = field(body, name)?;
        // Up to the year 9999; seconds taken for milliseconds end in 1970.
        let found = value.as_i64().filter(|at| (1..Timestamp::NEVER.0).contains(at));
        if found.is_none() {
            wrong.push(FieldProblem::new(
                name,
                "It is not a moment in milliseconds since 1970.",
            ));
        }
        found.map(Timestamp)
    };
    let (from, until) = (moment("from_at"), moment("until_at"));
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        wrong.push(FieldProblem::new("until_at", "It is not after `from_at`."));
    }
    match (named, scope, sites) {
        (Some(reader), Some(entitlements), Some(sites)) if wrong.is_empty() => Ok(NewExternal {
            source,
            reference,
            reader,
            entitlements,
            sites,
            from,
            until,
            because,
        }),
        _ => Err(wrong),
    }
}

fn key(source: &str, reference: &str, wrong: &mut Vec<FieldProblem>) {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let first = source.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if !first || source.len() > MAX_SOURCE || !source.bytes().all(letters) {
        let what = format!("It is not a word of small letters, digits and `_`, at most {MAX_SOURCE} of them.");
        wrong.push(FieldProblem::new("source", what));
    } else if OURS.contains(&source) {
        wrong.push(FieldProblem::new(
            "source",
            "This word is Latchkey's own; take another one, or `comp` or `import`.",
        ));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'~' | b'-' | b'=');
    if reference.is_empty() || reference.len() > MAX_REFERENCE || !reference.bytes().all(plain) {
        let what = format!("It is not made of letters, digits and `. _ : ~ - =`, 1 to {MAX_REFERENCE} of them.");
        wrong.push(FieldProblem::new("id", what));
    }
}

fn read_sites(app: &App, value: Option<&Value>, wrong: &mut Vec<FieldProblem>) -> Option<Sites> {
    let Some(value) = value else { return Some(Sites::All) };
    let ids = value.as_array().filter(|ids| !ids.is_empty()).and_then(|ids| {
        let known = |id: &Value| {
            let id = SiteId::parse(id.as_str()?).ok()?;
            app.config.site(&id).is_some().then_some(id)
        };
        ids.iter().map(known).collect::<Option<Vec<SiteId>>>()
    });
    if ids.is_none() {
        wrong.push(FieldProblem::new(
            "sites",
            "It is not a list of ids of sites of this instance; leave it out for all.",
        ));
    }
    ids.map(Sites::Only)
}
