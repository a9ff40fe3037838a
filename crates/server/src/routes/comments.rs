use axum::{extract::State, http::StatusCode};
use latchkey_entitlement::{AccountId, Entitlement, SessionId, SiteId, StandingKind, policy::CommentPolicy};
use latchkey_store::Session;
use latchkey_token::Verifier;
use serde::{Deserialize, Serialize};

use super::edge_token::Edge;
use crate::{Problem, entitled, extract::Json, server::App};

/// Longest comment that is looked at, in bytes.
const MAX_TEXT: usize = 64 * 1024;

#[derive(Deserialize)]
pub(crate) struct Comment {
    site: SiteId,
    account: Option<AccountId>,
    pass: Option<String>,
    text: String,
}

/// What should become of a comment.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    /// Show it.
    Allow,
    /// Show it to a moderator first.
    Hold,
    /// Do not take it.
    Refuse,
}

#[derive(Serialize)]
pub(crate) struct Answer {
    decision: Decision,
    /// Stable word for programs.
    reason: &'static str,
    /// The reason in words for the reader.
    detail: String,
}

/// Whether a reader may post a comment: standing, entitlement if the site asks for it, and the site's forbidden words.
pub(crate) async fn check(
    State(app): State<App>,
    _edge: Edge,
    Json(comment): Json<Comment>,
) -> Result<Json<Answer>, Problem> {
    decide(&app, &comment).await.map(Json).map_err(Problem::json)
}

async fn decide(app: &App, comment: &Comment) -> Result<Answer, Problem> {
    let site = app
        .config
        .site(&comment.site)
        .ok_or_else(|| Problem::bad_input("`site` is not a site of this instance."))?;
    if comment.text.len() > MAX_TEXT {
        return Err(Problem::bad_input(format!("`text` is longer than {MAX_TEXT} bytes.")));
    }
    let Some(account) = author(app, comment).await? else {
        return Ok(refuse("signed_out", "Please sign in to comment."));
    };
    let entitled = entitled::load(app, &account, &comment.site).await?;
    if entitled.standing.is_some_and(StandingKind::silences) {
        let now = app.clock.now();
        let standings = app.store.standings_of(&account).await?;
        let worst = standings
            .iter()
            .filter(|s| s.is_live(&comment.site, now))
            .max_by_key(|s| s.kind);
        let why = worst.map(|standing| format!("You cannot comment at present: {}", standing.reason));
        return Ok(refuse("standing", &why.unwrap_or_default()));
    }
    if site.comments.entitlement_needed && !entitled.scope.contains(Entitlement::COMMENTS) {
        return Ok(refuse("entitlement", "Comments are for supporters."));
    }
    Ok(match forbidden_word(&site.comments, &comment.text) {
        Some(word) => Answer {
            decision: Decision::Hold,
            reason: "forbidden_word",
            detail: format!("The comment waits for a moderator: it says “{word}”."),
        },
        None => Answer {
            decision: Decision::Allow,
            reason: "ok",
            detail: String::new(),
        },
    })
}

fn refuse(reason: &'static str, detail: &str) -> Answer {
    Answer {
        decision: Decision::Refuse,
        reason,
        detail: detail.to_owned(),
    }
}

/// Who writes: the account, or whoever the pass was given to, as long as it holds and its session lives.
async fn author(app: &App, comment: &Comment) -> Result<Option<AccountId>, Problem> {
    match (&comment.account, &comment.pass) {
        (Some(account), None) => {
            let known = app.store.account(account).await?;
            Ok(known.map(|known| known.merged_into.unwrap_or(known.id)))
        }
        (None, Some(pass)) => {
            let verifier = Verifier::new(&app.keys.ring().jwks, &app.config.account_origin, comment.site.as_str());
            let Ok(claims) = verifier.verify(pass, app.clock.now().seconds()) else {
                return Ok(None);
            };
            let Ok(session) = SessionId::parse(&claims.sid) else {
                return Ok(None);
            };
            let Some(session) = live_session(app, &session).await? else {
                return Ok(None);
            };
            // Where the account pages were shut, nobody knows whose device it is: it reads on, and does not speak for the account.
            if let Some(parent) = &session.parent
                && live_session(app, parent).await?.is_none()
            {
                return Ok(None);
            }
            Ok(Some(session.account))
        }
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "bad-input",
            "That cannot be used",
            "Send either `account` or `pass`.",
        )),
    }
}

async fn live_session(app: &App, id: &SessionId) -> Result<Option<Session>, Problem> {
    let session = app.store.session(id).await?;
    Ok(session.filter(|session| session.ended_at.is_none()))
}

/// The first forbidden word or phrase in a text: whole words, case folded.
fn forbidden_word<'a>(policy: &'a CommentPolicy, text: &str) -> Option<&'a str> {
    let text = words(text);
    policy
        .forbidden_words
        .iter()
        .find(|word| {
            let word = words(word);
            word.len() > 1 && text.contains(&word)
        })
        .map(String::as_str)
}

/// Words in lower case with one space around each.
fn words(text: &str) -> String {
    let mut out = String::from(" ");
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        out.push_str(&word.to_lowercase());
        out.push(' ');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_are_whole_words_in_any_case() {
        let policy = CommentPolicy {
            forbidden_words: vec!["ass".into(), "GO away".into(), "…".into()],
            ..CommentPolicy::default()
        };
        assert_eq!(forbidden_word(&policy, "You ASS!"), Some("ass"));
        assert_eq!(forbidden_word(&policy, "Please go  away."), Some("GO away"));
        assert_eq!(forbidden_word(&policy, "A classic passage… goes away"), None);
    }
}
