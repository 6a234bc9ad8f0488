-- name: insert_movements
INSERT INTO ledger.movement (program_id, asset, account, amount)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])

-- name: fold_movements
WITH gone AS (
    DELETE FROM ledger.movement
    WHERE movement_id IN (SELECT movement_id FROM ledger.movement ORDER BY movement_id LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING program_id, asset, account, amount
), summed AS (
    SELECT program_id, asset, account, sum(amount) AS amount, count(*) AS folded FROM gone GROUP BY 1, 2, 3
), folded AS (
    INSERT INTO ledger.account AS a (program_id, asset, account, amount)
    SELECT program_id, asset, account, amount FROM summed ORDER BY 1, 2, 3
    ON CONFLICT (program_id, asset, account) DO UPDATE SET amount = a.amount + excluded.amount
)
SELECT coalesce(sum(folded), 0)::bigint FROM summed

-- name: accounts
SELECT program_id, asset, account, sum(amount) AS amount FROM (
    SELECT program_id, asset, account, amount FROM ledger.account
    UNION ALL
    SELECT program_id, asset, account, amount FROM ledger.movement
) AS every
WHERE $1::text IS NULL OR program_id = $1
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

-- name: unbalanced
-- The sum over all accounts of a program and asset is 0. One statement, so one snapshot.
SELECT program_id, asset, sum(amount) AS amount FROM (
    SELECT program_id, asset, amount FROM ledger.account
    UNION ALL
    SELECT program_id, asset, amount FROM ledger.movement
    UNION ALL
    SELECT program_id, asset, pending + available + held FROM ledger.balance
) AS every
GROUP BY 1, 2 HAVING sum(amount) <> 0

-- name: balances_off
-- Where the transfers of a member do not add up to the balances, or their versions have a gap.
SELECT program_id, member_id, asset, b.pending, b.available, b.held, b.version,
       t.pending AS t_pending, t.available AS t_available, t.held AS t_held, t.transfers
FROM ledger.balance AS b
FULL JOIN (
    SELECT program_id, member_id, asset,
           sum(amount * ((to_account = 'pending')::int - (from_account = 'pending')::int)) AS pending,
           sum(amount * ((to_account = 'available')::int - (from_account = 'available')::int)) AS available,
           sum(amount * ((to_account = 'held')::int - (from_account = 'held')::int)) AS held,
           count(*) AS transfers, max(version) AS version
    FROM ledger.transfer GROUP BY 1, 2, 3
) AS t USING (program_id, member_id, asset)
WHERE (b.pending, b.available, b.held, b.version) IS DISTINCT FROM (t.pending, t.available, t.held, t.version)
   OR t.transfers IS DISTINCT FROM t.version
ORDER BY 1, 2, 3 LIMIT $1

-- name: running_balances_off
-- Where a transfer does not say the balances that follow from the one before it, or that one is missing.
SELECT program_id, member_id, asset, version, before FROM (
    SELECT program_id, member_id, asset, version, pending, available, held,
           lag(version, 1, 0::bigint) OVER w AS before,
           lag(pending, 1, 0::bigint) OVER w
               + amount * ((to_account = 'pending')::int - (from_account = 'pending')::int) AS e_pending,
           lag(available, 1, 0::bigint) OVER w
               + amount * ((to_account = 'available')::int - (from_account = 'available')::int) AS e_available,
           lag(held, 1, 0::bigint) OVER w
               + amount * ((to_account = 'held')::int - (from_account = 'held')::int) AS e_held
    FROM ledger.transfer WINDOW w AS (PARTITION BY program_id, member_id, asset ORDER BY version)
) AS t
WHERE (pending, available, held) IS DISTINCT FROM (e_pending, e_available, e_held) OR version <> before + 1
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: lots_off
-- Where what remains in the lots is not what is available (nothing where the member owes); some of the lots by number.
SELECT program_id, member_id, asset, b.available, coalesce(l.remaining, 0)::bigint AS remaining, l.numbers[1:10] AS numbers
FROM ledger.balance AS b
FULL JOIN (
    SELECT program_id, member_id, asset, sum(remaining) AS remaining, array_agg(lot_no) FILTER (WHERE remaining > 0) AS numbers
    FROM ledger.lot GROUP BY 1, 2, 3
) AS l USING (program_id, member_id, asset)
WHERE greatest(coalesce(b.available, 0), 0) <> coalesce(l.remaining, 0)
ORDER BY 1, 2, 3 LIMIT $1

-- name: holds_off
SELECT program_id, member_id, asset, b.held, coalesce(h.points, 0)::bigint AS points
FROM ledger.balance AS b
FULL JOIN (
    SELECT program_id, member_id, asset, sum(points) AS points FROM ledger.hold WHERE state = 'open' GROUP BY 1, 2, 3
) AS h USING (program_id, member_id, asset)
WHERE coalesce(b.held, 0) <> coalesce(h.points, 0)
ORDER BY 1, 2, 3 LIMIT $1

-- name: pending_off
SELECT program_id, member_id, asset, b.pending, coalesce(a.points, 0)::bigint AS points
FROM ledger.balance AS b
FULL JOIN (
    SELECT program_id, member_id, asset, sum(points - reversed) AS points FROM ledger.award
    WHERE state IN ('pending', 'waiting') GROUP BY 1, 2, 3
) AS a USING (program_id, member_id, asset)
WHERE coalesce(b.pending, 0) <> coalesce(a.points, 0)
ORDER BY 1, 2, 3 LIMIT $1

-- name: awards_off
-- Where the transfers of an award do not add up to what it holds. The points of an imported one came with the opening
-- balance, so only what was taken of it since has moved. For members who took others in, see `family_off`.
SELECT a.program_id, a.member_id, a.award_id, h.held, coalesce(t.moved, 0)::bigint AS moved
FROM ledger.award AS a
CROSS JOIN LATERAL (
    SELECT CASE WHEN a.kind = 'import' THEN 0 ELSE a.points END - a.reversed + a.written_off AS held
) AS h
LEFT JOIN (
    SELECT program_id, member_id, award_id,
           sum(amount * ((from_account IN ('issued', 'reversed') OR from_account ^@ 'partner:')::int
                         - (to_account IN ('issued', 'reversed') OR to_account ^@ 'partner:')::int)) AS moved
    FROM ledger.transfer WHERE award_id IS NOT NULL GROUP BY 1, 2, 3
) AS t USING (program_id, member_id, award_id)
LEFT JOIN ledger.member AS m ON m.program_id = a.program_id AND m.member_id = a.member_id
WHERE m.erased_at IS NULL AND h.held <> coalesce(t.moved, 0)
  AND NOT EXISTS (SELECT FROM ledger.member AS f WHERE f.program_id = a.program_id AND f.merged_into = a.member_id)
ORDER BY 1, 2, 3 LIMIT $1

-- name: statement
-- The entries of a member, newest first, as of a moment by when they happened and by when they were written.
SELECT version, asset, kind, from_account, to_account, amount, award_id, order_id, hold_id, cause, happened_at, written_at,
       pending, available, held
FROM ledger.transfer
WHERE program_id = $1 AND member_id = $2 AND asset = $3 AND version < $4
  AND ($5::timestamptz IS NULL OR happened_at <= $5) AND ($6::timestamptz IS NULL OR written_at <= $6)
ORDER BY version DESC LIMIT $7

-- name: balances_as_of
SELECT asset,
       sum(amount * ((to_account = 'pending')::int - (from_account = 'pending')::int))::bigint AS pending,
       sum(amount * ((to_account = 'available')::int - (from_account = 'available')::int))::bigint AS available,
       sum(amount * ((to_account = 'held')::int - (from_account = 'held')::int))::bigint AS held,
       max(version) AS version
FROM ledger.transfer
WHERE program_id = $1 AND member_id = $2
  AND ($3::timestamptz IS NULL OR happened_at <= $3) AND ($4::timestamptz IS NULL OR written_at <= $4)
GROUP BY asset ORDER BY asset
