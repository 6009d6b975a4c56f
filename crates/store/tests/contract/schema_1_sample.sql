INSERT INTO server (only_row, id) VALUES (1, '7f3a');
UPDATE counters SET value = 12 WHERE name = 'lease_token';
INSERT INTO dirty (external, ticket, class, generation, look, due_ms, dirty_since_ms, attempts,
    failing_since_ms, error, parked)
VALUES ('acme', 7, 'UserRequest', 4,
    '{"files":false,"ticket":false,"external_attachments":[5],"internal_attachments":[],"second_looks":0}',
    100, 10, 2, 40, 'refused', 0);
INSERT INTO links (id, external, external_class, external_id, external_ref, internal_class,
    internal_id, internal_ref, state, closed_since_ms, body)
VALUES (3, 'acme', 'UserRequest', 7, 'R-000007', 'UserRequest', 70, 'R-000070', 'live', NULL,
    '@LINK@');
INSERT INTO activity (link, at_ms, text) VALUES (3, 60, 'created R-000070');
