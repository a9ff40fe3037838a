-- Invoices as Stripe told them last: for showing, bookkeeping and figures; never what a reader may do.
CREATE TABLE invoice (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    livemode BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    currency TEXT NOT NULL,
    total_minor BIGINT NOT NULL,
    tax_minor BIGINT NOT NULL,
    amount_paid_minor BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    paid_at BIGINT,
    -- JSON.
    body TEXT NOT NULL,
    synced_at BIGINT NOT NULL
);
CREATE INDEX invoice_customer ON invoice (customer, created_at);
CREATE INDEX invoice_paid_at ON invoice (paid_at, id) WHERE paid_at IS NOT NULL;
