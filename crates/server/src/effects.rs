//! Effects that the outbox does for the account origin.

use async_trait::async_trait;
use latchkey_entitlement::EventId;
use latchkey_store::Attempt;
use latchkey_sync::{Effect, EffectError, Effects, LETTER_DOUBLE_STOPPED};

use crate::{
    MailError, Problem, doubles,
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
        if effect.kind == LETTER_DOUBLE_STOPPED {
            return doubles::send_letter(self, &effect.payload).await;
        }
        if effect.kind != LETTER_AFTER_PAYMENT {
            // A newer server on the same database may know it.
            return Err(EffectError::Later(format!(
                "this version knows no effect `{}`",
                effect.kind
            )));
        }
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
}
