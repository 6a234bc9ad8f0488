-- name: read_gift
-- Also of those who were merged into this member.
SELECT program_id, $2::text AS member_id, transfer_id, to_member_id, asset, points, given_at
FROM ledger.gift
WHERE program_id = $1 AND transfer_id = $3 AND member_id IN (
    SELECT $2 UNION ALL SELECT member_id FROM ledger.member WHERE program_id = $1 AND merged_into = $2
)
ORDER BY (member_id = $2) DESC LIMIT 1

-- name: insert_gift
INSERT INTO ledger.gift (program_id, member_id, transfer_id, to_member_id, asset, points, given_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: given_since
-- What a member, with those who were merged into them, gave since each of these moments; null stands for ever.
SELECT (
    SELECT coalesce(sum(points), 0)::bigint FROM ledger.gift
    WHERE program_id = $1 AND asset = $3 AND (k.since IS NULL OR given_at >= k.since) AND member_id IN (
        SELECT $2 UNION ALL SELECT member_id FROM ledger.member WHERE program_id = $1 AND merged_into = $2
    )
) AS points
FROM unnest($4::timestamptz[]) WITH ORDINALITY AS k (since, place) ORDER BY k.place

-- name: transit_off
-- What went into transit has come out of it, for each gift; every row names who sent it.
SELECT program_id, min(member_id) FILTER (WHERE to_account = 'in_transit') AS member_id, asset, cause,
       coalesce(sum(amount) FILTER (WHERE to_account = 'in_transit'), 0)::bigint AS sent,
       coalesce(sum(amount) FILTER (WHERE from_account = 'in_transit'), 0)::bigint AS received
FROM ledger.transfer WHERE from_account = 'in_transit' OR to_account = 'in_transit'
GROUP BY program_id, asset, cause
HAVING sum(CASE WHEN to_account = 'in_transit' THEN amount ELSE -amount END) <> 0
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: gifts_off
-- Where what the gifts of a member say is not what their transfers sent.
SELECT program_id, member_id, asset, coalesce(g.said, 0)::bigint AS said, coalesce(t.moved, 0)::bigint AS moved
FROM (
    SELECT program_id, member_id, asset, sum(points) AS said FROM ledger.gift GROUP BY 1, 2, 3
) AS g
FULL JOIN (
    SELECT program_id, member_id, asset, sum(amount) AS moved FROM ledger.transfer
    WHERE kind = 'gift' AND to_account = 'in_transit' GROUP BY 1, 2, 3
) AS t USING (program_id, member_id, asset)
WHERE coalesce(g.said, 0) <> coalesce(t.moved, 0)
ORDER BY 1, 2, 3 LIMIT $1
