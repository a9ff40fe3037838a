//! The fixed list of calls that a recording holds: a life in Stripe's test mode that costs nothing and cleans up after itself.

use latchkey_billing::{IdempotencyKey, StripeError};
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};
use url::form_urlencoded::Serializer;

use crate::gateway::Gateway;

/// An id that Stripe never gives, for what it says then.
const NOWHERE: &str = "sub_1Nowhere0000000000000000";
/// What a step is refused with that needs an object which an earlier step did not get.
const SKIPPED: &str = "an earlier step gave nothing to go on with";

/// One step, and what came of it. That Stripe refuses may be what is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TourStep {
    /// Method and path.
    pub call: String,
    /// Why there was no object; `None` if there was one.
    pub refused: Option<String>,
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

struct Tour<'a> {
    gateway: &'a Gateway,
    run: &'a str,
    steps: Vec<TourStep>,
}

impl Gateway {
    /// Makes every call of the tour, one after another. `run` is a word that no tour had before, since keys are made of it; `now` is
    /// the present in seconds.
    ///
    /// # Errors
    /// Nothing is called with a live key.
    pub async fn tour(&self, run: &str, now: i64) -> Result<Vec<TourStep>, StripeError> {
        if self.livemode() {
            return Err(StripeError::Malformed {
                what: "a live key: a tour makes objects, and is for test mode alone".to_owned(),
            });
        }
        let mut tour = Tour {
            gateway: self,
            run,
            steps: vec![],
        };
        tour.account().await;
        let (clock, customer) = tour.customer(now).await;
        let (product, price) = tour.catalogue().await;
        tour.checkout(customer.as_deref(), price.as_deref()).await;
        tour.subscription(customer.as_deref(), price.as_deref()).await;
        tour.refusals(customer.as_deref()).await;
        tour.clean_up(clock, customer, product, price).await;
        Ok(tour.steps)
    }
}

