-- An offer that was taken: what was promised, kept for as long as what was bought with it may renew, which is longer than an attempt.
CREATE TABLE offer (
    -- The attempt's or the change's id.
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    -- JSON.
    body TEXT NOT NULL,
    -- The sentence that the reader confirmed, word for word; the time is `created_at`.
    statement TEXT,
    -- Stripe's subscription, once it is known.
    subscription TEXT,
    created_at BIGINT NOT NULL,
    -- When a sync found it in force.
    accepted_at BIGINT
);
CREATE INDEX offer_subscription ON offer (subscription) WHERE subscription IS NOT NULL;
CREATE INDEX offer_account ON offer (account);
CREATE INDEX offer_created_at ON offer (created_at) WHERE accepted_at IS NULL;

-- Who has had a trial; nobody gets a second one. Never deleted.
CREATE TABLE trial_use (
    subscription TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    -- The address that the account had proven by then.
    email TEXT,
    livemode BOOLEAN NOT NULL,
    started_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL
);
CREATE INDEX trial_use_account ON trial_use (account);
CREATE INDEX trial_use_email ON trial_use (email) WHERE email IS NOT NULL;

-- A change of price that was shown and perhaps confirmed; its id is in the idempotency key.
CREATE TABLE price_change (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    -- JSON: what Stripe is asked, what it said it costs, and what is promised for later.
    change_body TEXT NOT NULL,
    preview TEXT NOT NULL,
    offer TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT
);
CREATE INDEX price_change_account ON price_change (account);
CREATE INDEX price_change_created_at ON price_change (created_at);
