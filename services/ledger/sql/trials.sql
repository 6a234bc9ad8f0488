-- name: begin_trial
-- Somebody waits for the answer, and a dry run is never worth a slow checkout.
SELECT set_config('statement_timeout', $1, true), set_config('max_parallel_workers_per_gather', '0', true)

-- name: recent_purchases
-- The newest orders that were paid after a moment, with which one of its member each was.
SELECT o.program_id, o.member_id, o.order_id, o.paid, o.paid_at, o.program_version, o.stated_at, o.fulfilled_at,
       o.cancelled_at, o.refunds, o.removed_lines, n.nth
FROM (
    SELECT program_id, member_id, order_id, paid, paid_at, program_version, stated_at, fulfilled_at, cancelled_at, refunds,
           removed_lines
    FROM ledger.purchase
    WHERE program_id = $1 AND paid_at > $2 AND paid_at <= $3
    ORDER BY paid_at DESC, member_id, order_id LIMIT $4
) AS o
CROSS JOIN LATERAL (
    SELECT count(*) AS nth FROM ledger.purchase AS e
    WHERE e.program_id = o.program_id AND e.member_id = o.member_id AND (e.paid_at, e.order_id) <= (o.paid_at, o.order_id)
) AS n
ORDER BY o.paid_at DESC, o.member_id, o.order_id

-- name: open_lots_by_asset
SELECT asset, count(*) AS lots, sum(remaining)::bigint AS points FROM ledger.lot
WHERE program_id = $1 AND remaining > 0 GROUP BY asset ORDER BY asset
