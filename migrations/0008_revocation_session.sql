-- An explanation looks for the passes of a reader's devices that were revoked.
CREATE INDEX revocation_session ON revocation (session) WHERE session IS NOT NULL;
