//! The environment as an argument, and the one list of variables that Latchkey reads.

use std::collections::BTreeMap;

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

/// A variable that Latchkey reads.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) secret: bool,
    pub(crate) example: &'static str,
    pub(crate) meaning: &'static str,
}

/// Every variable. Secrets can also be given as `NAME_FILE`, the path of a file that holds the value.
pub(crate) const VARIABLES: &[Variable] = &[
    Variable {
        name: "DATABASE_URL",
        secret: true,
        example: "sqlite:latchkey.db",
        meaning: "Where everything is kept: sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME. Overrides [database] url.",
    },
    Variable {
        name: "STRIPE_SECRET_KEY",
        secret: true,
        example: "sk_test_…",
        meaning: "Stripe's secret or restricted key. A test key works on test objects alone, a live key on live ones alone.",
    },
    Variable {
        name: "STRIPE_WEBHOOK_SECRETS",
        secret: true,
        example: "whsec_…",
        meaning: "Signing secrets of the webhook endpoint, separated by commas: two while one is being rolled.",
    },
    Variable {
        name: "LATCHKEY_SEAL_KEY",
        secret: true,
        example: "",
        meaning: "32 bytes in base64 that seal the signing keys in the database. Make one: openssl rand -base64 32",
    },
    Variable {
        name: "LATCHKEY_EDGE_TOKEN",
        secret: true,
        example: "",
        meaning: "What edges show to the server: at least 32 characters. Make one: openssl rand -hex 32",
    },
    Variable {
        name: "LATCHKEY_API_TOKEN",
        secret: true,
        example: "",
        meaning: "What the operator's programs show for /metrics and /v1/…: at least 32 characters. Make one: openssl rand -hex 32",
    },
    Variable {
        name: "LATCHKEY_SMTP_PASSWORD",
        secret: true,
        example: "",
        meaning: "Password of [mail] smtp_user, where the mail server wants one.",
    },
    Variable {
        name: "LATCHKEY_LOG",
        secret: false,
        example: "info",
        meaning: "What is logged: error, warn, info, debug, trace, or per module as in info,latchkey_edge=debug.",
    },
];

/// Overrides of single keys of the file.
pub(crate) const OVERRIDE_PREFIX: &str = "LATCHKEY_";

/// The variables of this process, or those that a test gives.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// From pairs of name and value.
    pub(crate) fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// A variable; an empty one counts as absent, as compose files often have them.
    pub(crate) fn plain(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// `LATCHKEY_SECTION__KEY` as `section.key`, in order of name.
    pub(crate) fn overrides(&self) -> Vec<(String, String)> {
        self.0
            .iter()
            .filter_map(|(name, value)| {
                let path = name.strip_prefix(OVERRIDE_PREFIX)?;
                path.contains("__")
                    .then(|| (path.to_ascii_lowercase().replace("__", "."), value.clone()))
            })
            .collect()
    }
}

/// One override as a source of configuration, so that an error names the variable.
pub(crate) struct Override {
    pub(crate) path: String,
    pub(crate) value: Value,
}

impl Provider for Override {
    fn metadata(&self) -> Metadata {
        let name = format!("{OVERRIDE_PREFIX}{}", self.path.to_ascii_uppercase().replace('.', "__"));
        Metadata::named(format!("environment variable {name}"))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let value = self.path.rsplit('.').fold(self.value.clone(), |value, key| {
            Value::from(Dict::from([(key.to_owned(), value)]))
        });
        let dict = value.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// The text of `.env.example`, made from [`VARIABLES`].
pub(crate) fn example() -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "# Variables that Latchkey reads. Copy to .env, fill in, and load it: `set -a; . ./.env; set +a` in a shell, or systemd's\n\
         # EnvironmentFile= (Latchkey itself reads no .env). A secret can also be given as NAME_FILE, a file that holds it.\n\
         # Any key of latchkey.toml can be overridden as LATCHKEY_SECTION__KEY, such as LATCHKEY_SERVER__LISTEN=0.0.0.0:8300.\n",
    );
    for variable in VARIABLES {
        let file = if variable.secret { " (or _FILE)" } else { "" };
        let _ = write!(
            text,
            "\n# {}{}\n{}={}\n",
            variable.meaning, file, variable.name, variable.example
        );
    }
    text
}
