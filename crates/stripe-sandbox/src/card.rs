//! Cards: Stripe's test numbers and how each of them behaves.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::debit::BankAccount;
use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::state::State;

const MIN_DIGITS: usize = 12;
const MAX_DIGITS: usize = 19;

/// How a card behaves when it is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Behaviour {
    Pays,
    /// Pays while its owner is there, fails afterwards.
    FailsLater,
    Declined,
    InsufficientFunds,
    Expired,
    WrongCvc,
    ProcessingError,
    /// Asks its owner for authentication the first time.
    AsksOnce,
    /// Asks its owner for authentication each time.
    AsksAlways,
    /// Pays, and its owner disputes the payment soon after.
    Disputed,
    /// Pays, and its owner's bank asks about the payment soon after.
    Inquired,
    /// Pays; a refund of it succeeds at first and fails an hour later.
    RefundFails,
    /// Pays; a refund of it is pending for an hour.
    RefundPends,
    /// A well-formed number that is no test number.
    NotATestCard,
}

/// Stripe's test numbers (docs.stripe.com/testing), as far as the sandbox knows them.
const NUMBERS: [(&str, Behaviour); 19] = [
    ("4242424242424242", Behaviour::Pays),
    ("4000056655665556", Behaviour::Pays),
    ("5555555555554444", Behaviour::Pays),
    ("5200828282828210", Behaviour::Pays),
    ("378282246310005", Behaviour::Pays),
    ("6011111111111117", Behaviour::Pays),
    ("4000000000000341", Behaviour::FailsLater),
    ("4000000000000002", Behaviour::Declined),
    ("4000000000009995", Behaviour::InsufficientFunds),
    ("4000000000000069", Behaviour::Expired),
    ("4000000000000127", Behaviour::WrongCvc),
    ("4000000000000119", Behaviour::ProcessingError),
    ("4000002500003155", Behaviour::AsksOnce),
    ("4000002760003184", Behaviour::AsksAlways),
    ("4000003800000446", Behaviour::Pays),
    ("4000000000000259", Behaviour::Disputed),
    ("4000000000001976", Behaviour::Inquired),
    ("4000000000005126", Behaviour::RefundFails),
    ("4000000000007726", Behaviour::RefundPends),
];

impl Behaviour {
    /// What the bank says while the owner is there; authentication is asked for separately.
    fn on_session(self) -> Result<(), ApiError> {
        match self {
            Self::Pays
            | Self::FailsLater
            | Self::AsksOnce
            | Self::AsksAlways
            | Self::Disputed
            | Self::Inquired
            | Self::RefundFails
            | Self::RefundPends => Ok(()),
            Self::Declined => Err(declined()),
            Self::InsufficientFunds => Err(ApiError::card(
                "card_declined",
                Some("insufficient_funds"),
                "Your card has insufficient funds.",
            )),
            Self::Expired => Err(ApiError::card("expired_card", None, "Your card has expired.")),
            Self::WrongCvc => Err(ApiError::card(
                "incorrect_cvc",
                None,
                "Your card's security code is incorrect.",
            )),
            Self::ProcessingError => Err(ApiError::card(
                "processing_error",
                None,
                "An error occurred while processing your card. Try again in a little bit.",
            )),
            Self::NotATestCard => Err(ApiError::card(
                "card_declined",
                Some("test_mode_live_card"),
                "Your card was declined. Your request was in test mode, but used a non test card. Use 4242 4242 4242 4242.",
            )),
        }
    }

    fn off_session(self) -> Result<(), ApiError> {
        match self {
            Self::FailsLater => Err(declined()),
            Self::AsksAlways => Err(ApiError::card(
                "authentication_required",
                Some("authentication_required"),
                "Your card was declined. This transaction requires authentication.",
            )),
            other => other.on_session(),
        }
    }
}

fn declined() -> ApiError {
    ApiError::card("card_declined", Some("generic_decline"), "Your card was declined.")
}

/// A card as it was typed and found well-formed. The number itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) brand: String,
    pub(crate) last4: String,
    pub(crate) exp_month: u8,
    pub(crate) exp_year: i32,
    pub(crate) behaviour: Behaviour,
}

