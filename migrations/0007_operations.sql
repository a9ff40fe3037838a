-- How often in a row the sync of a customer failed, so that a restart does not forget to wait; and since when it is a dead letter.
ALTER TABLE customer ADD COLUMN sync_tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE customer ADD COLUMN sync_error TEXT;
ALTER TABLE customer ADD COLUMN failed_at BIGINT;
ALTER TABLE customer ADD COLUMN dead_at BIGINT;
CREATE INDEX customer_dead_at ON customer (dead_at) WHERE dead_at IS NOT NULL;
CREATE INDEX outbox_effect_failed ON outbox_effect (id) WHERE state = 'failed';
