//! Signing in by letter: asking, and what happens once a link or a code was used.

use axum::response::{IntoResponse, Redirect, Response};
use latchkey_entitlement::{
    AccountId,
    time::{HOUR, MINUTE},
};
use latchkey_store::{Login, NewLogin, Proof, ProveOutcome, normalise_email};

use crate::{
    MailError, Problem,
    browser::Browser,
    letters,
    network::{Limit, Network},
    reader, secrets,
    server::App,
};

/// How long a link and a code hold, in minutes.
pub(crate) const LOGIN_MINUTES: i64 = 10;
/// How long the link in the letter after a payment holds, in minutes.
const PAID_MINUTES: i64 = 24 * 60;
/// How often a wrong code may be typed.
pub(crate) const CODE_TRIES: u32 = 5;
/// Most accounts that claim an address and are joined to its owner's at one sign-in; the next one goes on.
const MAX_JOINED: u32 = 20;

/// Other accounts that are tried if that of a letter has come to have another address.
const MAX_OTHERS: usize = 3;

/// Letters to one address asked for from one network.
const PER_ADDRESS_HERE: Limit = Limit {
    name: "sign-in-address-network",
    window_ms: 15 * MINUTE,
    most: 5,
};
/// Letters to one address, whoever asks. Wider than from one network: a stranger must not easily keep the owner from asking, and
/// nobody's letter-box may be flooded.
const PER_ADDRESS: Limit = Limit {
    name: "sign-in-address",
    window_ms: 15 * MINUTE,
    most: 20,
};
const PER_NETWORK: Limit = Limit {
    name: "sign-in-network",
    window_ms: 15 * MINUTE,
    most: 30,
};
const PER_INSTANCE: Limit = Limit {
    name: "sign-in-instance",
    window_ms: HOUR,
    most: 5000,
};

/// Sends a link and a code to `email`. Does and says the same whether or not anybody has that address.
pub(crate) async fn ask(
    app: &App,
    browser: &Browser,
    network: &Network,
    email: &str,
    next: &str,
) -> Result<(), Problem> {
    let email = address(email)?;
    network
        .limit(app, PER_NETWORK, "Too many letters were asked for from your network.")
        .await?;
    let too_many = "Too many letters were asked for to this address.";
    network.limit_for(app, PER_ADDRESS_HERE, &email, too_many).await?;
    PER_ADDRESS.hit(app, &email, too_many).await?;
    PER_INSTANCE.hit(app, "all", "Very many people are signing in.").await?;
    let account = account_for(app, &email).await?;
    let code = secrets::typed_code(&app.ids.secret());
    Ok(letter(app, &account, &email, Some((browser, &code)), next).await?)
}

/// Sends the link that a payer gets who came back in another browser than the one that paid. The link is made here, so that none lies
/// in the outbox.
pub(crate) async fn send_after_payment(app: &App, account: &AccountId, next: &str) -> Result<(), LetterError> {
    let Some(mut known) = app.store.account(account).await.map_err(Problem::from)? else {
        return Ok(());
    };
    if let Some(into) = &known.merged_into
        && let Some(other) = app.store.account(into).await.map_err(Problem::from)?
    {
        known = other;
    }
    let Some(email) = known.email_proven.or(known.email_unproven) else {
        return Ok(());
    };
    letter(app, &known.id, &email, None, next).await
}

/// Why a letter did not go out.
#[derive(Debug)]
pub(crate) enum LetterError {
    /// It could not be written.
    Problem(Problem),
    /// The mail server did not take it.
    Mail(MailError),
}

impl From<Problem> for LetterError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<LetterError> for Problem {
    fn from(error: LetterError) -> Self {
        match error {
            LetterError::Problem(problem) => problem,
            LetterError::Mail(error) => {
                tracing::warn!(%error, "a letter did not go out");
                Self::new(
                    axum::http::StatusCode::SERVICE_UNAVAILABLE,
                    "mail",
                    "We could not send the letter",
                    "Please check the address and try again in a minute.",
                )
                .retry(60)
            }
        }
    }
}