/// Why a typed card is not accepted: which field, and the sentence that Stripe shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CardFault {
    pub(crate) field: &'static str,
    pub(crate) message: &'static str,
}

const fn fault(field: &'static str, message: &'static str) -> CardFault {
    CardFault { field, message }
}

impl Card {
    /// Reads the three fields of a card form: digits with blanks or dashes, `MM/YY` or `MM/YYYY`, three or four digits.
    pub(crate) fn read(number: &str, expiry: &str, cvc: &str, now: i64) -> Result<Self, CardFault> {
        let digits: String = number.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).collect();
        if digits.is_empty() || digits.len() < MIN_DIGITS {
            return Err(fault("number", "Your card number is incomplete."));
        }
        if digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) || !luhn(&digits) {
            return Err(fault("number", "Your card number is invalid."));
        }
        let (exp_month, exp_year) = read_expiry(expiry, now)?;
        let brand = brand(&digits);
        let cvc_digits = if brand == "amex" { 4 } else { 3 };
        if cvc.trim().len() != cvc_digits || !cvc.trim().bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(fault("cvc", "Your card's security code is incomplete."));
        }
        let behaviour = NUMBERS
            .iter()
            .find(|(known, _)| *known == digits)
            .map_or(Behaviour::NotATestCard, |known| known.1);
        let last4 = digits
            .get(digits.len().saturating_sub(4)..)
            .unwrap_or_default()
            .to_owned();
        Ok(Self {
            brand: brand.to_owned(),
            last4,
            exp_month,
            exp_year,
            behaviour,
        })
    }

    pub(crate) fn show(&self) -> String {
        let brand = match self.brand.as_str() {
            "visa" => "Visa",
            "mastercard" => "Mastercard",
            "amex" => "American Express",
            "discover" => "Discover",
            _ => "Card",
        };
        format!("{brand} •••• {} ({:02}/{})", self.last4, self.exp_month, self.exp_year)
    }

    pub(crate) fn asks(&self) -> bool {
        matches!(self.behaviour, Behaviour::AsksOnce | Behaviour::AsksAlways)
    }
}

fn read_expiry(expiry: &str, now: i64) -> Result<(u8, i32), CardFault> {
    const INCOMPLETE: CardFault = fault("expiry", "Your card's expiration date is incomplete.");
    let (month, year) = expiry.split_once('/').ok_or(INCOMPLETE)?;
    let month: u8 = month.trim().parse().map_err(|_| INCOMPLETE)?;
    let year_text = year.trim();
    let year: i32 = year_text.parse().map_err(|_| INCOMPLETE)?;
    let year = match year_text.len() {
        2 => 2000 + year,
        4 => year,
        _ => return Err(INCOMPLETE),
    };
    if !(1..=12).contains(&month) {
        return Err(fault("expiry", "Your card's expiration date is invalid."));
    }
    let today = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    if (year, month) < (today.year(), u8::from(today.month())) {
        return Err(fault("expiry", "Your card's expiration date is in the past."));
    }
    if year > today.year() + 50 {
        return Err(fault("expiry", "Your card's expiration year is invalid."));
    }
    Ok((month, year))
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            let doubled = if place % 2 == 1 { digit * 2 } else { digit };
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn brand(digits: &str) -> &'static str {
    match digits.as_bytes() {
        [b'4', ..] => "visa",
        [b'5', b'1'..=b'5', ..] | [b'2', b'2'..=b'7', ..] => "mastercard",
        [b'3', b'4' | b'7', ..] => "amex",
        [b'6', ..] => "discover",
        _ => "unknown",
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: Option<String>,
    pub(crate) card: Card,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) metadata: Metadata,
}

impl PaymentMethod {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": "limited",
            "billing_details": {
                "address": { "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null },
                "email": self.email,
                "name": self.name,
                "phone": null,
                "tax_id": null,
            },
            "card": {
                "brand": self.card.brand,
                "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
                "country": "US",
                "display_brand": self.card.brand,
                "exp_month": self.card.exp_month,
                "exp_year": self.card.exp_year,
                "fingerprint": format!("sandbox{}{}", self.card.brand, self.card.last4),
                "funding": "credit",
                "generated_from": null,
                "last4": self.card.last4,
                "networks": { "available": [self.card.brand], "preferred": null },
                "regulated_status": "unregulated",
                "three_d_secure_usage": { "supported": true },
                "wallet": null,
            },
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "livemode": false,
            "metadata": self.metadata,
            "type": "card",
        })
    }
}

