//! What an account is to have, as grants.

use std::collections::BTreeMap;

use crate::{Grant, Piece, Purchase, Source, Timestamp, lay_out};

/// What tells a purchase from every other one of an account.
type Key = (Source, String);

/// Turns everything that an account is given, from whatever source, into its grants: those with a term of their own as they are, and
/// what was bought as a length of time laid out around them (see [`mod@crate::lay_out`]).
///
/// `wanted` holds each purchase once, or as pieces, with whatever times; `recorded` is what the account has now, from which it follows
/// how a purchase was laid out before. When it was paid, how much it was, and in which zone, stays as it was recorded first. Order makes
/// no difference. A grant keeps the id of the one in `wanted` that it follows from.
pub fn allot(wanted: &[Grant], recorded: &[Grant], now: Timestamp) -> Vec<Grant> {
    let mut purchases: BTreeMap<Key, (&Grant, Purchase)> = BTreeMap::new();
    for grant in wanted {
        let Some(bought) = &grant.bought else { continue };
        let key = key(grant);
        let before: Vec<&Grant> = recorded
            .iter()
            .filter(|own| own.bought.is_some() && self::key(own) == key)
            .collect();
        let piece = |own: &&Grant| Piece {
            from: own.from,
            until: own.until.unwrap_or(Timestamp::NEVER),
        };
        let purchase = Purchase {
            id: format!("{}/{}", key.0.as_str(), key.1),
            entitlements: grant.entitlements.clone(),
            sites: grant.sites.clone(),
            bought: before
                .iter()
                .find_map(|own| own.bought.clone())
                .unwrap_or_else(|| bought.clone()),
            laid: before.iter().map(piece).collect(),
        };
        let known = purchases
            .get(&key)
            .is_some_and(|(first, _)| first.source_ref <= grant.source_ref);
        if !known {
            purchases.insert(key, (grant, purchase));
        }
    }
    let (templates, purchases): (Vec<&Grant>, Vec<Purchase>) = purchases.into_values().unzip();
    let mut grants: Vec<Grant> = wanted.iter().filter(|grant| grant.bought.is_none()).cloned().collect();
    let laid = lay_out(&grants, &purchases, now);
    for ((template, purchase), pieces) in templates.into_iter().zip(purchases).zip(laid) {
        for (number, piece) in (1_usize..).zip(pieces) {
            let base = template.purchase_ref();
            grants.push(Grant {
                source_ref: match number {
                    1 => base.to_owned(),
                    number => format!("{base}{}{number}", Grant::PIECE_MARK),
                },
                from: piece.from,
                until: Some(piece.until),
                bought: Some(purchase.bought.clone()),
                ..template.clone()
            });
        }
    }
    grants.sort_by(|a, b| (a.source, &a.source_ref).cmp(&(b.source, &b.source_ref)));
    grants
}

fn key(grant: &Grant) -> Key {
    (grant.source, grant.purchase_ref().to_owned())
}
