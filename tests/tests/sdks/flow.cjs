// A whole flow with Stripe's own Node library against the sandbox: api, pages, key.
"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");
const Stripe = require(process.env.STRIPE_NODE);

const [api, pages, key] = process.argv.slice(2);
const client = (secret, retries) => {
  const { hostname, port } = new URL(api);
  return new Stripe(secret, { host: hostname, port, protocol: "http", maxNetworkRetries: retries, telemetry: false });
};
const stripe = client(key, 0);

/** `act` rejects with exactly `kind`, and these attributes. */
async function fails(kind, act, expected) {
  const error = await act().then(
    () => assert.fail(`${kind} was not thrown`),
    (error) => error,
  );
  assert.ok(error instanceof Stripe.errors[kind], `${error.type} and not ${kind}: ${error.message}`);
  assert.equal(error.type, kind);
  for (const [name, value] of Object.entries(expected)) assert.equal(error[name], value, name);
  assert.match(error.requestId, /^req_/);
}

/** A form of a page, sent as a browser would; its redirect is not followed. */
async function post(address, form) {
  const answer = await fetch(address, { method: "POST", body: new URLSearchParams(form), redirect: "manual" });
  return answer.status;
}

async function subscribe(price, number) {
  const customer = await stripe.customers.create({ email: "reader@example.org", metadata: { reader: "1" } });
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    customer: customer.id,
    line_items: [{ price, quantity: 1 }],
    client_reference_id: "acc_1",
    subscription_data: { metadata: { latchkey_account: "acc_1" } },
    success_url: "https://account.publisher.example/return?session={CHECKOUT_SESSION_ID}",
    cancel_url: "https://account.publisher.example/support",
  });
  assert.equal(session.status, "open");
  const status = await post(session.url, { number, expiry: "12/40", cvc: "123", name: "A Reader" });
  assert.equal(status, 303);
  return [customer, await stripe.checkout.sessions.retrieve(session.id, { expand: ["subscription", "line_items"] })];
}

async function sellsAndLists() {
  const product = await stripe.products.create({ name: "Supporter" });
  const price = await stripe.prices.create({
    product: product.id,
    currency: "eur",
    unit_amount: 500,
    recurring: { interval: "month" },
    lookup_key: "monthly",
  });
  const found = await stripe.prices.list({ lookup_keys: ["monthly"], expand: ["data.product"] });
  assert.deepEqual(found.data.map((one) => [one.id, one.product.name]), [[price.id, "Supporter"]]);

  const [customer, session] = await subscribe(price.id, "4242424242424242");
  assert.deepEqual([session.status, session.payment_status], ["complete", "paid"]);
  const subscription = session.subscription;
  assert.equal(subscription.status, "active");
  assert.equal(subscription.metadata.latchkey_account, "acc_1");
  assert.ok(subscription.items.data[0].current_period_end > subscription.created);

  for (let n = 0; n < 6; n += 1) await stripe.customers.create({ name: "Crowd" });
  const known = [];
  for await (const one of stripe.customers.list({ limit: 3 })) known.push(one.id);
  assert.equal(new Set(known).size, 7);
  assert.equal(known.at(-1), customer.id);
  const mine = await stripe.subscriptions
    .list({ customer: customer.id, status: "all", limit: 1 })
    .autoPagingToArray({ limit: 10 });
  assert.deepEqual(mine.map((one) => one.id), [subscription.id]);
  const invoices = await stripe.invoices.list({ customer: customer.id, limit: 1 }).autoPagingToArray({ limit: 10 });
  assert.deepEqual(invoices.map((one) => [one.status, one.amount_paid]), [["paid", 500]]);
  assert.equal(invoices[0].parent.subscription_details.subscription, subscription.id);

  const ending = await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
  assert.equal(ending.cancel_at, ending.items.data[0].current_period_end);
  assert.equal((await stripe.subscriptions.cancel(subscription.id)).status, "canceled");
  const portal = await stripe.billingPortal.configurations.create({ features: { invoice_history: { enabled: true } } });
  const at = await stripe.billingPortal.sessions.create({ customer: customer.id, configuration: portal.id });
  assert.equal(at.configuration, portal.id);
  return [customer, price];
}

async function isRefused(price) {
  const once = { idempotencyKey: "customer.once" };
  const first = await stripe.customers.create({ name: "Once" }, once);
  const again = await stripe.customers.create({ name: "Once" }, once);
  assert.equal(first.id, again.id);
  await fails("StripeIdempotencyError", () => stripe.customers.create({ name: "Other" }, once), { statusCode: 400 });

  await fails("StripeInvalidRequestError", () => stripe.subscriptions.retrieve("sub_none"), {
    statusCode: 404,
    code: "resource_missing",
    param: "id",
  });
  await fails("StripeInvalidRequestError", () => stripe.customers.create({ colour: "red" }), {
    code: "parameter_unknown",
    param: "colour",
  });
  await fails("StripeAuthenticationError", () => client(`${key}x`, 0).customers.list(), { statusCode: 401 });
  const [payer, paid] = await subscribe(price.id, "4000000000000341");
  const more = {
    customer: payer.id,
    items: [{ price: price.id }],
    default_payment_method: paid.subscription.default_payment_method,
    payment_behavior: "error_if_incomplete",
  };
  await fails("StripeCardError", () => stripe.subscriptions.create(more), { statusCode: 402, code: "card_declined" });
  await post(`${pages}/fail/rate_limited`, {});
  await fails("StripeRateLimitError", () => stripe.customers.list(), { statusCode: 429 });
  await post(`${pages}/fail/server_error`, {});
  await fails("StripeAPIError", () => stripe.customers.list(), { statusCode: 500 });
  await post(`${pages}/fail/lock_timeout`, {});
  assert.ok((await client(key, 1).customers.list()).data.length, "what was locked is tried again");
  assert.equal((await stripe.customers.del(payer.id)).deleted, true);
  assert.equal((await stripe.customers.retrieve(payer.id)).deleted, true);
}

async function getsADelivery(customer) {
  let tell;
  const arrived = new Promise((resolve) => (tell = resolve));
  const receiver = http.createServer((request, answer) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      answer.end();
      tell([Buffer.concat(parts), request.headers["stripe-signature"]]);
    });
  });
  await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  const endpoint = await stripe.webhookEndpoints.create({
    url: `http://127.0.0.1:${receiver.address().port}/hook`,
    enabled_events: ["customer.updated"],
    api_version: "2026-09-30.endive",
  });
  await stripe.customers.update(customer.id, { name: "New" });
  const [body, signature] = await arrived;
  const event = stripe.webhooks.constructEvent(body, signature, endpoint.secret);
  assert.equal(event.type, "customer.updated");
  assert.equal(event.data.object.id, customer.id);
  assert.throws(
    () => stripe.webhooks.constructEvent(`${body} `, signature, endpoint.secret),
    Stripe.errors.StripeSignatureVerificationError,
  );
  receiver.close();
}

async function flow() {
  const [customer, price] = await sellsAndLists();
  await isRefused(price);
  await getsADelivery(customer);
  console.log("whole flow done");
  process.exit(0);
}

flow().catch((error) => {
  console.error(error);
  process.exit(1);
});
