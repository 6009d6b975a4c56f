-- Links that have long been closed are shrunk once, and again after they were stored anew.
ALTER TABLE links ADD COLUMN shrunk INTEGER NOT NULL DEFAULT 0;

CREATE INDEX links_to_shrink ON links (external, closed_since_ms)
    WHERE closed_since_ms IS NOT NULL AND shrunk = 0 AND state = 'live';
