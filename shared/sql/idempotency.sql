-- name: hold_idempotency_key
-- Held until the transaction ends, which is after its commit became visible: who gets the lock next sees the answer.
-- A statement of its own, because the look-up must take its snapshot after the lock.
SELECT pg_try_advisory_xact_lock($1)

-- name: read_answer
SELECT request_hash, status, headers, body
FROM service.answer
WHERE program_id = $1 AND subject = $2 AND idempotency_key = $3

-- name: keep_answer
INSERT INTO service.answer
    (program_id, subject, idempotency_key, request_hash, status, headers, body, answered_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: forget_answers
DELETE FROM service.answer WHERE answered_at < $1
