-- name: insert_positions
INSERT INTO service.position (topic, partition, next_offset)
SELECT t, p, o FROM unnest($1::text[], $2::int[], $3::bigint[]) AS k (t, p, o)
ORDER BY t, p
ON CONFLICT DO NOTHING

-- name: read_positions
SELECT p.topic, p.partition, p.next_offset
FROM unnest($1::text[], $2::int[]) AS k (topic, partition)
JOIN service.position AS p ON p.topic = k.topic AND p.partition = k.partition

-- name: advance_positions
-- The fence: a row moves only from the offset this worker started from. Fewer rows than asked = somebody else owns one.
WITH mine AS MATERIALIZED (
    SELECT p.topic, p.partition, k.to_offset
    FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS k (topic, partition, from_offset, to_offset)
    CROSS JOIN LATERAL (
        SELECT topic, partition FROM service.position
        WHERE topic = k.topic AND partition = k.partition AND next_offset = k.from_offset
        FOR UPDATE
    ) AS p
)
UPDATE service.position AS p SET next_offset = mine.to_offset
FROM mine WHERE p.topic = mine.topic AND p.partition = mine.partition

-- name: move_position
UPDATE service.position SET next_offset = $3 WHERE topic = $1 AND partition = $2

-- name: all_positions
SELECT topic, partition, next_offset FROM service.position ORDER BY topic, partition

-- name: as_who_logged_in
-- A role may look at and end the sessions of its own login only.
SET LOCAL ROLE NONE

-- name: end_frozen_sessions
-- An active session that waits for its client is in the middle of COPY, or its answer is not read.
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE usename = session_user AND datname = current_database() AND pid <> pg_backend_pid()
  AND application_name = current_setting('application_name')
  AND state = 'active' AND wait_event_type = 'Client'
  AND query_start < clock_timestamp() - current_setting('statement_timeout')::interval

-- name: end_frozen_holder
-- Whoever holds this lock of a session and has asked nothing for so long.
SELECT count(pg_terminate_backend(a.pid))
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = $1::bigint::oid AND l.objsubid = 1
  AND a.datname = current_database() AND a.usename = session_user
  AND a.state_change < clock_timestamp() - $2::interval

-- name: register_events
-- Keys come sorted and without repetition: two workers that meet the same events never wait in a circle.
INSERT INTO service.inbox (event_key, payload_hash)
SELECT k, h FROM unnest($1::uuid[], $2::uuid[]) AS e (k, h)
ON CONFLICT DO NOTHING
RETURNING event_key

-- name: known_events
SELECT event_key, payload_hash FROM service.inbox WHERE event_key = ANY ($1::uuid[])

-- name: forget_events
DELETE FROM service.inbox WHERE event_key = ANY ($1::uuid[])

-- name: prune_inbox
DELETE FROM service.inbox WHERE received_at < $1

-- name: insert_bundle
INSERT INTO service.outbox (messages, message_count) VALUES ($1, $2)

-- name: next_bundles
SELECT bundle_id, messages FROM service.outbox ORDER BY bundle_id LIMIT $1

-- name: delete_bundles
DELETE FROM service.outbox WHERE bundle_id = ANY ($1::bigint[])

-- name: outbox_state
SELECT count(*) AS bundles, coalesce(extract(epoch FROM now() - min(written_at)), 0)::float8 AS age_seconds FROM service.outbox

-- name: insert_dead_letter
INSERT INTO service.dead_letter
    (topic, partition, record_offset, record_time, record_key, record_value, headers, code, message)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (topic, partition, record_offset) DO UPDATE
    SET code = excluded.code, message = excluded.message, state = 'open', refused_at = now(), settled_at = NULL, note = NULL

-- name: refused_just_before
-- The offsets refused in the last $4 offsets before the position, newest first.
SELECT record_offset FROM service.dead_letter
WHERE topic = $1 AND partition = $2 AND record_offset < $3 AND record_offset >= $3 - $4
ORDER BY record_offset DESC

-- name: list_dead_letters
SELECT dead_letter_id, topic, partition, record_offset, code, message, state, refused_at, octet_length(record_value) AS bytes
FROM service.dead_letter
WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR code = $2)
ORDER BY dead_letter_id
LIMIT $3

-- name: dead_letters_by_id
SELECT * FROM service.dead_letter WHERE dead_letter_id = ANY ($1::bigint[]) ORDER BY dead_letter_id

-- name: program_versions
SELECT program_id, max(version) AS version FROM service.program WHERE program_id = ANY ($1::text[]) GROUP BY program_id

-- name: program_documents
SELECT program_id, version, since, document, applied_at FROM service.program WHERE program_id = $1 ORDER BY version

-- name: insert_program
INSERT INTO service.program (program_id, version, since, document, applied_at) VALUES ($1, $2, $3, $4, $5)