impl Tour<'_> {
    async fn call(&mut self, method: StripeMethod, path: &str, pairs: Pairs<'_>) -> Option<Value> {
        let key = format!("latchkey.tour.{}.{}", self.run, self.steps.len());
        self.call_under(method, path, pairs, &key).await
    }

    async fn call_under(&mut self, method: StripeMethod, path: &str, pairs: Pairs<'_>, key: &str) -> Option<Value> {
        let word = match method {
            StripeMethod::Get => "GET",
            StripeMethod::Post => "POST",
            StripeMethod::Delete => "DELETE",
        };
        let mut form = Serializer::new(String::new());
        for (name, value) in pairs {
            form.append_pair(name, value);
        }
        let text = Some(form.finish()).filter(|text| !text.is_empty());
        let key = IdempotencyKey::new(key);
        let posts = matches!(method, StripeMethod::Post);
        let mut request = RequestBuilder::new(method, path);
        if posts {
            request.body = Some(text.unwrap_or_default());
        } else {
            request.query = text;
        }
        let answered = if posts {
            self.gateway.post(request, &key).await
        } else {
            self.gateway.get(request).await
        };
        self.steps.push(TourStep {
            call: format!("{word} {path}"),
            refused: answered.as_ref().err().map(ToString::to_string),
        });
        answered.ok()
    }

    async fn get(&mut self, path: &str, pairs: Pairs<'_>) -> Option<Value> {
        self.call(StripeMethod::Get, path, pairs).await
    }

    async fn post(&mut self, path: &str, pairs: Pairs<'_>) -> Option<Value> {
        self.call(StripeMethod::Post, path, pairs).await
    }

    fn skip(&mut self, what: &str) {
        self.steps.push(TourStep {
            call: what.to_owned(),
            refused: Some(SKIPPED.to_owned()),
        });
    }

    async fn account(&mut self) {
        self.get("/account", &[]).await;
        self.get("/tax/settings", &[]).await;
        self.get("/webhook_endpoints", &[("limit", "1")]).await;
        self.get("/billing_portal/configurations", &[("limit", "1")]).await;
    }

    async fn customer(&mut self, now: i64) -> (Option<String>, Option<String>) {
        let now = now.to_string();
        let clock = [("frozen_time", now.as_str()), ("name", "Latchkey")];
        let clock = id(self.post("/test_helpers/test_clocks", &clock).await.as_ref());
        let mut pairs = vec![("email", "reader@example.org"), ("metadata[latchkey_account]", "acc_1")];
        pairs.extend(clock.as_deref().map(|clock| ("test_clock", clock)));
        let customer = id(self.post("/customers", &pairs).await.as_ref());
        if let Some(customer) = &customer {
            self.get(&format!("/customers/{customer}"), &[]).await;
        }
        (clock, customer)
    }

    async fn catalogue(&mut self) -> (Option<String>, Option<String>) {
        let product = [("name", "Latchkey recording"), ("metadata[latchkey_plan]", "pln_tour")];
        let product = id(self.post("/products", &product).await.as_ref());
        let key = format!("latchkey_tour_{}", self.run);
        let Some(made) = product.clone() else {
            self.skip("prices");
            return (None, None);
        };
        let price = [
            ("product", made.as_str()),
            ("currency", "eur"),
            ("unit_amount", "500"),
            ("recurring[interval]", "month"),
            ("lookup_key", key.as_str()),
        ];
        let price = id(self.post("/prices", &price).await.as_ref());
        self.get("/prices", &[("lookup_keys[0]", key.as_str())]).await;
        (product, price)
    }

    async fn checkout(&mut self, customer: Option<&str>, price: Option<&str>) {
        let (Some(customer), Some(price)) = (customer, price) else {
            self.skip("checkout");
            return;
        };
        let pairs = [
            ("mode", "subscription"),
            ("customer", customer),
            ("line_items[0][price]", price),
            ("line_items[0][quantity]", "1"),
            ("client_reference_id", "acc_1"),
            ("success_url", "https://example.org/return"),
            ("cancel_url", "https://example.org/support"),
        ];
        let Some(session) = id(self.post("/checkout/sessions", &pairs).await.as_ref()) else {
            return;
        };
        let path = format!("/checkout/sessions/{session}");
        self.get(&format!("{path}/line_items"), &[]).await;
        self.post(&format!("{path}/expire"), &[]).await;
        self.get(&path, &[]).await;
        self.get("/checkout/sessions", &[("customer", customer), ("limit", "2")])
            .await;
    }

    async fn subscription(&mut self, customer: Option<&str>, price: Option<&str>) {
        let (Some(customer), Some(price)) = (customer, price) else {
            self.skip("subscriptions");
            return;
        };
        let owner = [("customer", customer)];
        self.post("/payment_methods/pm_card_visa_chargeDeclined/attach", &owner)
            .await;
        let card = id(self.post("/payment_methods/pm_card_visa/attach", &owner).await.as_ref());
        let Some(card) = card else {
            self.skip("subscriptions");
            return;
        };
        let pairs = [
            ("customer", customer),
            ("items[0][price]", price),
            ("default_payment_method", card.as_str()),
            ("metadata[latchkey_account]", "acc_1"),
        ];
        let made = self.post("/subscriptions", &pairs).await;
        let invoice = made.as_ref().and_then(|made| text(made, "latest_invoice"));
        let Some(subscription) = id(made.as_ref()) else { return };
        let path = format!("/subscriptions/{subscription}");
        let of_customer = [("customer", customer), ("status", "all"), ("limit", "1")];
        self.get("/subscriptions", &of_customer).await;
        self.get("/invoices", &[("customer", customer), ("limit", "2")]).await;
        self.post(&path, &[("cancel_at_period_end", "true")]).await;
        self.post(&path, &[("cancel_at_period_end", "false")]).await;
        if let Some(invoice) = invoice {
            self.get(&format!("/invoices/{invoice}"), &[]).await;
            let payments = self.get("/invoice_payments", &[("invoice", invoice.as_str())]).await;
            let intent = payments.as_ref().and_then(|list| {
                let intent = list.pointer("/data/0/payment/payment_intent")?;
                Some(intent.as_str()?.to_owned())
            });
            if let Some(intent) = intent {
                self.post("/refunds", &[("payment_intent", intent.as_str()), ("amount", "100")])
                    .await;
            }
        }
        self.call(StripeMethod::Delete, &path, &[]).await;
        self.get(&path, &[]).await;
        self.post("/billing_portal/sessions", &owner).await;
    }

    /// What Stripe says to what it will not do.
    async fn refusals(&mut self, customer: Option<&str>) {
        self.get(&format!("/subscriptions/{NOWHERE}"), &[]).await;
        self.post("/customers", &[("colour", "red")]).await;
        self.post("/prices", &[("currency", "eur"), ("unit_amount", "1")]).await;
        self.post("/customers", &[("email", "no address")]).await;
        if let Some(customer) = customer {
            let key = format!("latchkey.tour.{}.twice", self.run);
            let path = format!("/customers/{customer}");
            for locale in ["en", "en", "de"] {
                let pairs = [("preferred_locales[0]", locale)];
                self.call_under(StripeMethod::Post, &path, &pairs, &key).await;
            }
        }
    }

    async fn clean_up(
        &mut self,
        clock: Option<String>,
        customer: Option<String>,
        product: Option<String>,
        price: Option<String>,
    ) {
        if let Some(price) = price {
            let pairs = [("active", "false"), ("lookup_key", "")];
            self.post(&format!("/prices/{price}"), &pairs).await;
        }
        if let Some(product) = product {
            self.post(&format!("/products/{product}"), &[("active", "false")]).await;
        }
        if let Some(customer) = customer {
            self.call(StripeMethod::Delete, &format!("/customers/{customer}"), &[])
                .await;
            self.get(&format!("/customers/{customer}"), &[]).await;
        }
        if let Some(clock) = clock {
            let path = format!("/test_helpers/test_clocks/{clock}");
            self.call(StripeMethod::Delete, &path, &[]).await;
        }
    }
}

fn text(json: &Value, field: &str) -> Option<String> {
    json.get(field)?.as_str().map(str::to_owned)
}

fn id(made: Option<&Value>) -> Option<String> {
    made.and_then(|made| text(made, "id"))
}
