//! Form-encoded parameters with Stripe's nested names (`line_items[0][price]`), read strictly.

use std::collections::BTreeMap;

use crate::error::ApiError;

const MAX_PARAMS: usize = 1000;
const MAX_METADATA_KEYS: usize = 50;
const MAX_METADATA_KEY_CHARS: usize = 40;
const MAX_METADATA_VALUE_CHARS: usize = 500;

/// Metadata as it is stored.
pub(crate) type Metadata = BTreeMap<String, String>;

/// The parameters of one request, from its query and its body.
#[derive(Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<Pair>,
}

#[derive(Debug)]
struct Pair {
    name: String,
    path: Vec<String>,
    value: String,
}

impl Params {
    pub(crate) fn parse(query: &str, body: &str) -> Result<Self, ApiError> {
        let mut pairs = Vec::new();
        for text in [query, body] {
            let read: Vec<(String, String)> = serde_urlencoded::from_str(text)
                .map_err(|_| ApiError::invalid("Invalid request: the parameters are not form-encoded.", None))?;
            pairs.extend(read.into_iter().map(|(name, value)| Pair {
                path: split(&name),
                name,
                value,
            }));
        }
        if pairs.len() > MAX_PARAMS {
            return Err(ApiError::invalid(format!("More than {MAX_PARAMS} parameters."), None));
        }
        Ok(Self { pairs })
    }

    /// Refuses every parameter that no pattern allows. In a pattern `#` stands for a list index, `*` for any key.
    /// `expand[]` is always allowed.
    pub(crate) fn only(&self, patterns: &[&str]) -> Result<(), ApiError> {
        let allowed: Vec<Vec<String>> = patterns
            .iter()
            .chain(&["expand[#]"])
            .map(|pattern| split(pattern))
            .collect();
        match self
            .pairs
            .iter()
            .find(|pair| !allowed.iter().any(|pattern| fits(pattern, &pair.path)))
        {
            Some(pair) => Err(ApiError::unknown(&pair.name)),
            None => Ok(()),
        }
    }

    /// As [`Params::only`], with the parameters that every list takes.
    pub(crate) fn only_list(&self, patterns: &[&str]) -> Result<(), ApiError> {
        const COMMON: [&str; 8] = [
            "limit",
            "starting_after",
            "ending_before",
            "created",
            "created[gt]",
            "created[gte]",
            "created[lt]",
            "created[lte]",
        ];
        self.only(&[&COMMON, patterns].concat())
    }

