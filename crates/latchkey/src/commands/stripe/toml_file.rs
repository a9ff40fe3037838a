//! Writes ids that Stripe gave back into the configuration; comments and order stay as they are.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, anyhow, bail};
use latchkey_entitlement::PriceId;
use toml_edit::{DocumentMut, Item, Table, Value, value};

/// What is written: the Stripe id of each price, and the portal's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) prices: Vec<(PriceId, String)>,
    pub(super) portal: Option<String>,
}

impl Ids {
    pub(super) fn is_empty(&self) -> bool {
        self.prices.is_empty() && self.portal.is_none()
    }

    /// The lines for a person to paste.
    pub(super) fn lines(&self) -> String {
        let mut text = String::new();
        if let Some(portal) = &self.portal {
            let _ = write!(text, "[stripe]\nportal_configuration = \"{portal}\"\n");
        }
        for (price, stripe) in &self.prices {
            let _ = write!(
                text,
                "# under [[plan.price]] with id = \"{price}\"\nstripe_price = \"{stripe}\"\n"
            );
        }
        text
    }
}

/// The text of a configuration with the ids in it.
fn with_ids(text: &str, ids: &Ids) -> anyhow::Result<String> {
    let mut document: DocumentMut = text.parse().context("the file cannot be read as TOML")?;
    if let Some(portal) = &ids.portal {
        let stripe = document.entry("stripe").or_insert(Item::Table(Table::new()));
        let stripe = stripe
            .as_table_like_mut()
            .ok_or_else(|| anyhow!("[stripe] is no table"))?;
        put(stripe.entry("portal_configuration").or_insert(Item::None), portal);
    }
    for (price, stripe) in &ids.prices {
        let plans = document.get_mut("plan").and_then(Item::as_array_of_tables_mut);
        let prices = plans
            .into_iter()
            .flat_map(toml_edit::ArrayOfTables::iter_mut)
            .filter_map(|plan| plan.get_mut("price").and_then(Item::as_array_of_tables_mut))
            .flat_map(toml_edit::ArrayOfTables::iter_mut);
        let mut found = false;
        for table in prices.filter(|table| table.get("id").and_then(Item::as_str) == Some(price.as_str())) {
            put(table.entry("stripe_price").or_insert(Item::None), stripe);
            found = true;
        }
        if !found {
            bail!("{price} does not stand under [[plan.price]]");
        }
    }
    Ok(document.to_string())
}

/// Replaces a value and keeps what stands around it, a comment behind it too.
fn put(item: &mut Item, text: &str) {
    let around = item.as_value().map(|value| value.decor().clone());
    let mut new = Value::from(text);
    if let Some(around) = around {
        *new.decor_mut() = around;
    }
    *item = value(new);
}

/// Writes the ids into `file`, which is replaced as a whole or left as it was.
pub(super) fn write(file: &Path, ids: &Ids) -> anyhow::Result<()> {
    // Behind a link the file itself is replaced, and not the link.
    let file = fs::canonicalize(file).with_context(|| format!("looking for {}", file.display()))?;
    let what = || {
        format!(
            "{} was left as it was\n  help: paste the lines yourself",
            file.display()
        )
    };
    let text = fs::read_to_string(&file).with_context(what)?;
    let text = with_ids(&text, ids).with_context(what)?;
    let temporary = file.with_extension("toml.new");
    fs::write(&temporary, text).with_context(what)?;
    let permissions = fs::metadata(&file).with_context(what)?.permissions();
    fs::set_permissions(&temporary, permissions).with_context(what)?;
    fs::rename(&temporary, &file).with_context(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TEMPLATE;

    fn ids() -> Ids {
        Ids {
            prices: vec![("prc_yearly".parse().unwrap(), "price_new".to_owned())],
            portal: Some("bpc_1".to_owned()),
        }
    }

    #[test]
    fn only_the_ids_change_and_every_comment_stays() {
        let text = TEMPLATE.replace(
            "\"price_yearly_replace_me\"",
            "\"price_yearly_replace_me\" # the yearly one",
        );
        let written = with_ids(&text, &ids()).unwrap();
        let expected = text
            .replace(
                "\"price_yearly_replace_me\" # the yearly one",
                "\"price_new\" # the yearly one",
            )
            .replace("[stripe]\n", "[stripe]\nportal_configuration = \"bpc_1\"\n");
        let lines = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&written), lines(&expected));
        assert_eq!(with_ids(&written, &ids()).unwrap(), written, "twice is once");
    }

    #[test]
    fn a_price_that_the_file_has_not_is_an_error() {
        let ids = Ids {
            prices: vec![("prc_weekly".parse().unwrap(), "price_new".to_owned())],
            portal: None,
        };
        let error = with_ids(TEMPLATE, &ids).unwrap_err().to_string();
        assert!(error.contains("prc_weekly"), "{error}");
    }
}
