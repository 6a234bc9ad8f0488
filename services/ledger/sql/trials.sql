-- name: begin_trial
-- Somebody waits for the answer, and a dry run is never worth a slow checkout.
SELECT set_config('statement_timeout', $1, true), set_config('max_parallel_workers_per_gather', '0', true)

-- name: recent_purchases
-- The newest orders that were paid after a moment, with which one of its member each was: those before the oldest one of
-- a member are counted once, however many of theirs are among the newest.
WITH newest AS MATERIALIZED (
    SELECT program_id, member_id, order_id, paid, paid_at, program_version, stated_at, fulfilled_at, cancelled_at, refunds,
           removed_lines
    FROM ledger.purchase
    WHERE program_id = $1 AND paid_at > $2 AND paid_at <= $3
    ORDER BY paid_at DESC, member_id, order_id LIMIT $4
), before AS (
    SELECT f.member_id, (
        SELECT count(*) FROM ledger.purchase AS e
        WHERE e.program_id = $1 AND e.member_id = f.member_id AND e.paid_at < f.paid_at
    ) AS orders
    FROM (SELECT member_id, min(paid_at) AS paid_at FROM newest GROUP BY member_id) AS f
    WHERE $5::boolean
)
SELECT o.*, CASE WHEN $5::boolean THEN b.orders + row_number() OVER (PARTITION BY o.member_id ORDER BY o.paid_at, o.order_id)
            ELSE 0 END AS nth
FROM newest AS o LEFT JOIN before AS b USING (member_id)
ORDER BY o.paid_at DESC, o.member_id, o.order_id

-- name: some_open_lots
-- With up to which version of the program each member's lots have followed a change of policy.
SELECT l.program_id, l.member_id, l.asset, l.lot_no, l.award_id, l.order_id, l.opened_at, l.expires_at, l.amount,
       l.remaining, l.expired, l.told_at, l.received, m.lots_version
FROM ledger.lot AS l JOIN ledger.member AS m USING (program_id, member_id)
WHERE l.program_id = $1 AND l.asset = ANY ($2::text[]) AND l.remaining > 0 LIMIT $3

-- name: open_lots_by_asset
SELECT asset, count(*) AS lots, sum(remaining)::bigint AS points FROM ledger.lot
WHERE program_id = $1 AND remaining > 0 GROUP BY asset ORDER BY asset
