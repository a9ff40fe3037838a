//! What is known of whoever looks at prices, gathered for [`Buyer`], which decides.

use latchkey_billing::{Buyer, CodeFault, Currency, Off, PromotionCode, StripeError, Subscription, readable_code};
use latchkey_entitlement::time::MINUTE;

use crate::{
    Problem,
    browser::Browser,
    currency,
    network::{Limit, Network},
    reader::Reader,
    server::App,
};

/// Codes that are looked up for one network: enough for people, too few for guessing.
const CODES_PER_NETWORK: Limit = Limit {
    name: "promotion-code-network",
    window_ms: 15 * MINUTE,
    most: 30,
};

/// What came of a promotion code that the reader brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CodeState {
    /// There was none.
    None,
    /// Stripe has it; what it does for a price is judged there.
    Known(String),
    /// It helps nowhere.
    Fault(String, CodeFault),
    /// Stripe could not be asked.
    Unasked(String),
    /// Nothing here takes codes.
    Useless(String),
}

/// Whoever looks at prices.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) buyer: Buyer,
    /// The currencies that there are.
    pub(crate) currencies: Vec<Currency>,
    /// The one to show; `None` if nothing is sold.
    pub(crate) currency: Option<Currency>,
    /// Whether a subscription in force binds them to a currency.
    pub(crate) bound: Option<Currency>,
    pub(crate) code: CodeState,
}

impl Visitor {
    /// Gathers what is known; `asked` is the currency and `code` the promotion code of the address or the form.
    pub(crate) async fn load(
        app: &App,
        browser: &Browser,
        network: &Network,
        reader: Option<&Reader>,
        asked: Option<&str>,
        code: Option<&str>,
    ) -> Result<Self, Problem> {
        let mut buyer = Buyer::default();
        let mut bound = None;
        if let Some(reader) = reader {
            let account = &reader.account;
            let rows = app.store.subscriptions_of(&account.id).await?;
            let read = rows
                .iter()
                .filter_map(|row| serde_json::from_str::<Subscription>(&row.body).ok());
            let had: Vec<Subscription> = read.collect();
            bound = had
                .iter()
                .filter(|own| own.binds_currency())
                .find_map(|own| Currency::parse(&own.currency).ok());
            buyer.paid_before = !had.is_empty();
            buyer.proven.clone_from(&account.email_proven);
            let customers = app.store.customers_of(&account.id).await?;
            buyer.customers = customers.into_iter().map(|customer| customer.id).collect();
            let proven = account.email_proven.as_deref();
            buyer.had_trial = app.store.had_trial(&account.id, proven, app.sync.livemode()).await?;
        }
        let currencies = currency::sold(&app.config.plans);
        let kept = browser.currency.as_deref();
        let currency = currency::shown(&currencies, bound.as_ref(), asked, kept, &browser.languages);
        let mut visitor = Self {
            buyer,
            currencies,
            currency,
            bound,
            code: CodeState::None,
        };
        if let Some(typed) = code.map(str::trim).filter(|typed| !typed.is_empty()) {
            visitor.bring_code(app, network, typed).await?;
        }
        Ok(visitor)
    }

    async fn bring_code(&mut self, app: &App, network: &Network, typed: &str) -> Result<(), Problem> {
        let mut prices = app.config.plans.iter().flat_map(|plan| &plan.prices);
        let shown: String = typed
            .chars()
            .take(latchkey_billing::promotion::MAX_CODE_LENGTH)
            .collect();
        if !prices.any(|price| price.terms.promotion_codes) {
            self.code = CodeState::Useless(shown);
            return Ok(());
        }
        let Some(code) = readable_code(typed) else {
            self.code = CodeState::Fault(shown, CodeFault::Unknown);
            return Ok(());
        };
        network
            .limit(app, CODES_PER_NETWORK, "Many codes were tried from your network.")
            .await?;
        self.code = match app.stripe.promotion_code(code).await {
            Ok(None) => CodeState::Fault(shown, CodeFault::Unknown),
            Ok(Some(found)) => {
                if let Err(fault) = found.is_usable(app.clock.now()) {
                    CodeState::Fault(shown, fault)
                } else {
                    self.learn_products(app, &found).await;
                    self.buyer.code = Some(found);
                    CodeState::Known(shown)
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a promotion code could not be looked up");
                CodeState::Unasked(shown)
            }
        };
        Ok(())
    }

    /// Which product each price is of, if the code is for some products alone.
    async fn learn_products(&mut self, app: &App, code: &PromotionCode) {
        if code.products.is_empty() {
            return;
        }
        let listed: Result<_, StripeError> = app.stripe.list_prices().await;
        match listed {
            Ok(prices) => {
                let pairs = prices.into_iter().map(|price| (price.id, price.product));
                self.buyer.products = pairs.collect();
            }
            Err(error) => tracing::warn!(%error, "the products of prices could not be looked up"),
        }
    }
}

impl CodeState {
    /// The code as it was typed.
    pub(crate) fn typed(&self) -> &str {
        match self {
            Self::None => "",
            Self::Known(code) | Self::Fault(code, _) | Self::Unasked(code) | Self::Useless(code) => code,
        }
    }

    /// What to tell, if the code helps nowhere.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::None | Self::Known(_) => None,
            Self::Fault(_, fault) => Some(in_words(*fault)),
            Self::Unasked(_) => {
                Some("It could not be checked just now. You can type it on the payment page, or try again in a minute.")
            }
            Self::Useless(_) => Some("There is nothing that takes codes at the moment."),
        }
    }
}

/// A fault of a code, for its reader.
pub(crate) fn in_words(fault: CodeFault) -> &'static str {
    match fault {
        CodeFault::Unknown => "We do not know this code. Please check it for typing mistakes.",
        CodeFault::Expired => "This code has ended.",
        CodeFault::UsedUp => "This code was used as often as it may be.",
        CodeFault::NotYours => "This code is for somebody else.",
        CodeFault::NewOnly => "This code is for new supporters.",
        CodeFault::NotForThis => "The code is not for this price.",
    }
}

/// What a code takes off, in words: `50 %`, `€2.00`.
pub(crate) fn off_in_words(off: &Off, currency: &Currency) -> String {
    match off {
        Off::Percent(hundredths) if hundredths % 100 == 0 => format!("{} %", hundredths / 100),
        Off::Percent(hundredths) => {
            let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            format!("{} %", text.trim_end_matches('0'))
        }
        Off::Amount(amounts) => {
            let own = amounts
                .iter()
                .find(|(known, _)| known == currency)
                .or_else(|| amounts.first());
            own.map_or_else(String::new, |(code, minor)| {
                latchkey_billing::format_money(*minor, code.as_str())
            })
        }
    }
}
