-- name: begin_trial
-- Somebody waits for the answer, and a dry run is never worth a slow checkout.
SELECT set_config('statement_timeout', $1, true), set_config('max_parallel_workers_per_gather', '0', true)

-- name: recent_purchases
-- The newest orders that were paid after a moment.
SELECT program_id, member_id, order_id, paid, paid_at, program_version, stated_at, fulfilled_at, cancelled_at, refunds,
       removed_lines
FROM ledger.purchase
WHERE program_id = $1 AND paid_at > $2 AND paid_at <= $3
ORDER BY paid_at DESC, member_id, order_id LIMIT $4

-- name: earlier_purchases
-- What some members paid from one moment to another, the newest first: up to so many of each, and in all.
SELECT o.* FROM unnest($2::text[]) AS k (member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, order_id, paid, paid_at, program_version, stated_at, fulfilled_at, cancelled_at,
           refunds, removed_lines
    FROM ledger.purchase
    WHERE program_id = $1 AND member_id = k.member_id AND paid_at >= $3 AND paid_at <= $4
    ORDER BY paid_at DESC, order_id LIMIT $5
) AS o
ORDER BY o.paid_at DESC, o.member_id, o.order_id LIMIT $6

-- name: orders_before
-- How many orders some members had paid before a moment of each.
SELECT k.member_id, (
    SELECT count(*) FROM ledger.purchase AS e
    WHERE e.program_id = $1 AND e.member_id = k.member_id AND e.paid_at < k.paid_at
) AS orders
FROM unnest($2::text[], $3::timestamptz[]) AS k (member_id, paid_at)

-- name: earned_without_orders
-- What rules gave some members for other things than one order (goals among these), the newest first.
SELECT a.* FROM unnest($2::text[]) AS k (member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, award_id, asset, kind, order_id, cause, happened_at, program_version, points, state,
           breakdown, reversed, written_off, due_at
    FROM ledger.award
    WHERE program_id = $1 AND member_id = k.member_id AND kind = 'award' AND order_id IS NULL
      AND happened_at >= $3 AND happened_at <= $4
    ORDER BY happened_at DESC, award_id LIMIT $5
) AS a
ORDER BY a.happened_at DESC, a.member_id, a.award_id LIMIT $5

-- name: some_open_lots
-- With up to which version of the program each member's lots have followed a change of policy. In the order of an index,
-- so that whoever asks twice is told of the same ones.
SELECT l.program_id, l.member_id, l.asset, l.lot_no, l.award_id, l.order_id, l.opened_at, l.expires_at, l.amount,
       l.remaining, l.expired, l.told_at, l.received, m.lots_version
FROM ledger.lot AS l JOIN ledger.member AS m USING (program_id, member_id)
WHERE l.program_id = $1 AND l.asset = ANY ($2::text[]) AND l.remaining > 0
ORDER BY l.program_id, l.member_id, l.asset, l.expires_at, l.opened_at, l.lot_no LIMIT $3

-- name: open_lots_by_asset
SELECT asset, count(*) AS lots, sum(remaining)::bigint AS points FROM ledger.lot
WHERE program_id = $1 AND remaining > 0 GROUP BY asset ORDER BY asset
