"""A whole flow with Stripe's own Python library against the sandbox: api, pages, key."""

import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import stripe

api, pages, key = sys.argv[1:]
client = stripe.StripeClient(key, base_addresses={"api": api}, max_network_retries=0).v1


def fails(kind, act, **expected):
    """`act` raises exactly `kind`, with these attributes."""
    try:
        act()
    except stripe.StripeError as error:
        assert type(error) is kind, f"{type(error)} and not {kind}: {error}"
        for name, value in expected.items():
            assert getattr(error, name) == value, f"{name} is {getattr(error, name)!r}, not {value!r}"
        assert error.request_id.startswith("req_"), error.request_id
        return error
    raise AssertionError(f"{kind} was not raised")


def post(address, **form):
    """A form of a page, sent as a browser would; its redirect is not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    try:
        urllib.request.build_opener(Stay).open(address, urllib.parse.urlencode(form).encode(), timeout=10)
    except urllib.error.HTTPError as answer:
        return answer.code
    return 200


def fault(name):
    post(f"{pages}/fail/{name}")


# What is sold.
account = stripe.StripeClient(key, base_addresses={"api": api}).v1.accounts.retrieve_current()
assert account.id.startswith("acct_") and account.charges_enabled
product = client.products.create({"name": "Supporter", "metadata": {"latchkey_plan": "pln_supporter"}})
assert product.metadata["latchkey_plan"] == "pln_supporter"
price = client.prices.create(
    {
        "product": product.id,
        "currency": "eur",
        "unit_amount": 500,
        "recurring": {"interval": "month"},
        "lookup_key": "monthly",
    }
)
assert [found.id for found in client.prices.list({"lookup_keys": ["monthly"]}).data] == [price.id]
assert client.prices.retrieve(price.id, {"expand": ["product"]}).product.name == "Supporter"


def subscribe(number):
    """A new customer who pays on the hosted page."""
    customer = client.customers.create({"email": "reader@example.org", "metadata": {"reader": "1"}})
    session = client.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "line_items": [{"price": price.id, "quantity": 1}],
            "client_reference_id": "acc_1",
            "subscription_data": {"metadata": {"latchkey_account": "acc_1"}},
            "success_url": "https://account.publisher.example/return?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://account.publisher.example/support",
        }
    )
    assert session.status == "open" and session.url.startswith(pages), session
    form = {"number": number, "expiry": "12/40", "cvc": "123", "name": "A Reader"}
    assert post(session.url, **form) == 303
    return customer, client.checkout.sessions.retrieve(session.id, {"expand": ["subscription", "line_items"]})


customer, session = subscribe("4242424242424242")
assert (session.status, session.payment_status) == ("complete", "paid")
assert session.line_items.data[0].price.id == price.id
subscription = session.subscription
assert subscription.status == "active" and subscription.metadata["latchkey_account"] == "acc_1"
assert subscription["items"].data[0].current_period_end > subscription["items"].data[0].current_period_start

# Lists, page by page.
for _ in range(6):
    client.customers.create({"name": "Crowd"})
known = [one.id for one in client.customers.list({"limit": 3}).auto_paging_iter()]
assert len(known) == len(set(known)) == 7 and known[-1] == customer.id, known
mine = client.subscriptions.list({"customer": customer.id, "status": "all", "limit": 1})
assert [one.id for one in mine.auto_paging_iter()] == [subscription.id]
invoices = list(client.invoices.list({"customer": customer.id, "limit": 1}).auto_paging_iter())
assert [invoice.status for invoice in invoices] == ["paid"]
assert invoices[0].parent.subscription_details.subscription == subscription.id
assert invoices[0].amount_paid == 500 and invoices[0].lines.data[0].amount == 500
newer = client.customers.list({"limit": 2, "ending_before": known[4]})
assert [one.id for one in newer.data] == known[2:4], "towards newer ones"

# Changes.
changed = client.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
assert changed.cancel_at_period_end and changed.cancel_at == changed["items"].data[0].current_period_end
assert not client.subscriptions.update(subscription.id, {"cancel_at_period_end": False}).cancel_at_period_end
assert client.subscriptions.cancel(subscription.id).status == "canceled"
portal = client.billing_portal.configurations.create({"features": {"invoice_history": {"enabled": True}}})
at = client.billing_portal.sessions.create({"customer": customer.id, "configuration": portal.id})
assert at.url.startswith(pages) and at.configuration == portal.id
assert client.tax.settings.retrieve().status == "pending"

# The same key twice.
once = {"idempotency_key": "customer.once"}
first = client.customers.create({"name": "Once"}, once)
again = client.customers.create({"name": "Once"}, once)
assert first.id == again.id and again.last_response.headers["idempotent-replayed"] == "true"
fails(stripe.IdempotencyError, lambda: client.customers.create({"name": "Other"}, once), http_status=400)

# Refusals.
fails(
    stripe.InvalidRequestError,
    lambda: client.subscriptions.retrieve("sub_none"),
    http_status=404,
    code="resource_missing",
    param="id",
)
fails(
    stripe.InvalidRequestError,
    lambda: client.customers.create({"colour": "red"}),
    http_status=400,
    code="parameter_unknown",
    param="colour",
)
fails(stripe.InvalidRequestError, lambda: client.prices.create({"currency": "eur"}), code="parameter_missing")
stranger = stripe.StripeClient(key + "x", base_addresses={"api": api}).v1
fails(stripe.AuthenticationError, lambda: stranger.customers.list(), http_status=401)
payer, paid = subscribe("4000000000000341")
again = {
    "customer": payer.id,
    "items": [{"price": price.id}],
    "default_payment_method": paid.subscription.default_payment_method,
    "payment_behavior": "error_if_incomplete",
}
fails(
    stripe.CardError,
    lambda: client.subscriptions.create(again),
    http_status=402,
    code="card_declined",
)
fault("rate_limited")
fails(stripe.RateLimitError, lambda: client.customers.list(), http_status=429)
fault("server_error")
fails(stripe.APIError, lambda: client.customers.list(), http_status=500)
fault("server_error")
patient = stripe.StripeClient(key, base_addresses={"api": api}, max_network_retries=1).v1
assert patient.customers.list().data, "a failed read is tried again"

# Deleted.
gone = client.customers.delete(payer.id)
assert gone.deleted and client.customers.retrieve(payer.id).deleted

# A delivery that the sandbox signed.
arrived, here = [], threading.Event()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        arrived.append((body, self.headers["stripe-signature"]))
        self.send_response(200)
        self.end_headers()
        here.set()

    def log_message(self, *_):
        pass


receiver = HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
endpoint = client.webhook_endpoints.create(
    {
        "url": f"http://127.0.0.1:{receiver.server_port}/hook",
        "enabled_events": ["customer.updated"],
        "api_version": "2026-09-30.endive",
    }
)
assert endpoint.secret.startswith("whsec_") and endpoint.api_version == "2026-09-30.endive"
client.customers.update(customer.id, {"name": "New"})
assert here.wait(15), "no delivery came"
body, signature = arrived[0]
event = stripe.Webhook.construct_event(body, signature, endpoint.secret)
assert event.type == "customer.updated" and event.data.object.id == customer.id
assert event.data.previous_attributes["name"] is None
assert client.events.retrieve(event.id).type == event.type
for wrong in [(body + b" ", signature, endpoint.secret), (body, signature, "whsec_other")]:
    try:
        stripe.Webhook.construct_event(*wrong)
    except stripe.SignatureVerificationError:
        continue
    raise AssertionError("a wrong signature held")
print("whole flow done")
