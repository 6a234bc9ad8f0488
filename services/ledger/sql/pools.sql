-- name: insert_household
INSERT INTO ledger.pool (program_id, pool_id, made_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true

-- name: lock_household
-- Locked before its members: whoever changes or spends from a pool comes one after the other.
SELECT pool_id FROM ledger.pool WHERE program_id = $1 AND pool_id = $2 AND dissolved_at IS NULL FOR UPDATE

-- name: household_of
SELECT pool_id FROM ledger.pool_member WHERE program_id = $1 AND member_id = $2 AND joined_at IS NOT NULL

-- name: household_members
SELECT member_id FROM ledger.pool_member
WHERE program_id = $1 AND pool_id = $2 AND joined_at IS NOT NULL ORDER BY place

-- name: household_invitations
SELECT pool_id FROM ledger.pool_member WHERE program_id = $1 AND member_id = $2 AND joined_at IS NULL ORDER BY pool_id

-- name: invite_to_household
INSERT INTO ledger.pool_member (program_id, member_id, pool_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: join_household
INSERT INTO ledger.pool_member AS m (program_id, member_id, pool_id, joined_at, place)
SELECT $1, $2, $3, $4, coalesce(max(place), 0) + 1 FROM ledger.pool_member WHERE program_id = $1 AND pool_id = $3
ON CONFLICT (program_id, member_id, pool_id) DO UPDATE SET joined_at = excluded.joined_at, place = excluded.place

-- name: leave_household
DELETE FROM ledger.pool_member WHERE program_id = $1 AND pool_id = $2 AND member_id = ANY ($3::text[])

-- name: dissolve_household
WITH gone AS (
    DELETE FROM ledger.pool_member WHERE program_id = $1 AND pool_id = $2
)
UPDATE ledger.pool SET dissolved_at = $3 WHERE program_id = $1 AND pool_id = $2

-- name: household_lots
SELECT member_id, asset, lot_no, from_member_id FROM ledger.pool_lot WHERE program_id = $1 AND pool_id = $2

-- name: insert_household_lots
INSERT INTO ledger.pool_lot (program_id, pool_id, member_id, asset, lot_no, from_member_id)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[], $6::text[])

-- name: delete_household_lots
DELETE FROM ledger.pool_lot AS l USING unnest($2::text[], $3::text[], $4::bigint[]) AS k (member_id, asset, lot_no)
WHERE l.program_id = $1 AND l.member_id = k.member_id AND l.asset = k.asset AND l.lot_no = k.lot_no

-- name: households_off
-- Lots that are said to come from somebody with whom their holder shares no pool, or that are not there.
SELECT l.program_id, l.member_id, l.asset, l.lot_no, l.pool_id, l.from_member_id
FROM ledger.pool_lot AS l
LEFT JOIN ledger.lot AS t ON t.program_id = l.program_id AND t.member_id = l.member_id AND t.asset = l.asset
     AND t.lot_no = l.lot_no
LEFT JOIN ledger.pool_member AS h ON h.program_id = l.program_id AND h.member_id = l.member_id
     AND h.pool_id = l.pool_id AND h.joined_at IS NOT NULL
LEFT JOIN ledger.pool_member AS o ON o.program_id = l.program_id AND o.member_id = l.from_member_id
     AND o.pool_id = l.pool_id AND o.joined_at IS NOT NULL
WHERE t.lot_no IS NULL OR h.member_id IS NULL OR o.member_id IS NULL
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: pool_members_off
-- Who is in a pool that is not there or was dissolved, or is in it though they were forgotten or merged.
SELECT m.program_id, m.member_id, m.pool_id
FROM ledger.pool_member AS m
LEFT JOIN ledger.pool AS p USING (program_id, pool_id)
LEFT JOIN ledger.member AS w ON w.program_id = m.program_id AND w.member_id = m.member_id
WHERE m.joined_at IS NOT NULL
  AND (p.pool_id IS NULL OR p.dissolved_at IS NOT NULL OR w.merged_into IS NOT NULL OR w.erased_at IS NOT NULL)
ORDER BY 1, 2, 3 LIMIT $1
