//! Coupons, promotion codes, discounts, and previews of a change.

use latchkey_entitlement::Timestamp;
use serde_json::Value;

use super::{ParseError, Reader};
use crate::{
    change::ChangePreview,
    plan::Currency,
    promotion::PromotionCode,
    reduction::{Lasts, Off, Reduction},
    stripe::{Coupon, Discount},
};

/// The discounts that were expanded, and whether there are others.
pub(super) fn parse_discounts(it: &Reader<'_>) -> Result<(Vec<Discount>, bool), ParseError> {
    let all = it
        .get("discounts")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let mut read = Vec::new();
    for one in all.iter().filter(|one| one.is_object()) {
        let discount = Reader::new("discount", one)?;
        // Under `source` since version 2025-09-30.
        let coupon = discount.get("source.coupon").or_else(|| discount.get("coupon"));
        let Some(coupon) = coupon.filter(|coupon| coupon.is_object()) else {
            continue;
        };
        let coupon = parse_coupon(coupon)?;
        read.push(Discount {
            coupon: coupon.id,
            reduction: coupon.reduction,
            end: discount.opt_time("end")?,
        });
    }
    let unread = read.len() < all.len();
    Ok((read, unread))
}

/// Reads a coupon.
pub fn parse_coupon(json: &Value) -> Result<Coupon, ParseError> {
    let it = Reader::new("coupon", json)?;
    Ok(Coupon {
        id: it.text("id")?,
        valid: it.flag("valid")?,
        reduction: Reduction {
            off: parse_off(&it)?,
            lasts: parse_lasts(&it)?,
        },
        products: texts(&it, "applies_to.products"),
        livemode: it.mode()?,
    })
}

fn parse_off(it: &Reader<'_>) -> Result<Off, ParseError> {
    if let Some(percent) = it.get("percent_off") {
        let hundredths = percent.as_f64().map(|percent| (percent * 100.0).round());
        let hundredths = hundredths.filter(|value| (0.0..=10_000.0).contains(value));
        // In range, so that nothing is lost.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be 0 to 10000"
        )]
        return hundredths
            .map(|value| Off::Percent(value as u32))
            .ok_or_else(|| it.error("percent_off", "not a percentage"));
    }
    let currency = |code: &str| Currency::parse(code).map_err(|_| it.error("currency", "not a currency"));
    let mut amounts = vec![(currency(&it.text("currency")?)?, it.int("amount_off")?)];
    let others = it.get("currency_options").and_then(Value::as_object);
    for (code, option) in others.into_iter().flatten() {
        let code = currency(code)?;
        if let Some(amount) = option.get("amount_off").and_then(Value::as_i64)
            && amounts.iter().all(|(known, _)| *known != code)
        {
            amounts.push((code, amount));
        }
    }
    Ok(Off::Amount(amounts))
}

fn parse_lasts(it: &Reader<'_>) -> Result<Lasts, ParseError> {
    match it.text("duration")?.as_str() {
        "once" => Ok(Lasts::Once),
        "forever" => Ok(Lasts::Forever),
        "repeating" => {
            let months = it.int("duration_in_months")?;
            let months = u32::try_from(months).map_err(|_| it.error("duration_in_months", "out of range"))?;
            Ok(Lasts::Months(months))
        }
        _ => Err(it.error("duration", "none of once, repeating, forever")),
    }
}

fn texts(it: &Reader<'_>, path: &str) -> Vec<String> {
    let list = it.get(path).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Reads a promotion code whose coupon was expanded. The coupon stands under `promotion` since version 2025-09-30.
pub fn parse_promotion_code(json: &Value) -> Result<PromotionCode, ParseError> {
    let it = Reader::new("promotion_code", json)?;
    let coupon = it.get("promotion.coupon").or_else(|| it.get("coupon"));
    let coupon = parse_coupon(coupon.ok_or_else(|| it.error("promotion.coupon", "missing"))?)?;
    let count = |path: &str| {
        it.opt_int(path)
            .map(|found| found.and_then(|count| u64::try_from(count).ok()))
    };
    let minimum = match it.opt_int("restrictions.minimum_amount")? {
        Some(least) => {
            let currency = it.text("restrictions.minimum_amount_currency")?;
            Some((currency.to_ascii_lowercase(), least))
        }
        None => None,
    };
    Ok(PromotionCode {
        id: it.text("id")?,
        code: it.text("code")?,
        active: it.flag("active")?,
        customer: it.opt_id("customer")?,
        expires_at: it.opt_time("expires_at")?,
        max_redemptions: count("max_redemptions")?,
        times_redeemed: count("times_redeemed")?.unwrap_or(0),
        first_time_only: it.flag("restrictions.first_time_transaction")?,
        minimum,
        coupon: coupon.id,
        coupon_valid: coupon.valid,
        products: coupon.products,
        reduction: coupon.reduction,
    })
}

/// Reads the preview of an invoice for a change of price.
pub fn parse_change_preview(json: &Value) -> Result<ChangePreview, ParseError> {
    let it = Reader::new("invoice", json)?;
    let lines = it.get("lines.data").and_then(Value::as_array);
    let ends = lines
        .into_iter()
        .flatten()
        .filter_map(|line| line.get("period")?.get("end")?.as_i64());
    let renews_at = ends
        .max()
        .map_or_else(|| it.time("period_end"), |end| Ok(Timestamp::from_seconds(end)))?;
    let total = it.int("total")?;
    Ok(ChangePreview {
        currency: it.text("currency")?.to_ascii_lowercase(),
        due_minor: it.int("amount_due")?,
        credit_minor: total.min(0).saturating_neg(),
        renews_at,
    })
}
