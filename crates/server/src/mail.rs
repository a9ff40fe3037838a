//! Letters out: to a mail server, or into a box that the demo and the tests look into.

mod memory;
mod smtp;

use async_trait::async_trait;

pub use memory::{Letter, MAX_LETTERS, MemoryMailbox};
pub use smtp::{SmtpConfig, SmtpMailer, SmtpSecurity};

/// One letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Address of the reader.
    pub to: String,
    /// Subject line.
    pub subject: String,
    /// Plain text part; says everything.
    pub text: String,
    /// HTML part; says the same.
    pub html: String,
}

/// Prints the subject alone: addresses and links do not belong in logs.
impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Why a letter did not go out.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The address cannot be written to.
    #[error("the address cannot be written to")]
    Address,
    /// The settings do not make a mailer.
    #[error("mail: {0}")]
    Settings(String),
    /// The mail server did not take the letter.
    #[error("the mail server did not take the letter: {0}")]
    Refused(String),
    /// The mail server did not answer in time.
    #[error("the mail server did not answer within {seconds} s")]
    TimedOut {
        /// How long was waited.
        seconds: u64,
    },
}

/// Sends letters.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one letter; `Ok` means that the mail server took it.
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}
