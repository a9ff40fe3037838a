//! What is asked of Stripe about prices: the terms of a Checkout session, promotion codes, coupons, the preview of a change.

use latchkey_billing::{
    ChangePreview, CheckoutTerms, ChosenPrice, Coupon, Currency, Discounted, Interval, MissingCard, PriceChange,
    PromotionCode, StripeError, TrialCard, parse_change_preview, parse_coupon, parse_page, parse_promotion_code,
};
use stripe_billing::{invoice, subscription as sub};
use stripe_checkout::checkout_session as checkout;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use url::form_urlencoded;

use crate::gateway::{Gateway, checked};

/// How many codes of one name are looked at: at most one of them is active.
const CODES: &str = "10";

/// The one line of a Checkout session.
pub(crate) fn line(
    price: &str,
    terms: &CheckoutTerms,
) -> Result<checkout::CreateCheckoutSessionLineItems, StripeError> {
    let mut line = checkout::CreateCheckoutSessionLineItems::new();
    line.quantity = Some(1);
    match &terms.chosen {
        Some(chosen) => line.price_data = Some(price_data(chosen)?),
        None => line.price = Some(price.to_owned()),
    }
    Ok(line)
}

fn price_data(chosen: &ChosenPrice) -> Result<checkout::CreateCheckoutSessionLineItemsPriceData, StripeError> {
    use checkout::CreateCheckoutSessionLineItemsPriceDataRecurringInterval as Unit;
    let mut data = checkout::CreateCheckoutSessionLineItemsPriceData::new(currency(&chosen.currency)?);
    data.product = Some(chosen.product.clone());
    data.unit_amount = Some(chosen.amount_minor);
    let mut recurring = checkout::CreateCheckoutSessionLineItemsPriceDataRecurring::new(match chosen.interval {
        Interval::Day => Unit::Day,
        Interval::Week => Unit::Week,
        Interval::Month => Unit::Month,
        Interval::Year => Unit::Year,
    });
    recurring.interval_count = Some(u64::from(chosen.interval_count));
    data.recurring = Some(recurring);
    Ok(data)
}

pub(crate) fn currency(code: &Currency) -> Result<stripe_types::Currency, StripeError> {
    code.as_str().parse().map_err(|_| StripeError::Malformed {
        what: format!("the currency {code}"),
    })
}

/// Writes the terms into a session's request and the data of its subscription.
pub(crate) fn with_terms(
    mut request: checkout::CreateCheckoutSession,
    mut subscription: checkout::CreateCheckoutSessionSubscriptionData,
    terms: &CheckoutTerms,
) -> Result<checkout::CreateCheckoutSession, StripeError> {
    use checkout::CreateCheckoutSessionSubscriptionDataTrialSettingsEndBehaviorMissingPaymentMethod as Missing;
    if let Some(trial) = terms.trial {
        subscription.trial_period_days = Some(trial.days);
        if let TrialCard::NotRequired(then) = trial.card {
            request =
                request.payment_method_collection(checkout::CreateCheckoutSessionPaymentMethodCollection::IfRequired);
            let end = checkout::CreateCheckoutSessionSubscriptionDataTrialSettingsEndBehavior::new(match then {
                MissingCard::Cancel => Missing::Cancel,
                MissingCard::Pause => Missing::Pause,
            });
            subscription.trial_settings = Some(checkout::CreateCheckoutSessionSubscriptionDataTrialSettings::new(end));
        }
    }
    Ok(once_with_terms(request, terms)?.subscription_data(subscription))
}

/// The same for what is paid once: currency and reductions.
pub(crate) fn once_with_terms(
    mut request: checkout::CreateCheckoutSession,
    terms: &CheckoutTerms,
) -> Result<checkout::CreateCheckoutSession, StripeError> {
    if let Some(code) = &terms.currency {
        request = request.currency(currency(code)?);
    }
    // Stripe refuses both at once.
    Ok(match &terms.discount {
        Some(discount) => {
            let mut one = checkout::CreateCheckoutSessionDiscounts::new();
            match discount {
                Discounted::Coupon(id) => one.coupon = Some(id.clone()),
                Discounted::PromotionCode(id) => one.promotion_code = Some(id.clone()),
            }
            request.discounts(vec![one])
        }
        None if terms.promotion_codes => request.allow_promotion_codes(true),
        None => request,
    })
}

/// A change of price that is charged at once, as its preview said.
pub(crate) fn change(id: &str, change: PriceChange) -> sub::UpdateSubscription {
    let mut line = sub::UpdateSubscriptionItems::new();
    line.id = Some(change.item);
    line.price = Some(change.price);
    // The items change only once the difference is paid.
    sub::UpdateSubscription::new(id)
        .items(vec![line])
        .proration_behavior(sub::UpdateSubscriptionProrationBehavior::AlwaysInvoice)
        .proration_date(change.proration_date.seconds())
        .payment_behavior(sub::UpdateSubscriptionPaymentBehavior::PendingIfIncomplete)
}

impl Gateway {
    pub(crate) async fn preview(&self, change: &PriceChange) -> Result<ChangePreview, StripeError> {
        let mut item = invoice::CreatePreviewInvoiceSubscriptionDetailsItems::new();
        item.id = Some(change.item.clone());
        item.price = Some(change.price.clone());
        let mut details = invoice::CreatePreviewInvoiceSubscriptionDetails::new();
        details.items = Some(vec![item]);
        details.proration_behavior =
            Some(invoice::CreatePreviewInvoiceSubscriptionDetailsProrationBehavior::AlwaysInvoice);
        details.proration_date = Some(change.proration_date.seconds());
        let request = invoice::CreatePreviewInvoice::new()
            .customer(&change.customer)
            .subscription(checked(&change.subscription)?)
            .subscription_details(details);
        Ok(parse_change_preview(&self.get(request.build()).await?)?)
    }

    pub(crate) async fn find_promotion_code(&self, code: &str) -> Result<Option<PromotionCode>, StripeError> {
        let mut request = RequestBuilder::new(StripeMethod::Get, "/promotion_codes");
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("code", code)
            .append_pair("limit", CODES)
            .append_pair("expand[]", "data.promotion.coupon.applies_to")
            .append_pair("expand[]", "data.promotion.coupon.currency_options")
            .finish();
        request.query = Some(query);
        let found = parse_page(&self.get(request).await?, parse_promotion_code)?.items;
        let active = found.iter().find(|one| one.active).cloned();
        Ok(active.or_else(|| found.into_iter().next()))
    }

    /// A coupon by its id; `None` if Stripe has none in the key's mode.
    pub async fn coupon(&self, id: &str) -> Result<Option<Coupon>, StripeError> {
        let Ok(id) = checked(id) else { return Ok(None) };
        let mut request = RequestBuilder::new(StripeMethod::Get, format!("/coupons/{id}"));
        let expand = ["applies_to", "currency_options"];
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(expand.map(|field| ("expand[]", field)))
            .finish();
        request.query = Some(query);
        match self.get(request).await {
            Ok(json) => Ok(Some(parse_coupon(&json)?)),
            Err(StripeError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether Stripe has an active product of an id, in the key's mode.
    pub async fn has_product(&self, id: &str) -> Result<bool, StripeError> {
        let Ok(id) = checked(id) else { return Ok(false) };
        match self
            .get(RequestBuilder::new(StripeMethod::Get, format!("/products/{id}")))
            .await
        {
            Ok(json) => Ok(json.get("active").and_then(serde_json::Value::as_bool) == Some(true)),
            Err(StripeError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
