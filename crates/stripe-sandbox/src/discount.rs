//! Discounts: coupons as they hold for a session or a subscription, and what they take off an invoice.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::{Interval, add_intervals};
use crate::coupon::Duration;
use crate::error::ApiError;
use crate::invoice::Line;
use crate::params::Params;
use crate::promotion_code::Use;
use crate::state::State;

/// What a Checkout session takes off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chosen {
    pub(crate) coupon: String,
    pub(crate) promotion_code: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Discount {
    pub(crate) id: String,
    pub(crate) coupon: String,
    pub(crate) promotion_code: Option<String>,
    pub(crate) customer: String,
    pub(crate) subscription: String,
    pub(crate) session: Option<String>,
    pub(crate) start: i64,
    pub(crate) end: Option<i64>,
}

impl Discount {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "discount",
            "checkout_session": self.session,
            "customer": self.customer,
            "customer_account": null,
            "end": self.end,
            "invoice": null,
            "invoice_item": null,
            "promotion_code": self.promotion_code,
            "source": { "coupon": self.coupon, "type": "coupon" },
            "start": self.start,
            "subscription": self.subscription,
            "subscription_item": null,
        })
    }
}

impl State {
    /// What a session is to take off, by its parameter `discounts`.
    pub(crate) fn read_discount(&self, params: &Params, wanted: &Use<'_>) -> Result<Option<Chosen>, ApiError> {
        let indices = params.indices("discounts");
        let [index] = indices.as_slice() else {
            return if indices.is_empty() {
                Ok(None)
            } else {
                Err(ApiError::invalid(
                    "You can only specify up to 1 discount.",
                    Some("discounts"),
                ))
            };
        };
        if params.raw("allow_promotion_codes").is_some() {
            let message = "You may only specify one of these parameters: allow_promotion_codes, discounts.";
            return Err(ApiError::invalid(message, None));
        }
        let (coupon, code) = (
            format!("discounts[{index}][coupon]"),
            format!("discounts[{index}][promotion_code]"),
        );
        match (params.text(&coupon), params.text(&code)) {
            (Some(id), None) => {
                self.admit_coupon(id, wanted)?;
                Ok(Some(Chosen {
                    coupon: id.to_owned(),
                    promotion_code: None,
                }))
            }
            (None, Some(id)) => {
                let found = self.promotion_codes.get(id);
                let found = found.ok_or_else(|| ApiError::no_such_param("promotion_code", id, &code))?;
                self.admit_code(found, wanted)?;
                Ok(Some(Chosen {
                    coupon: found.coupon.clone(),
                    promotion_code: Some(id.to_owned()),
                }))
            }
            _ => Err(ApiError::invalid(
                "Specify one of coupon, promotion_code.",
                Some("discounts"),
            )),
        }
    }

    /// What a coupon takes off lines of `(product, amount)`, line by line.
    pub(crate) fn off_lines(&self, coupon: &str, currency: &str, lines: &[(String, i64)]) -> Vec<i64> {
        let Some(coupon) = self.coupons.get(coupon) else {
            return vec![0; lines.len()];
        };
        let whole: i64 = lines
            .iter()
            .filter(|line| coupon.is_for(&line.0))
            .map(|line| line.1)
            .sum();
        let mut left = coupon.off(whole, currency).unwrap_or_default();
        let one = |(product, amount): &(String, i64)| {
            let off = if coupon.is_for(product) {
                coupon.off(*amount, currency).unwrap_or_default().min(left)
            } else {
                0
            };
            left -= off;
            off
        };
        lines.iter().map(one).collect()
    }

    /// Begins a session's discount for the subscription that it led to.
    pub(crate) fn begin_discount(
        &mut self,
        chosen: &Chosen,
        customer: &str,
        subscription: &str,
        session: &str,
    ) -> String {
        let (id, now) = (self.new_id("di", 10), self.now);
        let months = self.coupons.get(&chosen.coupon).and_then(|coupon| coupon.months);
        if let Some(coupon) = self.coupons.get_mut(&chosen.coupon) {
            coupon.times_redeemed += 1;
        }
        if let Some(code) = chosen
            .promotion_code
            .as_ref()
            .and_then(|id| self.promotion_codes.get_mut(id))
        {
            code.times_redeemed += 1;
        }
        let discount = Discount {
            id: id.clone(),
            coupon: chosen.coupon.clone(),
            promotion_code: chosen.promotion_code.clone(),
            customer: customer.to_owned(),
            subscription: subscription.to_owned(),
            session: Some(session.to_owned()),
            start: now,
            end: months.map(|months| add_intervals(now, Interval::Month, months)),
        };
        let shown = discount.render();
        self.discounts.insert(id.clone(), discount);
        self.emit("customer.discount.created", shown);
        id
    }

    /// Takes a subscription's discounts off the lines of an invoice for its period, and ends those that are over.
    pub(crate) fn apply_discounts(&mut self, subscription: &str, lines: &mut [Line]) {
        let Some(one) = self.subscriptions.get(subscription).cloned() else {
            return;
        };
        let owed: i64 = lines.iter().map(|line| line.amount).sum();
        for id in &one.discounts {
            let Some(discount) = self.discounts.get(id).cloned() else {
                continue;
            };
            if discount.end.is_some_and(|end| one.period_start >= end) {
                self.end_discount(subscription, id);
                continue;
            }
            let reducible = |line: &&mut Line| !line.proration && line.amount > 0;
            let product = |line: &Line| self.prices.get(&line.price).map(|price| price.product.clone());
            let parts: Vec<(String, i64)> = lines
                .iter_mut()
                .filter(reducible)
                .map(|line| (product(line).unwrap_or_default(), line.amount - line.off()))
                .collect();
            let off = self.off_lines(&discount.coupon, &one.currency, &parts);
            for (line, off) in lines.iter_mut().filter(reducible).zip(off) {
                if off > 0 {
                    line.discounts.push((id.clone(), off));
                }
            }
            let once = self
                .coupons
                .get(&discount.coupon)
                .is_some_and(|it| it.duration == Duration::Once);
            // What is free anyway, as in a trial, does not use it up.
            if once && owed > 0 {
                self.end_discount(subscription, id);
            }
        }
    }

    fn end_discount(&mut self, subscription: &str, id: &str) {
        if let Some(one) = self.subscriptions.get_mut(subscription) {
            one.discounts.retain(|own| own != id);
        }
        if let Some(shown) = self.discounts.get(id).map(Discount::render) {
            self.emit("customer.discount.deleted", shown);
        }
    }

    /// What `amount` of a subscription's price costs with the discounts that go on.
    pub(crate) fn discounted(&self, discounts: &[String], product: &str, currency: &str, amount: i64) -> i64 {
        let lasting = discounts.iter().filter_map(|id| self.discounts.get(id));
        lasting.fold(amount, |left, discount| {
            let off = self.off_lines(&discount.coupon, currency, &[(product.to_owned(), left)]);
            left - off.first().copied().unwrap_or_default()
        })
    }
}
