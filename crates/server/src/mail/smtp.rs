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

impl SmtpMailer {
    /// Connects, protects the connection, signs in if there is a login, and says goodbye; no letter is sent.
    ///
    /// # Errors
    /// Says in words what did not work. Nothing of what the server says is kept but its code, since it may repeat the user's name.
    pub async fn check(&self) -> Result<(), String> {
        match tokio::time::timeout(TIMEOUT, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the connection did not hold".to_owned()),
            Ok(Err(error)) => Err(problem(&error)),
            Err(_) => Err(no_answer()),
        }
    }
}

fn no_answer() -> String {
    format!("no answer within {} s", TIMEOUT.as_secs())
}

fn problem(error: &lettre::transport::smtp::Error) -> String {
    // RFC 4954 section 6.
    const BAD_LOGIN: &str = "535";
    if let Some(code) = error.status() {
        let code = code.to_string();
        let login = if code == BAD_LOGIN {
            ": user and password do not fit"
        } else {
            ""
        };
        return format!("it refused with code {code}{login}");
    }
    if error.is_timeout() {
        return no_answer();
    }
    if error.is_response() {
        return "what answers there does not speak SMTP".to_owned();
    }
    let mut cause: &(dyn std::error::Error + 'static) = error;
    let mut tls = error.is_tls();
    while let Some(inner) = cause.source() {
        cause = inner;
        // A handshake that failed comes as an I/O error of this kind.
        let io = cause.downcast_ref::<std::io::Error>();
        tls |= io.is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData);
    }
    if tls {
        format!("TLS could not be set up: {cause}")
    } else {
        cause.to_string()
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