    /// The value of `name`; an empty value counts as given.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .rev()
            .find(|pair| pair.name == name)
            .map(|pair| pair.value.as_str())
    }

    /// The value of `name` unless it is absent or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        match self.raw(name) {
            None => Err(ApiError::missing(name)),
            Some("") => Err(ApiError::invalid(
                format!("You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value."),
                Some(name),
            )
            .with_code("parameter_invalid_empty")),
            Some(value) => Ok(value),
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::invalid(format!("Invalid boolean: {other}"), Some(name))),
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    ApiError::invalid(format!("Invalid integer: {text}"), Some(name))
                        .with_code("parameter_invalid_integer")
                })
            })
            .transpose()
    }

    /// One of `choices`, or Stripe's refusal that names them.
    pub(crate) fn choice<'a>(&'a self, name: &str, choices: &[&str]) -> Result<Option<&'a str>, ApiError> {
        match self.text(name) {
            Some(value) if !choices.contains(&value) => {
                let (last, rest) = choices.split_last().unwrap_or((&"", &[]));
                let all = if rest.is_empty() {
                    (*last).to_owned()
                } else {
                    format!("{}, or {last}", rest.join(", "))
                };
                Err(ApiError::invalid(
                    format!("Invalid {name}: must be one of {all}"),
                    Some(name),
                ))
            }
            other => Ok(other),
        }
    }

    /// An absolute http or https address.
    pub(crate) fn address(&self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // Stripe's placeholder has braces, which are no part of an address until they are replaced.
        let probe = text.replace(['{', '}'], "");
        match url::Url::parse(&probe) {
            Ok(address) if matches!(address.scheme(), "http" | "https") && address.has_host() => {
                Ok(Some(text.to_owned()))
            }
            _ => Err(ApiError::invalid(
                "Not a valid URL: an absolute http or https address is needed.",
                Some(name),
            )
            .with_code("url_invalid")),
        }
    }

    /// The indices used below `name`, in order.
    pub(crate) fn indices(&self, name: &str) -> Vec<String> {
        let mut found: Vec<(usize, String)> = Vec::new();
        for pair in &self.pairs {
            if let [first, index, ..] = pair.path.as_slice()
                && first == name
                && let Ok(number) = index.parse::<usize>()
                && !found.iter().any(|(_, known)| known == index)
            {
                found.push((number, index.clone()));
            }
        }
        found.sort();
        found.into_iter().map(|(_, index)| index).collect()
    }

    /// The keys used below `name`, in order.
    pub(crate) fn keys(&self, name: &str) -> Vec<String> {
        let below = |pair: &Pair| match pair.path.as_slice() {
            [first, key, ..] if first == name && !key.is_empty() => Some(key.clone()),
            _ => None,
        };
        let mut found: Vec<String> = self.pairs.iter().filter_map(below).collect();
        found.sort();
        found.dedup();
        found
    }

    /// The values of a list of scalars below a field (`name[field][0]=a`).
    pub(crate) fn list_below(&self, name: &str, field: &str) -> Vec<String> {
        let below = |pair: &&Pair| matches!(pair.path.as_slice(), [first, second, index] if first == name && second == field && is_index(index));
        self.pairs.iter().filter(below).map(|pair| pair.value.clone()).collect()
    }

    /// The values of a list of scalars (`name[]=a` or `name[0]=a`).
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let below = |pair: &&Pair| matches!(pair.path.as_slice(), [first, index] if first == name && is_index(index));
        self.pairs
            .iter()
            .filter(below)
            .map(|pair| pair.value.as_str())
            .collect()
    }

    /// The values of a list of scalars below a nested name (`a[b][0]=x`); `a[b]=` is an empty list, and `None` that it was not given.
    pub(crate) fn nested_list(&self, name: &str) -> Option<Vec<&str>> {
        let outer = split(name);
        let below = |pair: &&Pair| {
            pair.path
                .split_last()
                .is_some_and(|(index, rest)| rest == outer.as_slice() && is_index(index))
        };
        let values: Vec<&str> = self
            .pairs
            .iter()
            .filter(below)
            .map(|pair| pair.value.as_str())
            .collect();
        (!values.is_empty() || self.raw(name).is_some()).then_some(values)
    }

    /// Whether any parameter stands below `name`.
    pub(crate) fn any_below(&self, name: &str) -> bool {
        self.pairs
            .iter()
            .any(|pair| pair.path.len() > 1 && pair.path.first().is_some_and(|first| first == name))
    }

    /// Changes `metadata` as the parameters below `name` say: an empty value removes its key, `name=` removes all.
    pub(crate) fn change_metadata(&self, name: &str, metadata: &mut Metadata) -> Result<(), ApiError> {
        if self.raw(name) == Some("") {
            metadata.clear();
        }
        for pair in &self.pairs {
            let Some(key) = pair.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('[')) else {
                continue;
            };
            let Some(key) = key.strip_suffix(']') else { continue };
            if key.chars().count() > MAX_METADATA_KEY_CHARS || pair.value.chars().count() > MAX_METADATA_VALUE_CHARS {
                return Err(ApiError::invalid(
                    format!(
                        "Metadata keys can be up to {MAX_METADATA_KEY_CHARS} characters long, values up to {MAX_METADATA_VALUE_CHARS}."
                    ),
                    Some(&pair.name),
                ));
            }
            if pair.value.is_empty() {
                metadata.remove(key);
            } else {
                metadata.insert(key.to_owned(), pair.value.clone());
            }
        }
        if metadata.len() > MAX_METADATA_KEYS {
            return Err(ApiError::invalid(
                format!("Metadata can have up to {MAX_METADATA_KEYS} keys."),
                Some(name),
            ));
        }
        Ok(())
    }

    pub(crate) fn metadata(&self, name: &str) -> Result<Metadata, ApiError> {
        let mut metadata = Metadata::new();
        self.change_metadata(name, &mut metadata)?;
        Ok(metadata)
    }

    /// Overwrites an optional text: absent leaves it, empty unsets it.
    pub(crate) fn change_text(&self, name: &str, text: &mut Option<String>) {
        if let Some(value) = self.raw(name) {
            *text = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
    }

    /// The same parameters in one order, for comparison under an idempotency key.
    pub(crate) fn canonical(&self) -> String {
        let mut lines: Vec<String> = self
            .pairs
            .iter()
            .map(|pair| format!("{}={:?}", pair.name, pair.value))
            .collect();
        lines.sort();
        lines.join("\n")
    }
}

fn split(name: &str) -> Vec<String> {
    let Some((first, rest)) = name.split_once('[') else {
        return vec![name.to_owned()];
    };
    let Some(inner) = rest.strip_suffix(']') else {
        return vec![name.to_owned()];
    };
    std::iter::once(first)
        .chain(inner.split("]["))
        .map(str::to_owned)
        .collect()
}

fn is_index(segment: &str) -> bool {
    segment.bytes().all(|byte| byte.is_ascii_digit())
}

fn fits(pattern: &[String], path: &[String]) -> bool {
    pattern.len() == path.len()
        && pattern
            .iter()
            .zip(path)
            .all(|(pattern, segment)| match pattern.as_str() {
                "#" => is_index(segment),
                "*" => !segment.is_empty(),
                exact => exact == segment,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_names_are_read_and_strangers_refused_by_name() {
        let params = Params::parse(
            "",
            "line_items%5B0%5D%5Bprice%5D=price_1&metadata[reader]=7&expand[]=customer",
        )
        .unwrap();
        assert!(params.only(&["line_items[#][price]", "metadata[*]"]).is_ok());
        let refusal = params.only(&["metadata[*]"]).unwrap_err();
        assert_eq!(refusal.param.as_deref(), Some("line_items[0][price]"));
        assert_eq!(refusal.code, Some("parameter_unknown"));
        assert_eq!(params.indices("line_items"), ["0"]);
        assert_eq!(
            params.metadata("metadata").unwrap().get("reader").map(String::as_str),
            Some("7")
        );
    }

    #[test]
    fn an_empty_metadata_value_removes_its_key() {
        let mut metadata = Metadata::from([("a".into(), "1".into()), ("b".into(), "2".into())]);
        Params::parse("", "metadata[a]=&metadata[c]=3")
            .unwrap()
            .change_metadata("metadata", &mut metadata)
            .unwrap();
        assert_eq!(
            metadata,
            Metadata::from([("b".into(), "2".into()), ("c".into(), "3".into())])
        );
    }

    #[test]
    fn broken_brackets_are_unknown_parameters() {
        for odd in ["metadata[a", "metadata]a[", "[a]", "metadata[]"] {
            let params = Params::parse("", &format!("{odd}=1")).unwrap();
            assert!(params.only(&["metadata[*]"]).is_err(), "{odd}");
        }
    }
}
