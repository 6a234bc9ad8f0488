-- Reports of a merchant. Each is one statement and one snapshot; days and months are those of the program's zone.

-- name: begin_report
-- A report takes one core, some memory, the slot of its program (or partner), and one of the $3 that all programs have
-- together: what members wait for goes first. EXISTS stops at the first slot that is free.
SELECT set_config('statement_timeout', $2, true), set_config('max_parallel_workers_per_gather', '0', true),
       set_config('work_mem', '64MB', true),
       pg_try_advisory_xact_lock(hashtextextended('ledger report ' || $1, 0)) AND EXISTS (
           SELECT FROM generate_series(1, $3::int) AS n
           WHERE pg_try_advisory_xact_lock(hashtextextended('ledger report', n))
       ) AS free

-- name: report_outstanding
-- Balances as of a moment are those of now without what happened later: few rows, where the moment is not long ago.
WITH later AS (
    SELECT member_id, asset,
           sum(amount * ((to_account = 'pending')::int - (from_account = 'pending')::int)) AS pending,
           sum(amount * ((to_account = 'available')::int - (from_account = 'available')::int)) AS available,
           sum(amount * ((to_account = 'held')::int - (from_account = 'held')::int)) AS held
    FROM ledger.transfer
    WHERE program_id = $1 AND happened_at > $2
    GROUP BY member_id, asset
), had AS (
    SELECT b.asset, b.pending - coalesce(l.pending, 0) AS pending, b.available - coalesce(l.available, 0) AS available,
           b.held - coalesce(l.held, 0) AS held
    FROM ledger.balance AS b LEFT JOIN later AS l USING (member_id, asset)
    WHERE b.program_id = $1
)
SELECT asset, sum(pending)::bigint AS pending, sum(greatest(available, 0))::bigint AS available,
       sum(held)::bigint AS held, sum(greatest(-available, 0))::bigint AS owed,
       count(*) FILTER (WHERE pending > 0 OR available > 0 OR held > 0) AS members
FROM had GROUP BY asset ORDER BY asset

-- name: report_expiring
-- What is left in lots by the month of its last moment; no month = it never expires.
SELECT asset, month, sum(points)::bigint AS points, sum(lots)::bigint AS lots, count(*) AS members FROM (
    SELECT asset, date_trunc('month', (expires_at - interval '1 microsecond') AT TIME ZONE $2)::date AS month, member_id,
           sum(remaining) AS points, count(*) AS lots
    FROM ledger.lot
    WHERE program_id = $1 AND remaining > 0 AND ($3::timestamptz IS NULL OR expires_at <= $3)
    GROUP BY 1, 2, 3
) AS each
GROUP BY asset, month ORDER BY asset, month NULLS LAST

-- name: report_breakage
-- What came out of another member's lot was issued there, and has its age; what became of it is told here.
SELECT date_trunc($5, opened_at AT TIME ZONE $4)::date AS period, asset, count(*) FILTER (WHERE NOT received) AS lots,
       coalesce(sum(amount) FILTER (WHERE NOT received), 0)::bigint AS issued, sum(expired)::bigint AS expired,
       sum(remaining)::bigint AS remaining
FROM ledger.lot
WHERE program_id = $1 AND opened_at >= $2 AND opened_at < $3
GROUP BY 1, 2 HAVING bool_or(NOT received) ORDER BY 1, 2

-- name: report_rules
-- Each rule's part of an award is what it gave of what all its rules gave; caps and rounding cut all of them alike. With
-- $6 without orders of which a part came back: what is left of them their own rules say (`report_returned`).
SELECT date_trunc($5, a.happened_at AT TIME ZONE $4)::date AS period, a.asset, a.kind, r.rule, count(*) AS awards,
       sum(a.points * coalesce(r.part, 1)) AS awarded, sum(a.reversed * coalesce(r.part, 1)) AS reversed
