-- A pair that has ended counts as closed since then, and is shrunk in its time as one that was closed.
UPDATE links SET closed_since_ms = COALESCE((SELECT MAX(at_ms) FROM activity WHERE activity.link = links.id), 0)
    WHERE state = 'ended' AND closed_since_ms IS NULL;

DROP INDEX links_to_shrink;
CREATE INDEX links_to_shrink ON links (external, closed_since_ms)
    WHERE closed_since_ms IS NOT NULL AND shrunk = 0;
