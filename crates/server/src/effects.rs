//! Effects that the outbox does for the account origin.

use async_trait::async_trait;
use latchkey_billing::NoticeKind;
use latchkey_entitlement::EventId;
use latchkey_store::{Attempt, NOTICE_EFFECT, StoreError};
use latchkey_sync::{Effect, EffectError, Effects, LETTER_DOUBLE_STOPPED};

use crate::{
    MailError, Problem, doubles, notice,
    server::App,
    sign_in::{self, LetterError},
    target::{LocalPath, Target},
};

/// The letter to a payer who came back in another browser. Its payload is the id of the attempt, which knows the account and where to
/// go on; one payment has one such effect.
const LETTER_AFTER_PAYMENT: &str = "letter_after_payment";

/// Has the letter after this payment sent, unless it was asked for before.
pub(crate) async fn letter_after_payment(app: &App, attempt: &EventId) -> Result<(), Problem> {
    app.sync.enqueue_once(LETTER_AFTER_PAYMENT, attempt.as_str()).await?;
    Ok(())
}

/// Where a reader goes on after paying.
pub(crate) fn target(attempt: &Attempt) -> Target {
    Target {
        site: attempt.site.clone(),
        to: LocalPath::or_front(Some(&attempt.return_to)),
    }
}

#[async_trait]
impl Effects for App {
    async fn perform(&self, effect: &Effect) -> Result<(), EffectError> {
        match effect.kind.as_str() {
            LETTER_AFTER_PAYMENT => self.send_after_payment(effect).await,
            LETTER_DOUBLE_STOPPED => doubles::send_letter(self, &effect.payload).await,
            NOTICE_EFFECT => self.send_notice(effect).await,
            // A newer server on the same database may know it.
            other => Err(EffectError::Later(format!("this version knows no effect `{other}`"))),
        }
    }
}

impl App {
    async fn send_after_payment(&self, effect: &Effect) -> Result<(), EffectError> {
        let attempt = EventId::parse(&effect.payload).map_err(|error| EffectError::Never(error.to_string()))?;
        let attempt = self.store.attempt(&attempt).await;
        let Some(attempt) = attempt.map_err(|error| EffectError::Later(error.to_string()))? else {
            return Err(EffectError::Never(
                "the payment that the letter is about is not known".to_owned(),
            ));
        };
        let sent = sign_in::send_after_payment(self, &attempt.account, &target(&attempt).onward()).await;
        sent.map_err(|error| match error {
            LetterError::Mail(error @ MailError::Address) => EffectError::Never(error.to_string()),
            LetterError::Mail(error) => EffectError::Later(error.to_string()),
            LetterError::Problem(problem) => EffectError::Later(problem.title.to_owned()),
        })
    }

    /// A letter about a purchase, to the address of whoever has it now. Nobody to write to, and nothing to say any more, is done.
    async fn send_notice(&self, effect: &Effect) -> Result<(), EffectError> {
        let later = |error: StoreError| EffectError::Later(error.to_string());
        let Some(notice) = self.store.posted_notice(&effect.payload).await.map_err(later)? else {
            return Err(EffectError::Never(
                "the notice that the letter is about is not known".to_owned(),
            ));
        };
        let Some(account) = notice.account else { return Ok(()) };
        let Some(reader) = self.store.account(&account).await.map_err(later)? else {
            return Ok(());
        };
        let mut facts = notice.facts;
        if reader.email_proven.is_none() {
            // Whoever reads an address that nobody confirmed learns neither card nor what stands on Stripe's page.
            (facts.url, facts.card) = (None, None);
        }
        let Some(to) = reader.email_proven.or(reader.email_unproven) else {
            return Ok(());
        };
        if notice.kind == NoticeKind::AccessEnded {
            let grants = self.store.grants_of(&account).await.map_err(later)?;
            let now = self.clock.now();
            if grants.iter().any(|grant| grant.is_live(now)) {
                // Another subscription, or a gift: nothing has ended for them.
                return Ok(());
            }
        }
        let page = format!("{}/account", self.config.account_origin);
        let letter = notice::mail(&to, notice.kind, &facts, &self.config.publication, &page)
            .map_err(|problem| EffectError::Never(problem.title.to_owned()))?;
        self.mailer.send(letter).await.map_err(|error| match error {
            MailError::Address => EffectError::Never(error.to_string()),
            error => EffectError::Later(error.to_string()),
        })
    }
}
