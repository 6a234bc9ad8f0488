-- name: load_purchases
SELECT o.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, member_id, order_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, order_id, paid, paid_at, program_version, stated_at, fulfilled_at, cancelled_at, refunds, removed_lines
    FROM ledger.purchase
    WHERE program_id = k.program_id AND member_id = k.member_id AND order_id = k.order_id
) AS o

-- name: load_all_purchases
SELECT o.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, order_id, paid, paid_at, program_version, stated_at, fulfilled_at, cancelled_at, refunds, removed_lines
    FROM ledger.purchase
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS o

-- name: update_purchases
UPDATE ledger.purchase AS o
SET paid = k.paid, paid_at = k.paid_at, program_version = k.program_version, stated_at = k.stated_at,
    fulfilled_at = k.fulfilled_at,
    cancelled_at = k.cancelled_at, refunds = k.refunds, removed_lines = k.removed_lines
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::timestamptz[], $6::int[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[], $10::jsonb[], $11::jsonb[])
    AS k (program_id, member_id, order_id, paid, paid_at, program_version, stated_at, fulfilled_at, cancelled_at, refunds, removed_lines)
WHERE o.program_id = k.program_id AND o.member_id = k.member_id AND o.order_id = k.order_id

-- name: load_awards
SELECT a.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, member_id, award_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, award_id, asset, kind, order_id, cause, happened_at, program_version, points, state,
           breakdown, reversed, written_off, due_at
    FROM ledger.award
    WHERE program_id = k.program_id AND member_id = k.member_id AND award_id = k.award_id
) AS a

-- name: load_entry_rewards
SELECT a.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, award_id, asset, kind, order_id, cause, happened_at, program_version, points, state,
           breakdown, reversed, written_off, due_at
    FROM ledger.award
    WHERE program_id = k.program_id AND member_id = k.member_id AND kind = 'entry_reward'
) AS a

-- name: load_awards_to_come
SELECT a.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, award_id, asset, kind, order_id, cause, happened_at, program_version, points, state,
           breakdown, reversed, written_off, due_at
    FROM ledger.award
    WHERE program_id = k.program_id AND member_id = k.member_id AND due_at IS NOT NULL
) AS a

-- name: update_awards
-- A breakdown that did not change is not sent again: null keeps it.
UPDATE ledger.award AS a
SET points = k.points, program_version = k.program_version, state = k.state, breakdown = coalesce(k.breakdown, a.breakdown), reversed = k.reversed, written_off = k.written_off,
    due_at = k.due_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::jsonb[], $7::bigint[], $8::bigint[],
            $9::timestamptz[], $10::int[])
    AS k (program_id, member_id, award_id, points, state, breakdown, reversed, written_off, due_at, program_version)
WHERE a.program_id = k.program_id AND a.member_id = k.member_id AND a.award_id = k.award_id

-- name: awards_of_cause
SELECT program_id, member_id, award_id, asset, kind, order_id, cause, happened_at, program_version, points, state,
       breakdown, reversed, written_off, due_at
FROM ledger.award WHERE program_id = $1 AND member_id = $2 AND cause = $3
ORDER BY award_id

-- name: awards_moved_by
-- What a later event moved: a refund, an edit, a cancellation, a removal. The member's own entries are looked through.
SELECT program_id, member_id, award_id, asset, kind, order_id, cause, happened_at, program_version, points, state,
       breakdown, reversed, written_off, due_at
FROM ledger.award WHERE program_id = $1 AND member_id = $2 AND award_id IN (
    SELECT award_id FROM ledger.transfer WHERE program_id = $1 AND member_id = $2 AND cause = $3
)
ORDER BY award_id

-- name: programs_without_fulfilments
-- Programs whose awards have waited for a fulfilment since before a moment, and that have seen none since the first of
-- these: the shop does not seem to tell of any.
SELECT w.program_id, w.waiting, w.first_deadline
FROM (
    SELECT program_id, count(*) AS waiting, min(happened_at) AS since, min(due_at) AS first_deadline
    FROM ledger.award WHERE state = 'waiting' AND due_at IS NOT NULL GROUP BY 1
) AS w
WHERE w.since < $1 AND NOT EXISTS (
    SELECT FROM ledger.purchase AS p WHERE p.program_id = w.program_id AND p.fulfilled_at >= w.since
)
ORDER BY 1
