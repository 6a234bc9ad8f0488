-- name: budget_slots
-- A look without a lock: what it finds may be leased or spent a moment later.
SELECT s.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, budget, bucket)
CROSS JOIN LATERAL (
    SELECT program_id, budget, bucket, slot, amount, rest, used FROM ledger.budget_slot
    WHERE program_id = k.program_id AND budget = k.budget AND bucket = k.bucket
) AS s
ORDER BY s.program_id, s.budget, s.bucket, s.slot

-- name: insert_budget_slots
INSERT INTO ledger.budget_slot (program_id, budget, bucket, amount, slot, rest, used)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::text[], $7::text[])
ON CONFLICT (program_id, budget, bucket, slot) DO NOTHING

-- name: lock_budget
-- All slots of one budget, in their order: for whoever divides it anew.
SELECT slot, amount, rest, used FROM ledger.budget_slot
WHERE program_id = $1 AND budget = $2 AND bucket = $3
ORDER BY slot FOR UPDATE

-- name: adjust_budget_slots
UPDATE ledger.budget_slot AS s SET amount = k.amount, rest = k.rest, used = k.used
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::text[], $7::text[])
    AS k (program_id, budget, bucket, amount, slot, rest, used)
WHERE s.program_id = k.program_id AND s.budget = k.budget AND s.bucket = k.bucket AND s.slot = k.slot

-- name: lease_budget_slots
-- A lease is this lock: it ends with the transaction, whatever becomes of the worker.
SELECT slot, rest, used FROM ledger.budget_slot
WHERE program_id = $1 AND budget = $2 AND bucket = $3 AND slot = ANY ($4::int[])
ORDER BY slot FOR UPDATE SKIP LOCKED

-- name: await_budget_slots
SELECT slot, rest, used FROM ledger.budget_slot
WHERE program_id = $1 AND budget = $2 AND bucket = $3 AND slot = ANY ($4::int[])
ORDER BY slot FOR UPDATE

-- name: save_budget_slots
UPDATE ledger.budget_slot AS s SET rest = k.rest, used = k.used
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[])
    AS k (program_id, budget, bucket, slot, rest, used)
WHERE s.program_id = k.program_id AND s.budget = k.budget AND s.bucket = k.bucket AND s.slot = k.slot

-- name: budgets_of
-- One row for each budget and period; what is left and used in each slot, exact, for the caller to add up.
SELECT budget, bucket, max(amount) AS amount, array_agg(rest) AS rest, array_agg(used) AS used
FROM ledger.budget_slot WHERE program_id = $1 AND (budget, bucket) > ($2, $3)
GROUP BY budget, bucket ORDER BY budget, bucket LIMIT $4

-- name: all_budgets
SELECT program_id, budget, bucket, max(amount) AS amount, array_agg(rest) AS rest, array_agg(used) AS used
FROM ledger.budget_slot GROUP BY program_id, budget, bucket ORDER BY program_id, budget, bucket
