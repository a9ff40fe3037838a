-- How often in a row the sync of a customer failed, so that a restart does not forget to wait; and since when it is a dead letter.
ALTER TABLE customer ADD COLUMN sync_tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE customer ADD COLUMN sync_error TEXT;
ALTER TABLE customer ADD COLUMN failed_at BIGINT;
ALTER TABLE customer ADD COLUMN dead_at BIGINT;
CREATE INDEX customer_dead_at ON customer (dead_at) WHERE dead_at IS NOT NULL;
CREATE INDEX outbox_effect_failed ON outbox_effect (id) WHERE state = 'failed';

-- When a walk through Stripe's lists last met it.
ALTER TABLE customer ADD COLUMN walked_at BIGINT;
ALTER TABLE subscription ADD COLUMN walked_at BIGINT;
-- What such a walk found to differ. The customer may be one that is unknown here.
CREATE TABLE divergence (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('changed', 'missing_here', 'missing_there', 'unknown_customer')),
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL,
    ours_at BIGINT,
    found_at BIGINT NOT NULL,
    repaired_at BIGINT
);
CREATE UNIQUE INDEX divergence_open ON divergence (customer) WHERE repaired_at IS NULL;
CREATE INDEX divergence_found_at ON divergence (found_at, id);
CREATE INDEX divergence_repaired_at ON divergence (repaired_at) WHERE repaired_at IS NOT NULL;
