-- A reader with two live subscriptions to one plan: which is stopped is decided once for the two, before anything is done about it.
CREATE TABLE double_subscription (
    -- Both of Stripe's ids, the lesser first, with a blank between.
    pair TEXT PRIMARY KEY,
    stopped TEXT NOT NULL UNIQUE,
    kept TEXT NOT NULL,
    -- The customer of the one that is stopped.
    customer TEXT NOT NULL REFERENCES customer (id),
    livemode BOOLEAN NOT NULL,
    plan TEXT NOT NULL,
    -- JSON: what is to be paid back, as it was decided.
    decision TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('decided', 'done')),
    -- What was done, and what could not be, in words for the operator.
    outcome TEXT,
    refunded_minor BIGINT NOT NULL DEFAULT 0,
    currency TEXT,
    decided_at BIGINT NOT NULL,
    done_at BIGINT
);
CREATE INDEX double_subscription_customer ON double_subscription (customer);

-- Why a subscription that lives gives nothing, in a word for the reader's page: `refunded`, `disputed`.
ALTER TABLE subscription ADD COLUMN note TEXT;
