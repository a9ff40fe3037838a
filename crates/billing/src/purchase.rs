//! What was bought once: time, from its payment on.

use latchkey_entitlement::{Bought, Source, Timestamp};

use crate::{
    derive::{Benefit, Derived, Foreign, moment},
    plan::Plan,
    stripe::{CheckoutSession, CustomerState, SessionLine},
};

/// The benefits of every payment that has arrived. One that is on its way gives nothing yet.
pub(crate) fn derive(state: &CustomerState, plans: &[Plan], now: Timestamp, out: &mut Derived) {
    out.unread_purchases = state.more_purchases;
    if state.more_purchases {
        out.alerts.push(format!(
            "the customer has paid more often than is read, {} purchases: older ones stay as they were recorded",
            state.purchases.len()
        ));
    }
    for session in state.purchases.iter().filter(|session| session.is_paid_once()) {
        if session.livemode != state.livemode {
            out.alerts.push(format!(
                "checkout session {} is of the other mode (live or test) than its customer; ignored",
                session.id
            ));
            continue;
        }
        if session.more_lines {
            out.alerts.push(format!(
                "checkout session {} has more lines than were read; those are not looked at",
                session.id
            ));
        }
        for line in session.lines.iter().filter(|line| line.quantity > 0) {
            match benefit(session, line, plans, now) {
                Ok(benefit) => out.benefits.push(benefit),
                Err(why) => out.foreign.push(Foreign {
                    object: session.id.clone(),
                    price: Some(line.price_id.clone()),
                    why,
                }),
            }
        }
    }
}

fn benefit(session: &CheckoutSession, line: &SessionLine, plans: &[Plan], now: Timestamp) -> Result<Benefit, String> {
    let price_id = &line.price_id;
    let sold = plans.iter().find_map(|plan| {
        let price = plan.prices.iter().find(|price| price.stripe_price == *price_id)?;
        Some((plan, price))
    });
    let (plan, price) = sold.ok_or_else(|| format!("price {price_id} belongs to no plan here"))?;
    let once = price
        .once
        .as_ref()
        .ok_or_else(|| format!("price {price_id} is not sold once here"))?;
    let span = once.span.times(line.quantity).ok_or_else(|| {
        format!(
            "{} times {} is longer than anything sold here",
            line.quantity, once.span
        )
    })?;
    let paid_at = session.paid_at.unwrap_or(now);
    let when = match session.paid_at {
        Some(at) => format!("paid on {}", moment(at)),
        None => "paid by a way that takes days".to_owned(),
    };
    Ok(Benefit {
        source: Source::Pass,
        source_ref: format!("{}/{}", session.id, line.id),
        plan: plan.id.clone(),
        entitlements: plan.entitlements.clone(),
        sites: plan.sites.clone(),
        from: paid_at,
        until: Some(span.after(paid_at, &once.zone)),
        because: format!("{span}, {when} (checkout session {})", session.id),
        bought: Some(Bought {
            paid_at,
            span,
            zone: once.zone.clone(),
        }),
        state_note: None,
    })
}