FROM ledger.award AS a
LEFT JOIN LATERAL (
    SELECT e ->> 0 AS rule, g.given / sum(g.given) OVER () AS part
    FROM jsonb_array_elements(a.breakdown -> 'rules') AS e
    CROSS JOIN LATERAL (SELECT (e ->> 1)::numeric / (e ->> 2)::numeric AS given) AS g
    WHERE g.given > 0
) AS r ON true
WHERE a.program_id = $1 AND a.happened_at >= $2 AND a.happened_at < $3 AND a.points > 0
  AND NOT ($6::boolean AND a.kind = 'award' AND a.reversed > 0 AND a.reversed < a.points AND a.award_id ^@ 'order:')
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 NULLS LAST

-- name: report_returned
-- Orders of which a part came back with what they earned, the order's columns before the award's; at most so many.
SELECT p.program_id, p.member_id, p.order_id, p.paid, p.paid_at, p.program_version, p.stated_at, p.fulfilled_at,
       p.cancelled_at, p.refunds, p.removed_lines,
       a.program_id, a.member_id, a.award_id, a.asset, a.kind, a.order_id, a.cause, a.happened_at, a.program_version,
       a.points, a.state, a.breakdown, a.reversed, a.written_off, a.due_at
FROM ledger.award AS a
JOIN ledger.purchase AS p ON p.program_id = a.program_id AND p.member_id = a.member_id AND p.order_id = a.order_id
WHERE a.program_id = $1 AND a.happened_at >= $2 AND a.happened_at < $3 AND a.kind = 'award' AND a.reversed > 0
  AND a.reversed < a.points AND a.award_id ^@ 'order:' AND p.paid_at IS NOT NULL
LIMIT $4

-- name: report_rewards
SELECT date_trunc($5, issued_at AT TIME ZONE $4)::date AS period, reward, source, asset, count(*) AS redeemed,
       sum(price)::bigint AS points, count(*) FILTER (WHERE state = 'used') AS used,
       count(*) FILTER (WHERE state = 'issued') AS unused, count(*) FILTER (WHERE state = 'expired') AS expired,
       count(*) FILTER (WHERE state = 'voided') AS voided
FROM ledger.reward
WHERE program_id = $1 AND issued_at >= $2 AND issued_at < $3
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4

-- name: report_checkouts
-- What paid for orders, or was spent at a till, and what of it refunds gave back in the same period.
SELECT date_trunc($5, happened_at AT TIME ZONE $4)::date AS period, asset,
       count(*) FILTER (WHERE to_account = 'redeemed' AND kind <> 'return_correction') AS redeemed,
       coalesce(sum(amount) FILTER (WHERE to_account = 'redeemed'), 0)::bigint AS points,
       coalesce(sum(amount) FILTER (WHERE from_account = 'redeemed'), 0)::bigint AS returned
FROM ledger.transfer
WHERE program_id = $1 AND happened_at >= $2 AND happened_at < $3 AND hold_id IS NOT NULL
  AND 'redeemed' IN (from_account, to_account)
GROUP BY 1, 2 ORDER BY 1, 2

-- name: report_donations
SELECT date_trunc($5, happened_at AT TIME ZONE $4)::date AS period, charity, asset, giver,
       count(*) FILTER (WHERE gave) AS donations, count(DISTINCT member_id) AS members,
       coalesce(sum(amount) FILTER (WHERE gave), 0)::bigint AS points,
       coalesce(sum(amount) FILTER (WHERE NOT gave), 0)::bigint AS returned
FROM (
    SELECT happened_at, asset, member_id, amount, to_account LIKE 'charity:%' AS gave,
           substr(CASE WHEN to_account LIKE 'charity:%' THEN to_account ELSE from_account END, 9) AS charity,
           CASE WHEN CASE WHEN to_account LIKE 'charity:%' THEN from_account ELSE to_account END
                     IN ('pending', 'available', 'held') THEN 'member' ELSE 'merchant' END AS giver
    FROM ledger.transfer
    WHERE program_id = $1 AND happened_at >= $2 AND happened_at < $3
      AND (to_account LIKE 'charity:%' OR from_account LIKE 'charity:%')
) AS each
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
