-- name: insert_household
INSERT INTO ledger.pool (program_id, pool_id, made_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true

-- name: insert_households
INSERT INTO ledger.pool (program_id, pool_id, made_at) SELECT $1, k.pool_id, $3 FROM unnest($2::text[]) AS k (pool_id)
ON CONFLICT DO NOTHING

-- name: lock_households
-- Locked before their members: whoever changes or spends from a pool comes one after the other.
SELECT p.program_id, p.pool_id FROM unnest($1::text[], $2::text[]) AS k (program_id, pool_id)
CROSS JOIN LATERAL (
    SELECT program_id, pool_id FROM ledger.pool
    WHERE program_id = k.program_id AND pool_id = k.pool_id AND dissolved_at IS NULL FOR UPDATE
) AS p

-- name: lock_households_at_once
-- Where members are locked already, nobody is waited for.
SELECT p.program_id, p.pool_id FROM unnest($1::text[], $2::text[]) AS k (program_id, pool_id)
CROSS JOIN LATERAL (
    SELECT program_id, pool_id FROM ledger.pool
    WHERE program_id = k.program_id AND pool_id = k.pool_id AND dissolved_at IS NULL FOR UPDATE NOWAIT
) AS p

-- name: read_households
SELECT p.program_id, p.pool_id FROM unnest($1::text[], $2::text[]) AS k (program_id, pool_id)
JOIN ledger.pool AS p ON p.program_id = k.program_id AND p.pool_id = k.pool_id AND p.dissolved_at IS NULL

-- name: households_of
SELECT m.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, pool_id FROM ledger.pool_member
    WHERE program_id = k.program_id AND member_id = k.member_id AND joined_at IS NOT NULL
) AS m

-- name: members_of_households
SELECT m.* FROM unnest($1::text[], $2::text[]) AS k (program_id, pool_id)
CROSS JOIN LATERAL (
    SELECT program_id, pool_id, member_id FROM ledger.pool_member
    WHERE program_id = k.program_id AND pool_id = k.pool_id AND joined_at IS NOT NULL ORDER BY place
) AS m

-- name: borrowed_lots
SELECT l.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, asset, lot_no, pool_id, from_member_id FROM ledger.pool_lot
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS l

-- name: borrowed_from_the_living
-- What members have of others who are still there: nothing goes home to one who was forgotten.
SELECT l.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT p.program_id, p.member_id, p.asset, p.lot_no, p.pool_id, p.from_member_id FROM ledger.pool_lot AS p
    JOIN ledger.member AS owner ON owner.program_id = p.program_id AND owner.member_id = p.from_member_id
    WHERE p.program_id = k.program_id AND p.member_id = k.member_id AND owner.erased_at IS NULL
) AS l

-- name: members_to_send_home_from
-- Who has again what is another's.
SELECT DISTINCT program_id, member_id FROM ledger.pool_lot WHERE came_back ORDER BY 1, 2 LIMIT $1

-- name: lots_came_back
-- Something came back to lots, or into new ones in their place: these are whose those are.
INSERT INTO ledger.pool_lot (program_id, member_id, asset, lot_no, pool_id, from_member_id, came_back)
SELECT DISTINCT ON (1, 2, 3, 4) l.program_id, l.member_id, l.asset, k.lot_no, l.pool_id, l.from_member_id, true
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
    AS k (program_id, member_id, asset, lot_no, home_no)
JOIN ledger.pool_lot AS l ON l.program_id = k.program_id AND l.member_id = k.member_id AND l.asset = k.asset
     AND l.lot_no = k.home_no
ON CONFLICT (program_id, member_id, asset, lot_no) DO UPDATE SET came_back = true

-- name: lots_went_home
UPDATE ledger.pool_lot SET came_back = false WHERE program_id = $1 AND member_id = $2 AND came_back

-- name: household_invitations
SELECT pool_id FROM ledger.pool_member WHERE program_id = $1 AND member_id = $2 AND joined_at IS NULL ORDER BY pool_id

-- name: invite_to_household
INSERT INTO ledger.pool_member (program_id, member_id, pool_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: leave_households
-- Of these pools, whoever is in them and not named any more.
DELETE FROM ledger.pool_member AS m
USING (SELECT DISTINCT program_id, pool_id FROM unnest($1::text[], $2::text[]) AS k (program_id, pool_id)) AS p
WHERE m.program_id = p.program_id AND m.pool_id = p.pool_id AND m.joined_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM unnest($3::text[], $4::text[], $5::text[]) AS s (program_id, pool_id, member_id)
    WHERE s.program_id = m.program_id AND s.pool_id = m.pool_id AND s.member_id = m.member_id
)

-- name: join_households
INSERT INTO ledger.pool_member AS m (program_id, pool_id, member_id, joined_at, place)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::int[])
ON CONFLICT (program_id, member_id, pool_id)
    DO UPDATE SET joined_at = coalesce(m.joined_at, excluded.joined_at), place = excluded.place

-- name: dissolve_households
-- With their last member go the invitations, too.
WITH empty AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS k (program_id, pool_id, changed_at)
), gone AS (
    DELETE FROM ledger.pool_member AS m USING empty AS e WHERE m.program_id = e.program_id AND m.pool_id = e.pool_id
)
UPDATE ledger.pool AS p SET dissolved_at = e.changed_at FROM empty AS e
WHERE p.program_id = e.program_id AND p.pool_id = e.pool_id

-- name: move_borrowed
-- The lots of a merged member are the survivor's, also where others have them; nobody borrows from themselves.
UPDATE ledger.pool_lot AS l
SET member_id = CASE WHEN l.member_id = $2 THEN $3 ELSE l.member_id END,
    from_member_id = CASE WHEN l.from_member_id = $2 THEN $3 ELSE l.from_member_id END,
    lot_no = l.lot_no + CASE WHEN l.member_id = $2 THEN coalesce((
        SELECT s.shift FROM unnest($4::text[], $5::bigint[]) AS s (asset, shift) WHERE s.asset = l.asset
    ), 0) ELSE 0 END
WHERE l.program_id = $1 AND (l.member_id = $2 OR l.from_member_id = $2)

-- name: forget_borrowed
DELETE FROM ledger.pool_lot WHERE program_id = $1 AND member_id = $2 AND from_member_id = $2

-- name: move_invitations
UPDATE ledger.pool_member AS m SET member_id = $3
WHERE m.program_id = $1 AND m.member_id = $2 AND m.joined_at IS NULL AND NOT EXISTS (
    SELECT FROM ledger.pool_member AS o WHERE o.program_id = $1 AND o.member_id = $3 AND o.pool_id = m.pool_id
)

-- name: households_off
-- Lots that are said to be of somebody whom nobody knows, of their own holder, or that are not there.
SELECT l.program_id, l.member_id, l.asset, l.lot_no, l.pool_id, l.from_member_id
FROM ledger.pool_lot AS l
LEFT JOIN ledger.lot AS t ON t.program_id = l.program_id AND t.member_id = l.member_id AND t.asset = l.asset
     AND t.lot_no = l.lot_no
LEFT JOIN ledger.member AS o ON o.program_id = l.program_id AND o.member_id = l.from_member_id
WHERE t.lot_no IS NULL OR o.member_id IS NULL OR o.merged_into IS NOT NULL OR l.from_member_id = l.member_id
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