impl State {
    /// Keeps a card; attached to a customer, it emits its event.
    pub(crate) fn add_card(&mut self, card: Card, customer: Option<&str>, name: Option<&str>) -> String {
        let id = self.new_id("pm", 10);
        let email = customer
            .and_then(|id| self.customers.get(id))
            .and_then(|customer| customer.email.clone());
        let method = PaymentMethod {
            id: id.clone(),
            created: self.now,
            customer: None,
            card,
            email,
            name: name
                .filter(|name| !name.trim().is_empty())
                .map(|name| name.trim().to_owned()),
            metadata: Metadata::new(),
        };
        self.payment_methods.insert(id.clone(), method);
        if let Some(customer) = customer {
            self.attach_card(&id, customer);
        }
        id
    }

    pub(crate) fn attach_card(&mut self, id: &str, customer: &str) {
        let Some(method) = self.payment_methods.get_mut(id) else {
            return;
        };
        method.customer = Some(customer.to_owned());
        let shown = method.render();
        self.emit("payment_method.attached", shown);
    }

    /// The card that a parameter names, which must belong to the customer.
    pub(crate) fn card_of(&self, id: &str, customer: &str, param: &str) -> Result<&PaymentMethod, ApiError> {
        let found = self
            .payment_methods
            .get(id)
            .filter(|method| method.customer.as_deref() == Some(customer));
        found.ok_or_else(|| ApiError::no_such_param("PaymentMethod", id, param))
    }

    /// Charges a card: what the control panel asked for comes first, then the card's own behaviour.
    pub(crate) fn charge(&mut self, customer: Option<&str>, card: &Card, off_session: bool) -> Result<(), ApiError> {
        if let Some(customer) = customer
            && let Some(left) = self.failing.get_mut(customer)
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.failing.remove(customer);
            }
            return Err(declined());
        }
        if off_session {
            card.behaviour.off_session()
        } else {
            card.behaviour.on_session()
        }
    }
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    state
        .payment_methods
        .get(id)
        .map(PaymentMethod::render)
        .or_else(|| state.bank_accounts.get(id).map(BankAccount::render))
        .ok_or_else(|| ApiError::no_such("PaymentMethod", id))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["customer", "type"])?;
    let customer = params.text("customer");
    params.choice("type", &["card"])?;
    list::page(
        "PaymentMethod",
        "/v1/payment_methods",
        params,
        &state.payment_methods,
        |method| customer.is_some() && method.customer.as_deref() == customer,
        |method| method.created,
        PaymentMethod::render,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000; // January 2027

    #[test]
    fn typed_cards_are_checked_field_by_field() {
        let read = |number, expiry, cvc| Card::read(number, expiry, cvc, NOW).map_err(|fault| fault.field);
        assert_eq!(read("4242 4242 4242 4242", "01/27", "123").unwrap().last4, "4242");
        assert_eq!(read("4242424242424241", "12/34", "123"), Err("number"));
        assert_eq!(read("4242", "12/34", "123"), Err("number"));
        assert_eq!(read("4242x24242424242", "12/34", "123"), Err("number"));
        assert_eq!(read("4242424242424242", "12/26", "123"), Err("expiry"));
        assert_eq!(read("4242424242424242", "13/30", "123"), Err("expiry"));
        assert_eq!(read("4242424242424242", "1230", "123"), Err("expiry"));
        assert_eq!(read("4242424242424242", "12/34", "12"), Err("cvc"));
        assert_eq!(read("378282246310005", "12/34", "123"), Err("cvc"));
        assert_eq!(
            read("4111111111111111", "12/34", "123").unwrap().behaviour,
            Behaviour::NotATestCard
        );
    }

    #[test]
    fn every_known_number_is_well_formed() {
        assert!(NUMBERS.iter().all(|(number, _)| luhn(number)));
    }
}
