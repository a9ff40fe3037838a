use std::time::Duration;

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp::authentication::Credentials,
};

use super::{Mail, MailError, Mailer};
use crate::Secret;

/// How long a mail server may take for one letter.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte, usually port 465.
    #[default]
    Tls,
    /// Plain, then STARTTLS, which is required; usually port 587.
    StartTls,
    /// None at all: for a mail server on this machine.
    None,
}

/// The mail server.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// Its name.
    pub host: String,
    /// Its port; the usual one of `security` if `None`.
    pub port: Option<u16>,
    /// Protection of the connection.
    pub security: SmtpSecurity,
    /// User and password, if it asks for them.
    pub login: Option<(String, Secret)>,
    /// `From:` of letters, as in `The Daily <support@publisher.example>`.
    pub from: String,
}

/// Sends letters to a mail server.
pub struct SmtpMailer {
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl SmtpMailer {
    /// A mailer with these settings; nothing is connected yet.
    pub fn new(config: &SmtpConfig) -> Result<Self, MailError> {
        let from: Mailbox = config.from.parse().map_err(|error| {
            MailError::Settings(format!("`from` is not an address ({error}); write `Name <name@host>`"))
        })?;
        let wrong = |error: lettre::transport::smtp::Error| MailError::Settings(format!("{}: {error}", config.host));
        let mut builder = match config.security {
            SmtpSecurity::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(&config.host).map_err(wrong)?,
            SmtpSecurity::StartTls => {
                AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(&config.host).map_err(wrong)?
            }
            SmtpSecurity::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host),
        };
        if let Some(port) = config.port {
            builder = builder.port(port);
        }
        if let Some((user, password)) = &config.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().clone()));
        }
        Ok(Self {
            from,
            transport: builder.timeout(Some(TIMEOUT)).build(),
        })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let to: Mailbox = mail.to.parse().map_err(|_| MailError::Address)?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(mail.subject)
            .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))
            .map_err(|error| MailError::Refused(error.to_string()))?;
        match tokio::time::timeout(TIMEOUT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            // A server's words may repeat the address, so only the kind of refusal is kept.
            Ok(Err(error)) => Err(MailError::Refused(
                error
                    .status()
                    .map_or_else(|| "connection failed".to_owned(), |code| code.to_string()),
            )),
            Err(_) => Err(MailError::TimedOut {
                seconds: TIMEOUT.as_secs(),
            }),
        }
    }
}
