-- name: budget_slots
-- A look without a lock: what it finds may be leased or spent a moment later.
SELECT s.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, budget, bucket)
CROSS JOIN LATERAL (
    SELECT program_id, budget, bucket, slot, amount, rest, used FROM ledger.budget_slot
    WHERE program_id = k.program_id AND budget = k.budget AND bucket = k.bucket
) AS s
ORDER BY s.program_id, s.budget, s.bucket, s.slot

-- name: insert_budget_slots
INSERT INTO ledger.budget_slot (program_id, budget, bucket, amount, slot, rest, room, used)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::text[], $7::bigint[], $8::text[])
ON CONFLICT (program_id, budget, bucket, slot) DO NOTHING

-- name: lock_budget
-- All slots of one budget, in their order: for whoever divides it anew.
SELECT slot, amount, rest, used FROM ledger.budget_slot
WHERE program_id = $1 AND budget = $2 AND bucket = $3
ORDER BY slot FOR UPDATE

-- name: adjust_budget_slots
UPDATE ledger.budget_slot AS s SET amount = k.amount, rest = k.rest, room = k.room, used = k.used
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::text[], $7::bigint[], $8::text[])
    AS k (program_id, budget, bucket, amount, slot, rest, room, used)
WHERE s.program_id = k.program_id AND s.budget = k.budget AND s.bucket = k.bucket AND s.slot = k.slot

-- name: lease_budget_slots
-- A lease is this lock: it ends with the transaction, whatever becomes of the worker.
SELECT slot, rest, used FROM ledger.budget_slot
WHERE program_id = $1 AND budget = $2 AND bucket = $3 AND room > 0
ORDER BY room DESC, slot LIMIT $4 FOR UPDATE SKIP LOCKED

-- name: await_budget_slot
SELECT slot, rest, used FROM ledger.budget_slot
WHERE program_id = $1 AND budget = $2 AND bucket = $3 AND room > 0
ORDER BY room DESC, slot LIMIT 1 FOR UPDATE

-- name: save_budget_slots
UPDATE ledger.budget_slot AS s SET rest = k.rest, room = k.room, used = k.used
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::bigint[], $7::text[])
    AS k (program_id, budget, bucket, slot, rest, room, used)
WHERE s.program_id = k.program_id AND s.budget = k.budget AND s.bucket = k.bucket AND s.slot = k.slot
