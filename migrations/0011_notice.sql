-- Letters about a purchase. One for each kind and cause, planned until its day, then handed to the outbox.
CREATE TABLE notice (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    livemode BOOLEAN NOT NULL,
    kind TEXT NOT NULL,
    cause TEXT NOT NULL,
    -- JSON.
    facts TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'posted', 'withdrawn')),
    planned_at BIGINT NOT NULL,
    posted_at BIGINT,
    CHECK ((state = 'posted') = (posted_at IS NOT NULL)),
    UNIQUE (customer, kind, cause)
);
CREATE INDEX notice_due ON notice (due_at, id) WHERE state = 'planned';
