//! Whoever changes what an account is given lays out again what waits there, in the same transaction and under the account's lock.

use latchkey_entitlement::{AccountId, EventId, Grant, GrantId, RevocationKind, Timestamp, allot};

use crate::{
    StoreError,
    database::link::Link,
    grant::{self, Origin, Recorded},
    revocation, session,
};

/// Who writes.
pub(crate) struct Writer<'a> {
    /// The sync, if it is one.
    pub(crate) sync: Option<&'a EventId>,
    /// What tells this writing from every other one: the ids of grants that move follow from it.
    pub(crate) name: &'a str,
    /// The present.
    pub(crate) now: Timestamp,
}

/// What an account's grants are to become.
pub(crate) struct Change {
    /// Rows to be closed.
    pub(crate) closed: Vec<Grant>,
    /// Rows to be opened, and the Stripe customer and mode that each follows from.
    pub(crate) opened: Vec<(Grant, Option<(String, bool)>)>,
    /// How many of the writer's own stay as they are.
    pub(crate) unchanged: u32,
}

impl Change {
    pub(crate) fn is_nothing(&self) -> bool {
        self.closed.is_empty() && self.opened.is_empty()
    }
}

/// What changes on an account, whose lock is held, if `own`, which come from `origin`, take the place of the rows that `replaced` picks.
/// A row under the reference of one of `own` is replaced too, whoever left it. Nothing is written yet.
pub(crate) async fn plan(
    link: &mut Link,
    account: &AccountId,
    (own, origin): (&[Grant], Option<(&str, bool)>),
    replaced: impl Fn(&Recorded) -> bool,
    writer: &Writer<'_>,
) -> Result<Change, StoreError> {
    let rows = grant::recorded(link, account).await?;
    let same_purchase = |a: &Grant, b: &Grant| a.source == b.source && a.purchase_ref() == b.purchase_ref();
    let is_own = |grant: &Grant| own.iter().any(|one| same_purchase(one, grant));
    let kept = rows.iter().filter(|row| !replaced(row) && !is_own(&row.grant));
    let wanted: Vec<Grant> = own.iter().chain(kept.map(|row| &row.grant)).cloned().collect();
    let recorded: Vec<Grant> = rows.iter().map(|row| row.grant.clone()).collect();

    let mut change = Change {
        closed: vec![],
        opened: vec![],
        unchanged: 0,
    };
    let mut stays = vec![false; rows.len()];
    for mut grant in allot(&wanted, &recorded, writer.now) {
        let own = is_own(&grant);
        let under = rows
            .iter()
            .position(|row| row.grant.source == grant.source && row.grant.source_ref == grant.source_ref);
        if let Some(index) = under
            && rows.get(index).is_some_and(|row| grant::same(&row.grant, &grant))
        {
            stays.iter_mut().skip(index).take(1).for_each(|stays| *stays = true);
            change.unchanged = change.unchanged.saturating_add(u32::from(own));
            continue;
        }
        // A new row has a new id: a sync's first piece the one that it brought.
        if !own || grant.source_ref != grant.purchase_ref() {
            grant.id = id(writer.name, change.opened.len().saturating_add(1))?;
        }
        let origin = if own {
            origin.map(|(customer, livemode)| (customer.to_owned(), livemode))
        } else {
            let row = rows.iter().find(|row| same_purchase(&row.grant, &grant));
            row.and_then(|row| row.customer.clone())
        };
        change.opened.push((grant, origin));
    }
    let gone = rows.into_iter().zip(stays).filter(|(_, stays)| !stays);
    change.closed.extend(gone.map(|(row, _)| row.grant));
    Ok(change)
}

/// Writes what was planned.
pub(crate) async fn write(link: &mut Link, change: &Change, writer: &Writer<'_>) -> Result<(), StoreError> {
    for grant in &change.closed {
        grant::close_by_ref(link, grant, writer.sync, writer.now).await?;
    }
    for (grant, origin) in &change.opened {
        let origin = origin.as_ref().map(|(customer, livemode)| Origin {
            customer,
            livemode: *livemode,
        });
        grant::open(link, grant, origin, writer.sync, writer.now).await?;
    }
    Ok(())
}

/// The same where no sync is behind it, with what follows for the account's devices. Gives what changed.
pub(crate) async fn change(
    link: &mut Link,
    account: &AccountId,
    own: &[Grant],
    replaced: impl Fn(&Recorded) -> bool,
    writer: &Writer<'_>,
) -> Result<Change, StoreError> {
    let change = plan(link, account, (own, None), replaced, writer).await?;
    if !change.is_nothing() {
        let had_something = grant::any_live(link, account, writer.now).await?;
        write(link, &change, writer).await?;
        tell_devices(link, account, had_something, writer.now).await?;
    }
    Ok(change)
}

/// Where an account begins or ceases to have anything, its devices must fetch a new pass. Gives how many.
pub(crate) async fn tell_devices(
    link: &mut Link,
    account: &AccountId,
    had_something: bool,
    now: Timestamp,
) -> Result<u32, StoreError> {
    let has_something = grant::any_live(link, account, now).await?;
    if had_something == has_something {
        return Ok(0);
    }
    let kind = if has_something {
        RevocationKind::Renew
    } else {
        RevocationKind::Void
    };
    let devices = session::of_account(link, account).await?;
    revocation::add_for(link, &devices, kind, now.seconds() + 1, now).await
}

/// The id of a grant that moves, from the name of whoever moves it.
fn id(name: &str, number: usize) -> Result<GrantId, StoreError> {
    let name = name.split_once('_').map_or(name, |(_, rest)| rest);
    GrantId::parse(&format!("{}{name}-{number}", GrantId::PREFIX))
        .map_err(|error| StoreError::invalid(format!("a grant cannot be moved: {error}")))
}
