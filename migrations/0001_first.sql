-- One text for SQLite and PostgreSQL. Enums are TEXT with CHECK; moments are BIGINT milliseconds since 1970 (`…_at`);
-- BYTEA is a plain type name to SQLite, which keeps bytes as given. Reserved words are avoided: a grant is an `account_grant`.

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    email_unproven TEXT,
    email_proven TEXT,
    email_proven_at BIGINT,
    merged_into TEXT REFERENCES account (id),
    merged_at BIGINT,
    created_at BIGINT NOT NULL,
    CHECK ((email_proven IS NULL) = (email_proven_at IS NULL)),
    CHECK ((merged_into IS NULL) = (merged_at IS NULL)),
    CHECK (merged_into IS NULL OR email_proven IS NULL)
);
CREATE UNIQUE INDEX account_email_proven ON account (email_proven) WHERE email_proven IS NOT NULL;
CREATE INDEX account_email_unproven ON account (email_unproven) WHERE email_unproven IS NOT NULL;
CREATE INDEX account_merged_into ON account (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE account_merge (
    from_account TEXT NOT NULL REFERENCES account (id),
    into_account TEXT NOT NULL REFERENCES account (id),
    email TEXT NOT NULL,
    -- JSON: the ids of what was moved, by table, so that a merge can be undone by hand.
    moved TEXT NOT NULL,
    merged_at BIGINT NOT NULL,
    PRIMARY KEY (from_account, merged_at)
);
CREATE INDEX account_merge_into_account ON account_merge (into_account);

CREATE TABLE session (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    -- NULL is the account origin.
    site TEXT,
    parent TEXT REFERENCES session (id),
    secret_hash BYTEA NOT NULL,
    previous_hash BYTEA,
    generation BIGINT NOT NULL,
    label TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    -- When the current secret was first seen after a rotation.
    presented_at BIGINT,
    ended_at BIGINT
);
CREATE UNIQUE INDEX session_secret_hash ON session (secret_hash);
CREATE INDEX session_previous_hash ON session (previous_hash) WHERE previous_hash IS NOT NULL;
CREATE INDEX session_account ON session (account);
CREATE INDEX session_parent ON session (parent) WHERE parent IS NOT NULL;
CREATE INDEX session_ended_at ON session (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE attempt (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    nonce_hash BYTEA NOT NULL,
    price TEXT NOT NULL,
    site TEXT,
    return_to TEXT NOT NULL,
    stripe_session TEXT UNIQUE,
    created_at BIGINT NOT NULL,
    completed_at BIGINT,
    signed_in_at BIGINT
);
CREATE INDEX attempt_account ON attempt (account);
CREATE INDEX attempt_created_at ON attempt (created_at);

CREATE TABLE login (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    email TEXT NOT NULL,
    link_hash BYTEA NOT NULL UNIQUE,
    code_hash BYTEA NOT NULL,
    browser_hash BYTEA NOT NULL,
    return_to TEXT NOT NULL,
    tries BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- Used, or replaced by a newer one.
    ended_at BIGINT
);
-- Only the newest link for an address counts.
CREATE UNIQUE INDEX login_email_live ON login (email) WHERE ended_at IS NULL;
CREATE INDEX login_browser_hash ON login (browser_hash);
CREATE INDEX login_account ON login (account);
CREATE INDEX login_expires_at ON login (expires_at);

CREATE TABLE enter_code (
    code_hash BYTEA PRIMARY KEY,
    account_session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    site TEXT NOT NULL,
    host TEXT NOT NULL,
    nonce_hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX enter_code_expires_at ON enter_code (expires_at);
CREATE INDEX enter_code_account_session ON enter_code (account_session);

CREATE TABLE customer (
    id TEXT PRIMARY KEY,
    -- NULL until it is known whose it is.
    account TEXT REFERENCES account (id),
    livemode BOOLEAN NOT NULL,
    dirty_at BIGINT,
    -- Counts the marks; `leased_mark` is its value when the lease was taken, so that a commit sees a mark made meanwhile.
    dirty_mark BIGINT NOT NULL,
    leased_mark BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    synced_at BIGINT,
    created_at BIGINT NOT NULL,
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
);
CREATE INDEX customer_account ON customer (account) WHERE account IS NOT NULL;
CREATE INDEX customer_dirty_at ON customer (dirty_at, id) WHERE dirty_at IS NOT NULL;
CREATE INDEX customer_synced_at ON customer (synced_at);

CREATE TABLE stripe_event (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    customer TEXT REFERENCES customer (id),
    object_id TEXT NOT NULL,
    raw BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'failed')),
    error TEXT,
    tries BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    done_at BIGINT
);
CREATE INDEX stripe_event_customer ON stripe_event (customer, state);
CREATE INDEX stripe_event_state ON stripe_event (state, received_at);
CREATE INDEX stripe_event_received_at ON stripe_event (received_at, id);
CREATE INDEX stripe_event_done_at ON stripe_event (done_at) WHERE done_at IS NOT NULL;

CREATE TABLE sync_run (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    livemode BOOLEAN NOT NULL,
    started_at BIGINT NOT NULL,
    committed_at BIGINT NOT NULL,
    opened BIGINT NOT NULL,
    closed BIGINT NOT NULL
);
CREATE INDEX sync_run_customer ON sync_run (customer, committed_at);

-- Append-only: content never changes, a row is only closed (`superseded_at`). A grant that moves keeps its id.
CREATE TABLE account_grant (
    id TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES account (id),
    -- NULL for what does not come from Stripe.
    customer TEXT REFERENCES customer (id),
    source TEXT NOT NULL CHECK (source IN ('subscription', 'pass', 'gift', 'comp', 'seat', 'institution', 'import', 'external')),
    source_ref TEXT NOT NULL,
    -- Names separated by one space.
    entitlements TEXT NOT NULL,
    -- `*`, or site ids separated by one space.
    sites TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    until_at BIGINT,
    because TEXT NOT NULL,
    livemode BOOLEAN,
    recorded_at BIGINT NOT NULL,
    superseded_at BIGINT,
    sync_id TEXT REFERENCES sync_run (id),
    closed_sync_id TEXT REFERENCES sync_run (id),
    PRIMARY KEY (id, account, recorded_at),
    CHECK ((customer IS NULL) = (livemode IS NULL))
);
CREATE UNIQUE INDEX account_grant_live ON account_grant (account, source, source_ref) WHERE superseded_at IS NULL;
CREATE INDEX account_grant_account ON account_grant (account, recorded_at);
CREATE INDEX account_grant_customer ON account_grant (customer) WHERE superseded_at IS NULL;

-- What Stripe said at the last sync, for showing; never what a reader may do.
CREATE TABLE subscription (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    livemode BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    body TEXT NOT NULL,
    synced_at BIGINT NOT NULL
);
CREATE INDEX subscription_customer ON subscription (customer);

CREATE TABLE alert (
    customer TEXT NOT NULL REFERENCES customer (id),
    text TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    raised_at BIGINT NOT NULL,
    PRIMARY KEY (customer, text)
);
CREATE INDEX alert_raised_at ON alert (raised_at);

CREATE TABLE standing (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    -- NULL is every site.
    site TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('warning', 'suspension', 'ban')),
    reason TEXT NOT NULL,
    moderator TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    until_at BIGINT,
    lifted_at BIGINT
);
CREATE INDEX standing_account ON standing (account);

CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('pass', 'bundle')),
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('next', 'current', 'previous', 'gone')),
    sealed TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
-- However many servers rotate at once, one key signs and at most one waits.
CREATE UNIQUE INDEX signing_key_current ON signing_key (purpose) WHERE state = 'current';
CREATE UNIQUE INDEX signing_key_next ON signing_key (purpose) WHERE state = 'next';

CREATE TABLE revocation (
    number BIGINT PRIMARY KEY,
    site TEXT,
    subject TEXT,
    session TEXT,
    -- Seconds, as in a pass.
    not_before BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revocation_expires_at ON revocation (expires_at);

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- A number is taken by updating its row, whose lock holds until the commit: so numbers become visible in order.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL,
    content TEXT NOT NULL
);
INSERT INTO counter (name, value, content) VALUES ('revocation', 0, ''), ('outbox', 0, ''), ('bundle', 0, ''), ('plan', 0, '');

CREATE TABLE plan (
    id TEXT PRIMARY KEY,
    position BIGINT NOT NULL,
    -- JSON.
    body TEXT NOT NULL,
    stored_at BIGINT NOT NULL
);

CREATE TABLE outbox_effect (
    id BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'failed')),
    tries BIGINT NOT NULL,
    error TEXT,
    -- Not before this moment; also the end of a claim.
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    done_at BIGINT
);
CREATE INDEX outbox_effect_due ON outbox_effect (due_at, id) WHERE state = 'pending';
CREATE INDEX outbox_effect_done_at ON outbox_effect (done_at) WHERE done_at IS NOT NULL;

CREATE TABLE rate_limit (
    bucket TEXT NOT NULL,
    window_start_at BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (bucket, window_start_at)
);
CREATE INDEX rate_limit_expires_at ON rate_limit (expires_at);
