-- name: hold_idempotency_keys
-- Held until the transaction ends, which is after its commit became visible: who gets a lock next sees the answer.
-- A statement of its own, because the look-up must take its snapshot after the locks.
SELECT number, pg_try_advisory_xact_lock(number) AS held FROM unnest($1::bigint[]) AS k (number)

-- name: read_answers
SELECT a.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, subject, idempotency_key)
CROSS JOIN LATERAL (
    SELECT program_id, subject, idempotency_key, request_hash, status, headers, body
    FROM service.answer
    WHERE program_id = k.program_id AND subject = k.subject AND idempotency_key = k.idempotency_key
) AS a

-- name: keep_answers
INSERT INTO service.answer
    (program_id, subject, idempotency_key, request_hash, status, headers, body, answered_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::smallint[], $6::jsonb[], $7::bytea[],
                     $8::timestamptz[])

-- name: forget_answers
DELETE FROM service.answer WHERE answered_at < $1
