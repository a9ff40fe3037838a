//! Laying out: where time lies that was bought as a length.
//!
//! Such time begins when it was paid for, unless the account has the same already: then it waits behind that. What pushes it back is
//! every grant with a term of its own (a subscription, a comp, …) and whatever was bought before it. When a subscription renews, what
//! waits moves further back; when it ends, it moves forward, though never before the present. What was consumed stays where it was, so
//! that in the end exactly what was bought was given.

use crate::{Bought, Grant, Scope, Sites, Timestamp};

/// A stretch of time: from a moment (inclusive) until another (exclusive). At [`Timestamp::NEVER`], and empty, it waits behind
/// something without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// First moment.
    pub from: Timestamp,
    /// First moment after.
    pub until: Timestamp,
}

impl Piece {
    const WAITING: Self = Self {
        from: Timestamp::NEVER,
        until: Timestamp::NEVER,
    };
}

/// Something that was bought as a length of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// What tells it from every other purchase of the account.
    pub id: String,
    /// What it entitles to.
    pub entitlements: Scope,
    /// Where.
    pub sites: Sites,
    /// When it was paid for, and how much it is.
    pub bought: Bought,
    /// How it was laid out last, in any order; empty if it is new.
    pub laid: Vec<Piece>,
}

/// Lays out `purchases` around `terms`, grants that have a term of their own (others among them are not looked at). Gives the pieces of
/// each purchase, in the order in which they were given; each has at least one.
///
/// In order of (paid at, id), each purchase takes the first time in which not all that it gives, everywhere it gives it, is given by
/// terms and earlier purchases. A new one takes it from when it was paid; one that was laid out before from `now`, less what lay before
/// `now`, which stays. Laying out what was laid out changes nothing, at any later time, as long as the terms stay the same.
pub fn lay_out(terms: &[Grant], purchases: &[Purchase], now: Timestamp) -> Vec<Vec<Piece>> {
    let mut taken: Vec<Taken<'_>> = terms
        .iter()
        .filter(|grant| grant.bought.is_none())
        .map(Taken::of_term)
        .collect();
    let mut order: Vec<(usize, &Purchase)> = purchases.iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| (a.bought.paid_at, &a.id).cmp(&(b.bought.paid_at, &b.id)));
    let mut laid = vec![Vec::new(); purchases.len()];
    for (index, purchase) in order {
        let pieces = place(purchase, &occupied(&taken, purchase), now);
        taken.extend(pieces.iter().map(|piece| Taken {
            entitlements: &purchase.entitlements,
            sites: &purchase.sites,
            from: piece.from,
            until: piece.until,
        }));
        if let Some(place) = laid.get_mut(index) {
            *place = pieces;
        }
    }
    laid
}

/// What gives something for a while.
struct Taken<'a> {
    entitlements: &'a Scope,
    sites: &'a Sites,
    from: Timestamp,
    until: Timestamp,
}

impl<'a> Taken<'a> {
    fn of_term(grant: &'a Grant) -> Self {
        Self {
            entitlements: &grant.entitlements,
            sites: &grant.sites,
            from: grant.from,
            until: grant.until.unwrap_or(Timestamp::NEVER),
        }
    }

    fn is_at(&self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.until
    }
}

/// The stretches in which all that `purchase` gives is given already, in order and without touching each other.
fn occupied(taken: &[Taken<'_>], purchase: &Purchase) -> Vec<Piece> {
    let gives = |one: &&Taken<'_>| {
        purchase
            .entitlements
            .iter()
            .any(|name| one.entitlements.contains(name.as_str()))
    };
    let taken: Vec<&Taken<'_>> = taken.iter().filter(gives).collect();
    let mut moments: Vec<Timestamp> = taken.iter().flat_map(|one| [one.from, one.until]).collect();
    moments.sort_unstable();
    moments.dedup();
    let mut stretches: Vec<Piece> = Vec::new();
    for (from, until) in moments.iter().copied().zip(moments.iter().copied().skip(1)) {
        if !gives_all(&taken, purchase, from) {
            continue;
        }
        match stretches.last_mut() {
            Some(last) if last.until == from => last.until = until,
            _ => stretches.push(Piece { from, until }),
        }
    }
    stretches
}

/// Whether everything that `purchase` gives, everywhere it gives it, is given at `moment`.
fn gives_all(taken: &[&Taken<'_>], purchase: &Purchase, moment: Timestamp) -> bool {
    let now: Vec<&&Taken<'_>> = taken.iter().filter(|one| one.is_at(moment)).collect();
    purchase.entitlements.iter().all(|name| {
        let mut giving = now.iter().filter(|one| one.entitlements.contains(name.as_str()));
        match &purchase.sites {
            Sites::All => giving.any(|one| *one.sites == Sites::All),
            Sites::Only(sites) => sites
                .iter()
                .all(|site| giving.clone().any(|one| one.sites.contains(site))),
        }
    })
}

fn place(purchase: &Purchase, occupied: &[Piece], now: Timestamp) -> Vec<Piece> {
    let mut pieces = consumed(purchase, now);
    let Bought { paid_at, span, zone } = &purchase.bought;
    let (mut at, mut left) = match pieces.first() {
        Some(first) => {
            // A month is as long as it was when it began, whatever came between.
            let whole = span.after(first.from, zone).since(first.from);
            let given: i64 = pieces.iter().map(|piece| piece.until.since(piece.from)).sum();
            (now, Some(whole.saturating_sub(given)))
        }
        None if purchase.laid.is_empty() => (*paid_at, None),
        None => (now.max(*paid_at), None),
    };
    while left.is_none_or(|left| left > 0) {
        if let Some(stretch) = occupied.iter().find(|stretch| stretch.from <= at && at < stretch.until) {
            at = stretch.until;
        }
        if at >= Timestamp::NEVER {
            pieces.push(Piece::WAITING);
            break;
        }
        let length = left.unwrap_or_else(|| span.after(at, zone).since(at));
        let next = occupied.iter().map(|stretch| stretch.from).find(|from| *from > at);
        let end = at.plus(length).min(next.unwrap_or(Timestamp::NEVER));
        match pieces.last_mut() {
            Some(last) if last.until == at => last.until = end,
            _ => pieces.push(Piece { from: at, until: end }),
        }
        left = Some(length.saturating_sub(end.since(at)));
        at = end;
    }
    pieces
}

/// What lay before `now`, in order.
fn consumed(purchase: &Purchase, now: Timestamp) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = purchase
        .laid
        .iter()
        .filter(|piece| piece.from < now)
        .map(|piece| Piece {
            from: piece.from,
            until: piece.until.min(now),
        })
        .collect();
    pieces.sort_unstable();
    pieces
}

#[cfg(test)]
mod tests;
