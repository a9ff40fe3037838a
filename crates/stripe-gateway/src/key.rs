//! What a key can see: for whoever checks a configuration. Reads only.

use latchkey_billing::{Price, StripeError, parse_price};
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_product::price;

use crate::gateway::{Gateway, checked};

/// Longest name of an account that is kept, in characters.
const MAX_NAME_CHARS: usize = 80;

/// The Stripe account that a key belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAccount {
    /// `acct_…`.
    pub id: String,
    /// The name its owner gave it, without control characters; empty if none.
    pub name: String,
    /// Whether it may take payments in live mode.
    pub charges_enabled: bool,
}

impl Gateway {
    /// Whether Stripe accepts the key, and the key may read prices.
    pub async fn accepts_key(&self) -> Result<(), StripeError> {
        self.get(price::ListPrice::new().limit(1).build()).await.map(drop)
    }

    /// The account that the key belongs to. A restricted key may be accepted, and not see it: [`StripeError::Unauthorized`].
    pub async fn key_account(&self) -> Result<KeyAccount, StripeError> {
        let json = self.get(RequestBuilder::new(StripeMethod::Get, "/account")).await?;
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let id = checked(text("/id")).map_err(|_| StripeError::Malformed {
            what: "account: id".to_owned(),
        })?;
        let name = ["/settings/dashboard/display_name", "/business_profile/name"];
        let name = name
            .map(text)
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        Ok(KeyAccount {
            id: id.to_owned(),
            name: name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect(),
            charges_enabled: json
                .pointer("/charges_enabled")
                .and_then(Value::as_bool)
                .unwrap_or(true),
        })
    }

    /// A price by its id, archived ones included; `None` if Stripe has none in the key's mode.
    pub async fn price(&self, id: &str) -> Result<Option<Price>, StripeError> {
        // What cannot be an id is none.
        let Ok(id) = checked(id) else { return Ok(None) };
        match self
            .get(
                price::RetrievePrice::new(id)
                    .expand(vec!["currency_options".to_owned()])
                    .build(),
            )
            .await
        {
            Ok(json) => Ok(Some(parse_price(&json)?)),
            Err(StripeError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
