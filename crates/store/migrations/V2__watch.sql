-- What an operator watches, found without reading a link's body.
--
-- `halt` says why a pair, or one of its logs, has halted; NULL while it goes.
ALTER TABLE links ADD COLUMN halt TEXT;
ALTER TABLE links ADD COLUMN conflicts INTEGER NOT NULL DEFAULT 0;

UPDATE links SET
    conflicts = COALESCE(json_array_length(body, '$.conflicts'), 0),
    halt = COALESCE(
        body ->> '$.halt.text',
        (SELECT value ->> '$.halt.text' FROM json_each(body, '$.logs') WHERE value ->> '$.halt.text' IS NOT NULL LIMIT 1)
    );

CREATE INDEX links_halted ON links (external, id) WHERE halt IS NOT NULL;
CREATE INDEX links_in_conflict ON links (external, conflicts) WHERE conflicts > 0;
CREATE INDEX links_by_state ON links (external, state);

-- The webhooks that came: of which side, to which route, how many, and when last.
CREATE TABLE hooks (
    side    TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (side, kind)
) STRICT, WITHOUT ROWID;

-- What an alert has told and is not over.
CREATE TABLE told (
    subject TEXT    NOT NULL PRIMARY KEY,
    at_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
