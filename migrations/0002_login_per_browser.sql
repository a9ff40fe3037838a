-- A letter that somebody else asks for no longer ends the owner's: only the newest letter of one browser counts.
DROP INDEX login_email_live;
UPDATE login SET ended_at = created_at WHERE ended_at IS NULL AND EXISTS (
    SELECT 1 FROM login AS newer WHERE newer.browser_hash = login.browser_hash AND newer.ended_at IS NULL
    AND (newer.created_at > login.created_at OR (newer.created_at = login.created_at AND newer.id > login.id))
);
CREATE UNIQUE INDEX login_browser_live ON login (browser_hash) WHERE ended_at IS NULL;
CREATE INDEX login_email ON login (email);
