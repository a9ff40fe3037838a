-- Time that was bought as a length: when it was paid for, how much it is, and whose calendar counts. Where it lies are `from_at` and
-- `until_at`; what one purchase is divided into has one reference, with `#2` and so on behind it.
ALTER TABLE account_grant ADD COLUMN paid_at BIGINT;
ALTER TABLE account_grant ADD COLUMN span TEXT CHECK ((span IS NULL) = (paid_at IS NULL));
ALTER TABLE account_grant ADD COLUMN zone TEXT CHECK ((zone IS NULL) = (paid_at IS NULL));

-- What another system of the publisher says about a reader, as it said it last. One that names an address which nobody has proven yet
-- waits here without an account.
CREATE TABLE external_grant (
    -- The publisher's own word for the system, and that system's own id.
    source TEXT NOT NULL,
    ref TEXT NOT NULL,
    email TEXT,
    account TEXT REFERENCES account (id),
    entitlements TEXT NOT NULL,
    sites TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    until_at BIGINT,
    because TEXT NOT NULL,
    put_at BIGINT NOT NULL,
    PRIMARY KEY (source, ref),
    CHECK (email IS NOT NULL OR account IS NOT NULL)
);
CREATE INDEX external_grant_unclaimed ON external_grant (email) WHERE account IS NULL;
-- Statements and proofs of addresses take this row's lock, so that none falls between.
INSERT INTO counter (name, value, content) VALUES ('external', 0, '');
CREATE INDEX external_grant_account ON external_grant (account) WHERE account IS NOT NULL;
