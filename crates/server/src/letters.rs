//! What letters say.

use askama::Template;

use crate::{Mail, Problem};

#[derive(Template)]
#[template(path = "letter_sign_in.html")]
struct SignInHtml<'a> {
    publication: &'a str,
    link: &'a str,
    code: Option<&'a str>,
    minutes: i64,
    paid: bool,
}

#[derive(Template)]
#[template(path = "letter_sign_in.txt")]
struct SignInText<'a> {
    publication: &'a str,
    link: &'a str,
    code: Option<&'a str>,
    minutes: i64,
    paid: bool,
}

/// A link that signs in whoever opens it and confirms, and a code for the browser that asked, if one did.
pub(crate) struct SignIn<'a> {
    pub(crate) publication: &'a str,
    pub(crate) to: &'a str,
    pub(crate) link: &'a str,
    pub(crate) code: Option<&'a str>,
    /// How long both hold.
    pub(crate) minutes: i64,
    /// Whether the letter answers a payment.
    pub(crate) paid: bool,
}

impl SignIn<'_> {
    pub(crate) fn mail(&self) -> Result<Mail, Problem> {
        let Self {
            publication,
            link,
            code,
            minutes,
            paid,
            ..
        } = *self;
        let wrong = |error: askama::Error| Problem::internal(&error);
        Ok(Mail {
            to: self.to.to_owned(),
            subject: if paid {
                format!("Your support for {publication}: sign in")
            } else {
                format!("Sign in to {publication}")
            },
            text: SignInText {
                publication,
                link,
                code,
                minutes,
                paid,
            }
            .render()
            .map_err(wrong)?,
            html: SignInHtml {
                publication,
                link,
                code,
                minutes,
                paid,
            }
            .render()
            .map_err(wrong)?,
        })
    }
}
