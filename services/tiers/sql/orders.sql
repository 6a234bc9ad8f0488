-- name: read_purchases
SELECT o.*
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, member_id, order_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, order_id, paid, paid_at, stated_at, removed_lines, refunds, cancelled_at, year, kept_minor
    FROM tiers.purchase
    WHERE program_id = k.program_id AND member_id = k.member_id AND order_id = k.order_id
) AS o

-- name: update_purchases
-- An upsert, although the rows are there: it finds each by the primary key, whatever the planner believes.
INSERT INTO tiers.purchase (program_id, member_id, order_id, paid, paid_at, stated_at, removed_lines, refunds,
    cancelled_at, year, kept_minor)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::timestamptz[], $6::timestamptz[],
    $7::jsonb[], $8::jsonb[], $9::timestamptz[], $10::int[], $11::bigint[])
ON CONFLICT (program_id, member_id, order_id) DO UPDATE SET
    paid = excluded.paid,
    paid_at = excluded.paid_at,
    stated_at = excluded.stated_at,
    removed_lines = excluded.removed_lines,
    refunds = excluded.refunds,
    cancelled_at = excluded.cancelled_at,
    year = excluded.year,
    kept_minor = excluded.kept_minor

-- name: read_years
SELECT y.*
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, year, spend_minor
    FROM tiers.year_spend
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS y

-- name: save_years
INSERT INTO tiers.year_spend (program_id, member_id, year, spend_minor)
SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[])
ON CONFLICT (program_id, member_id, year) DO UPDATE SET spend_minor = excluded.spend_minor

-- name: erase_purchases
DELETE FROM tiers.purchase AS o
USING unnest($1::text[], $2::text[]) AS k (p, m)
WHERE o.program_id = k.p AND o.member_id = k.m

-- name: erase_years
DELETE FROM tiers.year_spend AS y
USING unnest($1::text[], $2::text[]) AS k (p, m)
WHERE y.program_id = k.p AND y.member_id = k.m

-- name: report_purchases
-- Some refunds and cancellations whose order has not come since $1; each is told of once.
UPDATE tiers.purchase AS p SET reported_at = $2
FROM (
    SELECT program_id, member_id, order_id
    FROM tiers.purchase
    WHERE paid_at IS NULL AND reported_at IS NULL AND first_seen_at < $1
    ORDER BY first_seen_at LIMIT $3
) AS w
WHERE (p.program_id, p.member_id, p.order_id) = (w.program_id, w.member_id, w.order_id) AND p.paid_at IS NULL
RETURNING p.program_id, p.member_id, p.order_id
