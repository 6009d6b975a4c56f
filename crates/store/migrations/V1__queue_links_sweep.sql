-- The queue: one row a dirty ticket, not one a hint.
--
-- `look`, `due_ms` and `dirty_since_ms` say what is to be looked at; while a worker has the row,
-- they are what it took, and hints that come meanwhile gather in the `fresh_` columns.
CREATE TABLE dirty (
    external         TEXT    NOT NULL,
    ticket           INTEGER NOT NULL,
    class            TEXT,
    generation       INTEGER NOT NULL,
    look             TEXT    NOT NULL,
    due_ms           INTEGER NOT NULL,
    dirty_since_ms   INTEGER NOT NULL,
    fresh_look       TEXT,
    fresh_due_ms     INTEGER,
    fresh_since_ms   INTEGER,
    lease_token      INTEGER,
    lease_until_ms   INTEGER,
    lease_taken_ms   INTEGER,
    attempts         INTEGER NOT NULL,
    failing_since_ms INTEGER,
    error            TEXT,
    parked           INTEGER NOT NULL,
    PRIMARY KEY (external, ticket)
) STRICT, WITHOUT ROWID;

CREATE INDEX dirty_by_due ON dirty (external, due_ms, ticket);
CREATE INDEX dirty_by_lease ON dirty (external, lease_until_ms) WHERE lease_until_ms IS NOT NULL;
CREATE INDEX dirty_by_age ON dirty (dirty_since_ms, external, ticket);
CREATE INDEX dirty_parked ON dirty (external, ticket) WHERE parked = 1;

-- AUTOINCREMENT, so that the number of a dropped link, which an operator may have noted, never
-- comes to mean another pair.
CREATE TABLE links (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    external        TEXT    NOT NULL,
    external_class  TEXT    NOT NULL,
    external_id     INTEGER NOT NULL,
    external_ref    TEXT    NOT NULL,
    internal_class  TEXT,
    internal_id     INTEGER,
    internal_ref    TEXT,
    state           TEXT    NOT NULL CHECK (state IN ('live', 'ended')),
    closed_since_ms INTEGER,
    body            TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX links_by_external_ticket ON links (external, external_id);
CREATE UNIQUE INDEX links_by_internal_ticket ON links (internal_id) WHERE internal_id IS NOT NULL;
-- `closed_since_ms` stands in the index so that the audit passes over old links without reading them.
CREATE INDEX links_in_order ON links (external, id, closed_since_ms);

CREATE TABLE activity (
    id    INTEGER PRIMARY KEY,
    link  INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    text  TEXT    NOT NULL
) STRICT;

CREATE INDEX activity_by_link ON activity (link, id);

CREATE TABLE cursors (
    instance TEXT NOT NULL,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (instance, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE stopped (
    instance TEXT NOT NULL PRIMARY KEY,
    reason   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE server (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    id       TEXT    NOT NULL
) STRICT;

CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('lease_token', 0), ('probe', 0);
