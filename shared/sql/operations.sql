-- name: open_dead_letter_ids
-- The open ones as they are when an operator asks: what a replay makes anew has a higher id and waits for the next time.
SELECT dead_letter_id, coalesce(octet_length(record_value), 0) AS bytes FROM service.dead_letter
WHERE state = 'open' AND ($1::text IS NULL OR code = $1)
ORDER BY topic, partition, record_offset

-- name: dead_letters_named
SELECT dead_letter_id, state, settled_at, coalesce(octet_length(record_value), 0) AS bytes FROM service.dead_letter
WHERE dead_letter_id = ANY ($1::bigint[])
ORDER BY topic, partition, record_offset

-- name: close_dead_letters
UPDATE service.dead_letter SET state = $2, settled_at = now(), note = $3 WHERE dead_letter_id = ANY ($1::bigint[])

-- name: positions_to_move
-- Locked in the order in which the workers lock them.
SELECT topic, partition, next_offset FROM service.position
WHERE topic = ANY ($1::text[])
ORDER BY topic, partition
FOR UPDATE

-- name: newest_programs
SELECT DISTINCT ON (program_id) program_id, version, since, applied_at FROM service.program
ORDER BY program_id, version DESC
