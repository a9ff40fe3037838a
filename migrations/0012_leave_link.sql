-- A link with which whoever reads the letters to an address ends what is paid for under it, without signing in.
CREATE TABLE leave_link (
    link_hash BYTEA PRIMARY KEY,
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX leave_link_expires_at ON leave_link (expires_at);
