-- What came before what it belongs to: refunds, fulfilments and cancellations without their order, of members and of
-- guests, and removals without their review; nobody's who was forgotten.

-- name: waiting
-- All of one program that waits, the longest waiting first, behind the one that is named; a guest has no name.
WITH waiting AS (
    (
        SELECT p.first_seen_at AS since, 'order' AS waits_for, p.member_id, p.order_id AS id, p.reported_at,
               p.fulfilled_at IS NOT NULL AS fulfilled, p.cancelled_at IS NOT NULL AS cancelled, p.refunds
        FROM ledger.purchase AS p JOIN ledger.member AS m USING (program_id, member_id)
        WHERE p.program_id = $1 AND p.paid_at IS NULL AND m.erased_at IS NULL
          AND (p.first_seen_at, 'order', p.member_id, p.order_id) > ($2, $3, $4, $5)
        ORDER BY p.first_seen_at, p.member_id, p.order_id LIMIT $6
    ) UNION ALL (
        SELECT first_seen_at, 'order', '', order_id, reported_at, kept ->> 'fulfilled_at' IS NOT NULL,
               kept ->> 'cancelled_at' IS NOT NULL, kept -> 'refunds'
        FROM ledger.guest_order
        WHERE program_id = $1 AND cause IS NULL AND kept IS NOT NULL
          AND (first_seen_at, 'order', '', order_id) > ($2, $3, $4, $5)
        ORDER BY first_seen_at, order_id LIMIT $6
    ) UNION ALL (
        SELECT a.happened_at, 'review', a.member_id, a.cause, (a.breakdown ->> 'reported_at')::timestamptz,
               false, false, '[]'
        FROM ledger.award AS a JOIN ledger.member AS m USING (program_id, member_id)
        WHERE a.program_id = $1 AND a.state = 'waiting' AND a.award_id ^@ 'removed:' AND m.erased_at IS NULL
          AND (a.happened_at, 'review', a.member_id, a.cause) > ($2, $3, $4, $5)
        ORDER BY a.happened_at, a.member_id, a.cause LIMIT $6
    )
)
SELECT since, waits_for, member_id, id, reported_at, fulfilled, cancelled,
       ARRAY(SELECT r -> 'said' ->> 'refund_id' FROM jsonb_array_elements(refunds) AS r) AS refunds
FROM waiting ORDER BY since, waits_for, member_id, id LIMIT $6

-- name: programs_waiting
-- Programs in which something waits of which people were not told.
SELECT program_id FROM ledger.purchase WHERE paid_at IS NULL AND reported_at IS NULL
UNION
SELECT program_id FROM ledger.guest_order WHERE cause IS NULL AND kept IS NOT NULL AND reported_at IS NULL
UNION
SELECT program_id FROM ledger.award
WHERE state = 'waiting' AND award_id ^@ 'removed:' AND NOT breakdown ? 'reported_at'

-- name: report_purchases
-- Some of those that wait since before the moment of their program; each is told of once.
UPDATE ledger.purchase AS p SET reported_at = $3
FROM (
    SELECT w.program_id, w.member_id, w.order_id
    FROM unnest($1::text[], $2::timestamptz[]) AS k (program_id, before)
    JOIN ledger.purchase AS w ON w.program_id = k.program_id AND w.first_seen_at < k.before
    JOIN ledger.member AS m ON m.program_id = w.program_id AND m.member_id = w.member_id AND m.erased_at IS NULL
    WHERE w.paid_at IS NULL AND w.reported_at IS NULL
    ORDER BY w.first_seen_at LIMIT $4
) AS w
WHERE (p.program_id, p.member_id, p.order_id) = (w.program_id, w.member_id, w.order_id) AND p.paid_at IS NULL
RETURNING p.program_id, 'order' AS waits_for, p.member_id, p.order_id AS id

-- name: report_guest_orders
UPDATE ledger.guest_order AS o SET reported_at = $3
FROM (
    SELECT w.program_id, w.order_id
    FROM unnest($1::text[], $2::timestamptz[]) AS k (program_id, before)
    JOIN ledger.guest_order AS w ON w.program_id = k.program_id AND w.first_seen_at < k.before
    WHERE w.cause IS NULL AND w.kept IS NOT NULL AND w.reported_at IS NULL
    ORDER BY w.first_seen_at LIMIT $4
) AS w
WHERE (o.program_id, o.order_id) = (w.program_id, w.order_id) AND o.cause IS NULL
RETURNING o.program_id, 'order' AS waits_for, '' AS member_id, o.order_id AS id

-- name: report_removals
UPDATE ledger.award AS a SET breakdown = a.breakdown || jsonb_build_object('reported_at', $3::timestamptz)
FROM (
    SELECT w.program_id, w.member_id, w.award_id
    FROM unnest($1::text[], $2::timestamptz[]) AS k (program_id, before)
    JOIN ledger.award AS w ON w.program_id = k.program_id AND w.happened_at < k.before
    JOIN ledger.member AS m ON m.program_id = w.program_id AND m.member_id = w.member_id AND m.erased_at IS NULL
    WHERE w.state = 'waiting' AND w.award_id ^@ 'removed:' AND NOT w.breakdown ? 'reported_at'
    ORDER BY w.happened_at LIMIT $4
) AS w
WHERE (a.program_id, a.member_id, a.award_id) = (w.program_id, w.member_id, w.award_id) AND a.state = 'waiting'
RETURNING a.program_id, 'review' AS waits_for, a.member_id, a.cause AS id
