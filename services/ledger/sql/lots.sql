-- name: load_lots
SELECT l.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, asset, lot_no, award_id, order_id, opened_at, expires_at, amount, remaining, expired,
           told_at, received
    FROM ledger.lot
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS l

-- name: update_lots
UPDATE ledger.lot AS l SET remaining = k.remaining, expired = k.expired, expires_at = k.expires_at, told_at = k.told_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
            $7::timestamptz[], $8::timestamptz[])
    AS k (program_id, member_id, asset, lot_no, remaining, expired, expires_at, told_at)
WHERE l.program_id = k.program_id AND l.member_id = k.member_id AND l.asset = k.asset AND l.lot_no = k.lot_no

-- name: open_lots
-- What a member can spend, in the order in which it will be spent; behind the lot that is named.
SELECT lot_no, asset, amount, remaining, opened_at, expires_at, order_id FROM ledger.lot
WHERE program_id = $1 AND member_id = $2 AND remaining > 0 AND asset >= $3
  AND (asset, coalesce(expires_at, 'infinity'), opened_at, lot_no) > ($3, coalesce($4::timestamptz, 'infinity'), $5, $6)
ORDER BY asset, expires_at, opened_at, lot_no LIMIT $7
