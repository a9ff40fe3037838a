//! Lists: newest first, cursors, `has_more`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::params::Params;

const DEFAULT_LIMIT: i64 = 10;
const MAX_LIMIT: i64 = 100;

/// A range of creation times, from `created` or `created[gte]` and its kin.
struct Created {
    least: i64,
    most: i64,
}

impl Created {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let exact = params.integer("created")?;
        let gt = params.integer("created[gt]")?.map(|at| at.saturating_add(1));
        let lt = params.integer("created[lt]")?.map(|at| at.saturating_sub(1));
        let least = [exact, gt, params.integer("created[gte]")?]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(i64::MIN);
        let most = [exact, lt, params.integer("created[lte]")?]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(i64::MAX);
        Ok(Self { least, most })
    }
}

/// The page of `table` that the parameters ask for. `keep` filters, `created` gives a row's time, `render` its JSON.
pub(crate) fn page<T>(
    what: &str,
    url: &str,
    params: &Params,
    table: &BTreeMap<String, T>,
    keep: impl Fn(&T) -> bool,
    created: impl Fn(&T) -> i64,
    render: impl Fn(&T) -> Value,
) -> ApiResult {
    let limit = params.integer("limit")?.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let bound = if limit < 1 {
            "greater than or equal to 1"
        } else {
            "less than or equal to 100"
        };
        return Err(ApiError::invalid(format!("This value must be {bound}."), Some("limit")));
    }
    let limit = usize::try_from(limit).unwrap_or_default();
    let range = Created::read(params)?;
    let cursor = |name: &str| {
        params.text(name).map_or(Ok(None), |id| {
            if table.contains_key(id) {
                Ok(Some(id))
            } else {
                Err(ApiError::no_such_param(what, id, name))
            }
        })
    };
    let (after, before) = (cursor("starting_after")?, cursor("ending_before")?);
    if after.is_some() && before.is_some() {
        return Err(ApiError::invalid(
            "You can't pass both `starting_after` and `ending_before`.",
            None,
        ));
    }
    let wanted = |row: &&T| keep(row) && (range.least..=range.most).contains(&created(row));
    let backwards = before.is_some();
    let mut rows: Vec<&T> = if let Some(before) = before {
        table
            .iter()
            .filter(|(id, _)| id.as_str() > before)
            .map(|(_, row)| row)
            .filter(wanted)
            .take(limit + 1)
            .collect()
    } else {
        let older = |id: &String| after.is_none_or(|after| id.as_str() < after);
        table
            .iter()
            .rev()
            .filter(|(id, _)| older(id))
            .map(|(_, row)| row)
            .filter(wanted)
            .take(limit + 1)
            .collect()
    };
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    if backwards {
        rows.reverse();
    }
    Ok(json!({
        "object": "list",
        "data": rows.into_iter().map(render).collect::<Vec<_>>(),
        "has_more": has_more,
        "url": url,
    }))
}

/// A list that is always whole.
pub(crate) fn whole(url: &str, data: &[Value]) -> Value {
    json!({ "object": "list", "data": data, "has_more": false, "url": url })
}
