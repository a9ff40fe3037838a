//! Filter lists in EasyList syntax, from files that the operator names; never shipped.

use adblock::{
    Engine,
    lists::{FilterSet, ParseOptions},
    request::Request,
};

/// A filter list as it was read.
#[derive(Clone, Debug)]
pub struct FilterList {
    name: String,
    text: String,
}

impl FilterList {
    /// Takes the text of a list; `name` is shown in reports. Lines that are no rules are ignored, as everywhere.
    pub fn parse(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// All lists as one engine.
pub(crate) struct Lists(Engine);

impl Lists {
    pub(crate) fn new(lists: &[FilterList]) -> Option<Self> {
        if lists.is_empty() {
            return None;
        }
        let mut set = FilterSet::new(false);
        for list in lists {
            set.add_filter_list(list.text.clone(), ParseOptions::default());
        }
        Some(Self(Engine::new_with_filter_set(set)))
    }

    /// Whether a list refuses a request from `page` for `address`.
    pub(crate) fn blocks(&self, address: &str, page: &str, kind: &str) -> bool {
        let absolute = url::Url::parse(page)
            .ok()
            .and_then(|base| base.join(address.trim()).ok());
        let Some(absolute) = absolute.filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return false;
        };
        Request::new(absolute.as_str(), page, kind, "GET")
            .is_ok_and(|request| self.0.check_network_request(&request).should_block())
    }

    /// The selectors that the lists hide on `page`, given the classes and ids that stand in it.
    pub(crate) fn selectors(&self, page: &str, classes: &[String], ids: &[String]) -> Vec<String> {
        let resources = self.0.url_cosmetic_resources(page);
        let mut selectors: Vec<String> = resources.hide_selectors.into_iter().collect();
        if !resources.generichide {
            selectors.extend(self.0.hidden_class_id_selectors(classes, ids, &resources.exceptions));
        }
        selectors.sort();
        selectors.dedup();
        selectors
    }
}
