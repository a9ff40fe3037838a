//! Secrets from the environment or from files that it names; never printed.

use latchkey_token::Secret;

use super::Environment;

/// Shortest edge token that is accepted, in characters.
pub(crate) const MIN_EDGE_TOKEN: usize = 32;

/// A secret that is absent or cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretsError {
    #[error(
        "not set: {}\n  help: `latchkey config env-example` says what each is and how to make one; NAME_FILE may name a file that holds it",
        .0.join(", ")
    )]
    Missing(Vec<&'static str>),
    #[error("{name}_FILE names {path}, which cannot be read: {why}")]
    File {
        name: &'static str,
        path: String,
        why: std::io::Error,
    },
    #[error("both {0} and {0}_FILE are set\n  help: keep one of them")]
    Twice(&'static str),
    #[error(
        "LATCHKEY_EDGE_TOKEN has fewer than {MIN_EDGE_TOKEN} characters\n  help: make one with `openssl rand -hex 32`"
    )]
    WeakEdgeToken,
    #[error(
        "LATCHKEY_API_TOKEN has fewer than {MIN_EDGE_TOKEN} characters\n  help: make one with `openssl rand -hex 32`"
    )]
    WeakApiToken,
}

/// Where each command gets the secrets that it needs, and only those.
pub(crate) struct Secrets<'a>(pub(crate) &'a Environment);

impl Secrets<'_> {
    /// A secret that may be absent.
    pub(crate) fn optional(&self, name: &'static str) -> Result<Option<Secret>, SecretsError> {
        let file = self.0.plain(&format!("{name}_FILE"));
        match (self.0.plain(name), file) {
            (Some(_), Some(_)) => Err(SecretsError::Twice(name)),
            (Some(value), None) => Ok(Some(Secret::new(value))),
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) => Ok(Some(Secret::new(text.trim_end_matches(['\n', '\r']).to_owned()))),
                Err(why) => Err(SecretsError::File { name, path, why }),
            },
            (None, None) => Ok(None),
        }
    }

    /// A secret that must be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<Secret, SecretsError> {
        self.optional(name)?.ok_or(SecretsError::Missing(vec![name]))
    }

    /// Fails with every one of `names` that is not there, so that nobody learns of them one by one.
    pub(crate) fn all(&self, names: &[&'static str]) -> Result<(), SecretsError> {
        let mut missing = vec![];
        for name in names {
            if self.optional(name)?.is_none() {
                missing.push(*name);
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(SecretsError::Missing(missing))
        }
    }

    /// The token that edges show to the server.
    pub(crate) fn edge_token(&self) -> Result<Secret, SecretsError> {
        let token = self.required("LATCHKEY_EDGE_TOKEN")?;
        if token.expose().chars().count() < MIN_EDGE_TOKEN {
            Err(SecretsError::WeakEdgeToken)
        } else {
            Ok(token)
        }
    }

    /// The token that the operator's programs show to the server, if there is one.
    pub(crate) fn api_token(&self) -> Result<Option<Secret>, SecretsError> {
        match self.optional("LATCHKEY_API_TOKEN")? {
            Some(token) if token.expose().chars().count() < MIN_EDGE_TOKEN => Err(SecretsError::WeakApiToken),
            token => Ok(token),
        }
    }

    /// The signing secrets of the webhook endpoint, at least one.
    pub(crate) fn webhook_secrets(&self) -> Result<Vec<String>, SecretsError> {
        let list = self.required("STRIPE_WEBHOOK_SECRETS")?;
        let secrets: Vec<String> = list
            .expose()
            .split(',')
            .map(str::trim)
            .filter(|secret| !secret.is_empty())
            .map(str::to_owned)
            .collect();
        if secrets.is_empty() {
            Err(SecretsError::Missing(vec!["STRIPE_WEBHOOK_SECRETS"]))
        } else {
            Ok(secrets)
        }
    }
}
