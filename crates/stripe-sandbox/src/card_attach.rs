//! Cards that a caller names by Stripe's test ids (`pm_card_visa`) and puts on a customer.

use crate::card::{Card, PaymentMethod};
use crate::error::{ApiError, ApiResult};
use crate::params::Params;
use crate::state::State;

/// Stripe's test ids (docs.stripe.com/testing) and the cards they stand for.
const TEST_IDS: [(&str, &str); 5] = [
    ("pm_card_visa", "4242424242424242"),
    ("pm_card_mastercard", "5555555555554444"),
    ("pm_card_amex", "378282246310005"),
    ("pm_card_chargeCustomerFail", "4000000000000341"),
    ("pm_card_visa_chargeDeclined", "4000000000000002"),
];
/// Later than any clock here goes.
const EXPIRY: &str = "12/49";

/// `POST /v1/payment_methods/{id}/attach`
pub(crate) fn attach(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&["customer"])?;
    let customer = params.required("customer")?.to_owned();
    state.live_customer(&customer, "customer")?;
    let attached = if let Some((_, number)) = TEST_IDS.iter().find(|(known, _)| *known == id) {
        let code = if number.starts_with('3') { "1234" } else { "123" };
        let card = Card::read(number, EXPIRY, code, state.now)
            .map_err(|fault| ApiError::card("invalid_card", None, fault.message))?;
        // Saving a card asks the bank as a payment would.
        state.charge(None, &card, false)?;
        state.add_card(card, Some(&customer), None)
    } else {
        let method = state
            .payment_methods
            .get(id)
            .ok_or_else(|| ApiError::no_such("PaymentMethod", id))?;
        if method.customer.as_ref().is_some_and(|owner| *owner != customer) {
            return Err(ApiError::invalid(
                "The payment method you provided has already been attached to a customer.",
                None,
            )
            .with_code("payment_method_unexpected_state"));
        }
        state.attach_card(id, &customer);
        id.to_owned()
    };
    let method = state.payment_methods.get(&attached);
    method
        .map(PaymentMethod::render)
        .ok_or_else(|| ApiError::no_such("PaymentMethod", &attached))
}
