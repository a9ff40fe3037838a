-- A customer that was deleted in Stripe buys nothing any more; its account gets another one.
ALTER TABLE customer ADD COLUMN deleted_at BIGINT;
