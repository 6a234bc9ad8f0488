-- name: insert_members
-- A row that is not there cannot be locked. Keys come sorted, so that two batches never wait in a circle.
INSERT INTO ledger.member (program_id, member_id)
SELECT p, m FROM unnest($1::text[], $2::text[]) AS k (p, m)
ON CONFLICT DO NOTHING

-- name: lock_members
-- Keys come sorted, and LATERAL keeps their order: two workers never wait for each other in a circle, and the index
-- is used whatever the planner believes about an empty table.
SELECT m.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, joined_at, levels, next_due, erased_at, merged_into, lots_version FROM ledger.member
    WHERE program_id = k.program_id AND member_id = k.member_id FOR UPDATE
) AS m

-- name: read_members
SELECT m.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, joined_at, levels, next_due, erased_at, merged_into, lots_version FROM ledger.member
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS m

-- name: lock_members_at_once
-- Further members, out of order: nobody is waited for, so no circle can close.
SELECT m.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, joined_at, levels, next_due, erased_at, merged_into, lots_version FROM ledger.member
    WHERE program_id = k.program_id AND member_id = k.member_id FOR UPDATE NOWAIT
) AS m

-- name: update_members
UPDATE ledger.member AS m
SET joined_at = k.joined_at, levels = k.levels, next_due = k.next_due, erased_at = k.erased_at,
    merged_into = k.merged_into, lots_version = k.lots_version
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::jsonb[], $5::timestamptz[], $6::timestamptz[], $7::text[],
            $8::int[])
    AS k (program_id, member_id, joined_at, levels, next_due, erased_at, merged_into, lots_version)
WHERE m.program_id = k.program_id AND m.member_id = k.member_id

-- name: due_members
-- Who has something due, longest first. They are locked only by the batch that settles them.
SELECT program_id, member_id FROM ledger.member WHERE next_due <= $1 ORDER BY next_due LIMIT $2

-- name: known_members
SELECT m.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, merged_into FROM ledger.member
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS m

-- name: member_merged_into
SELECT merged_into FROM ledger.member WHERE program_id = $1 AND member_id = $2

-- name: member_exists
SELECT 1 FROM ledger.member WHERE program_id = $1 AND member_id = $2

-- name: load_balances
SELECT b.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, asset, pending, available, held, version FROM ledger.balance
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS b

-- name: save_balances
INSERT INTO ledger.balance AS b (program_id, member_id, asset, pending, available, held, version)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
ON CONFLICT (program_id, member_id, asset) DO UPDATE
SET pending = excluded.pending, available = excluded.available, held = excluded.held, version = excluded.version

-- name: count_orders
SELECT k.program_id, k.member_id, o.paid
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS paid FROM ledger.purchase
    WHERE program_id = k.program_id AND member_id = k.member_id AND paid_at IS NOT NULL
) AS o

-- name: load_usage
SELECT u.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k (program_id, member_id, rule, bucket)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, rule, bucket, times, points FROM ledger.usage
    WHERE program_id = k.program_id AND member_id = k.member_id AND rule = k.rule AND bucket = k.bucket
) AS u

-- name: save_usage
INSERT INTO ledger.usage (program_id, member_id, rule, bucket, times, points)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[])
ON CONFLICT (program_id, member_id, rule, bucket) DO UPDATE SET times = excluded.times, points = excluded.points
