-- Whether a pass is void, or only to be renewed.
ALTER TABLE revocation ADD COLUMN kind TEXT NOT NULL DEFAULT 'void' CHECK (kind IN ('void', 'renew'));
