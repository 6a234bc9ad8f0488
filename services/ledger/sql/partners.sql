-- name: partner_credits
SELECT c.* FROM unnest($3::text[]) AS k (transaction_id)
CROSS JOIN LATERAL (
    SELECT program_id, partner, transaction_id, member_id, asset, minor, currency, points, reversed, price,
           price_currency, program_version, happened_at, booked_at
    FROM ledger.partner_credit
    WHERE program_id = $1 AND partner = $2 AND transaction_id = k.transaction_id
) AS c

-- name: insert_partner_credits
-- Keys come sorted: two requests never wait for each other in a circle.
INSERT INTO ledger.partner_credit (program_id, partner, transaction_id, member_id, asset, minor, currency, points,
                                   reversed, price, price_currency, program_version, happened_at, booked_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[],
                     $9::bigint[], $10::text[], $11::text[], $12::int[], $13::timestamptz[], $14::timestamptz[])
ON CONFLICT (program_id, partner, transaction_id) DO NOTHING RETURNING true

-- name: reverse_partner_credits
UPDATE ledger.partner_credit AS c SET reversed = k.reversed
FROM unnest($3::text[], $4::bigint[]) AS k (transaction_id, reversed)
WHERE c.program_id = $1 AND c.partner = $2 AND c.transaction_id = k.transaction_id

-- name: insert_partner_reversals
INSERT INTO ledger.partner_reversal (program_id, partner, transaction_id, reversed_in_all, points, booked_at)
SELECT $1, $2, k.*, $6 FROM unnest($3::text[], $4::bigint[], $5::bigint[]) AS k (transaction_id, reversed_in_all, points)

-- name: partner_credits_behind
SELECT program_id, partner, transaction_id, member_id, asset, minor, currency, points, reversed, price,
       price_currency, program_version, happened_at, booked_at
FROM ledger.partner_credit
WHERE program_id = $1 AND partner = $2 AND transaction_id > $3
ORDER BY transaction_id LIMIT $4

-- name: partner_settlement
-- What was credited and taken back from one moment to before another, by asset and price.
SELECT asset, price, price_currency, sum(credits)::bigint AS credits, sum(credited)::bigint AS credited,
       sum(reversals)::bigint AS reversals, sum(reversed)::bigint AS reversed
FROM (
    SELECT asset, price, price_currency, count(*) AS credits, sum(points) AS credited, 0 AS reversals, 0 AS reversed
    FROM ledger.partner_credit
    WHERE program_id = $1 AND partner = $2 AND booked_at >= $3 AND booked_at < $4 GROUP BY 1, 2, 3
    UNION ALL
    SELECT c.asset, c.price, c.price_currency, 0, 0, count(*), sum(r.points)
    FROM ledger.partner_reversal AS r JOIN ledger.partner_credit AS c USING (program_id, partner, transaction_id)
    WHERE r.program_id = $1 AND r.partner = $2 AND r.booked_at >= $3 AND r.booked_at < $4 GROUP BY 1, 2, 3
) AS both_ways
GROUP BY 1, 2, 3 ORDER BY 1, 3, 2

-- name: partner_credits_off
-- Where a partner's credit is not what the member's award holds, or its reversals do not add up.
SELECT c.program_id, c.member_id, c.partner, c.transaction_id, c.points - c.reversed AS held,
       a.points - a.reversed AS award_holds, c.reversed, coalesce(r.points, 0)::bigint AS reversals
FROM ledger.partner_credit AS c
LEFT JOIN ledger.award AS a ON a.program_id = c.program_id AND a.member_id = c.member_id
     AND a.award_id = 'partner:' || c.partner || ':' || c.transaction_id
LEFT JOIN ledger.member AS m ON m.program_id = c.program_id AND m.member_id = c.member_id
LEFT JOIN (
    SELECT program_id, partner, transaction_id, sum(points) AS points FROM ledger.partner_reversal GROUP BY 1, 2, 3
) AS r ON r.program_id = c.program_id AND r.partner = c.partner AND r.transaction_id = c.transaction_id
WHERE c.reversed <> coalesce(r.points, 0)
   OR (m.erased_at IS NULL AND c.points - c.reversed <> coalesce(a.points - a.reversed, 0))
ORDER BY 1, 2, 4 LIMIT $1

-- name: partner_awards_off
-- What a partner gave a member, and no credit of the partner tells of.
SELECT a.program_id, a.member_id, a.award_id
FROM ledger.award AS a
WHERE a.kind = 'partner' AND NOT EXISTS (
    SELECT FROM ledger.partner_credit AS c
    WHERE c.program_id = a.program_id AND c.partner = a.breakdown ->> 'partner' AND c.member_id = a.member_id
      AND 'partner:' || c.partner || ':' || c.transaction_id = a.award_id
)
ORDER BY 1, 2, 3 LIMIT $1

-- name: partner_reversals_off
-- What was taken back of a credit that is not there.
SELECT r.program_id, r.partner, r.transaction_id, sum(r.points)::bigint AS points
FROM ledger.partner_reversal AS r LEFT JOIN ledger.partner_credit AS c USING (program_id, partner, transaction_id)
WHERE c.transaction_id IS NULL
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT $1