async fn letter(
    app: &App,
    account: &AccountId,
    email: &str,
    asked: Option<(&Browser, &str)>,
    next: &str,
) -> Result<(), LetterError> {
    let minutes = if asked.is_some() { LOGIN_MINUTES } else { PAID_MINUTES };
    let secret = secrets::encode(&app.ids.secret());
    let now = app.clock.now();
    // Where nobody asked, nobody knows a code: its hash and the browser's are of bytes that are thrown away.
    let (browser_hash, code_hash) = asked.map_or_else(
        || (app.ids.secret(), app.ids.secret()),
        |(browser, code)| (browser.hash(), code_hash(browser, code)),
    );
    let login = NewLogin {
        id: app.ids.event(),
        account: account.clone(),
        email: email.to_owned(),
        link_hash: secrets::hash(&secret),
        code_hash,
        browser_hash,
        return_to: next.to_owned(),
        now,
        expires_at: now.plus(minutes * MINUTE),
    };
    app.store.create_login(login).await.map_err(Problem::from)?;
    let mail = letters::SignIn {
        publication: &app.config.publication,
        to: email,
        link: &format!("{}/sign-in/link?token={secret}", app.config.account_origin),
        code: asked.map(|(_, code)| code),
        minutes,
        paid: asked.is_none(),
    };
    app.mailer.send(mail.mail()?).await.map_err(LetterError::Mail)
}

/// An address in the form in which it is kept.
pub(crate) fn address(email: &str) -> Result<String, Problem> {
    normalise_email(email).map_err(|_| {
        Problem::bad_input("This does not look like an e-mail address. Go back and check it for typing mistakes.")
    })
}

/// A typed code as it is stored: it says nothing without the browser's secret, which is not stored.
pub(crate) fn code_hash(browser: &Browser, typed: &str) -> latchkey_store::Hash {
    secrets::derive(
        browser.secret.as_bytes(),
        &["latchkey code", &secrets::normal_code(typed)],
    )
}

/// Whom a proof of `email` would sign in: who has proven it, else the newest account that claims it and has something, else the
/// newest payer's or any that claims it, else a new one.
async fn account_for(app: &App, email: &str) -> Result<AccountId, Problem> {
    if let Some(account) = app.store.account_by_proven_email(email).await? {
        return Ok(account.id);
    }
    let now = app.clock.now();
    if let Some(claim) = app.store.claims_of(email, now, 1).await?.pop() {
        return Ok(claim.id);
    }
    let account = AccountId::from_uuid(app.ids.uuid());
    app.store.create_account(&account, now).await?;
    app.store.set_unproven_email(&account, email, now).await?;
    Ok(account)
}

/// Signs this browser in after a link or a code was used: the address is proven now.
pub(crate) async fn finish(app: &App, browser: &Browser, login: &Login) -> Result<Response, Problem> {
    let here = reader::load(app, browser).await?;
    let session = here.as_ref().map(|here| here.session.id.clone());
    let prove = async |account: &AccountId, claim| {
        let proof = Proof {
            here: session.as_ref(),
            claim,
            ..Proof::new(account, &login.email)
        };
        prove(app, account, proof).await
    };
    // Who is signed in here and claims this address has just shown that it is theirs: of several claims theirs comes first.
    if let Some(here) = &here
        && here.account.email_proven.is_none()
        && here.account.email_unproven.as_deref() == Some(login.email.as_str())
    {
        prove(&here.account.id, false).await?;
    }
    // The account of the letter may have come to have another address meanwhile; whoever claims this one now may be another yet.
    let mut proven = prove(&login.account, true).await?;
    for _ in 0..MAX_OTHERS {
        if proven.is_some() {
            break;
        }
        let other = account_for(app, &login.email).await?;
        proven = prove(&other, true).await?;
    }
    let account = proven.ok_or_else(|| Problem::internal(&"whoever claims an address goes on changing it"))?;
    // Who paid on a second device before the address was proven would go on being charged there unseen; who paid with somebody
    // else's address gives them what was paid for.
    for claim in app.store.paid_claims_of(&login.email, MAX_JOINED).await? {
        if let Err(error) = prove(&claim.id, true).await {
            tracing::warn!(error = error.detail, account = %claim.id, "a claim was not joined; the next sign-in does it");
        }
    }
    app.revoked.notify_waiters();
    let next = Redirect::to(&crate::target::next_path(Some(&login.return_to)));
    if let Some(here) = &here
        && app
            .store
            .session(&here.session.id)
            .await?
            .is_some_and(|s| s.account == account && s.ended_at.is_none())
    {
        return Ok((browser.keep(), next).into_response());
    }
    let cookies = reader::sign_in(app, browser, &account).await?;
    Ok((cookies, next).into_response())
}

/// Proves an address; gives the account that has it now, or none if that of the proof has another one.
async fn prove(app: &App, account: &AccountId, proof: Proof<'_>) -> Result<Option<AccountId>, Problem> {
    Ok(match app.store.prove_email(proof, app.clock.now()).await? {
        ProveOutcome::Proven => Some(account.clone()),
        ProveOutcome::MergedInto(into) => Some(into),
        ProveOutcome::Elsewhere => None,
    })
}
