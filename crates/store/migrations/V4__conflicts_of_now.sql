-- What differed when two tickets became a pair is shown, and is no conflict that a person has to settle.
UPDATE links SET
    conflicts = (SELECT COUNT(*) FROM json_each(body, '$.conflicts') WHERE COALESCE(value ->> '$.is_older', 0) = 0)
WHERE conflicts > 0;
