-- name: open_holds
SELECT h.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, hold_id, asset, points, state, held_at, held_until, draws, captured, order_id, returned,
           borne
    FROM ledger.hold
    WHERE program_id = k.program_id AND member_id = k.member_id AND state = 'open'
) AS h

-- name: holds_named
SELECT h.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, member_id, hold_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, hold_id, asset, points, state, held_at, held_until, draws, captured, order_id, returned,
           borne
    FROM ledger.hold
    WHERE program_id = k.program_id AND member_id = k.member_id AND hold_id = k.hold_id
) AS h

-- name: holds_of_orders
-- What was held for an order or spent on it: a refund gives it back.
SELECT h.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, member_id, order_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, hold_id, asset, points, state, held_at, held_until, draws, captured, order_id, returned,
           borne
    FROM ledger.hold
    WHERE program_id = k.program_id AND member_id = k.member_id AND order_id = k.order_id
) AS h

-- name: order_of_hold
SELECT order_id FROM ledger.hold WHERE program_id = $1 AND member_id = $2 AND hold_id = $3

-- name: update_holds
UPDATE ledger.hold AS h
SET state = k.state, captured = k.captured, order_id = k.order_id, returned = k.returned, borne = k.borne, draws = k.draws
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::jsonb[])
    AS k (program_id, member_id, hold_id, state, captured, order_id, returned, borne, draws)
WHERE h.program_id = k.program_id AND h.member_id = k.member_id AND h.hold_id = k.hold_id

-- name: spends_off
-- Where the transfers of a hold or spend do not add up to what is spent of it; for merged members see `family_off`. It
-- stays a full join, so that no plan compares every spend of a hot member with every other; what has no hold at all is
-- told of by `holds_unfounded`.
SELECT h.program_id, h.member_id, h.hold_id, h.asset, h.captured - h.returned AS spent, coalesce(t.moved, 0)::bigint AS moved
FROM ledger.hold AS h
FULL JOIN (
    SELECT program_id, member_id, asset, hold_id,
           sum(amount * ((to_account = 'redeemed')::int - (from_account = 'redeemed')::int)) AS moved
    FROM ledger.transfer WHERE hold_id IS NOT NULL GROUP BY 1, 2, 3, 4
) AS t USING (program_id, member_id, asset, hold_id)
WHERE coalesce(h.hold_id, '') <> '' AND coalesce(h.captured - h.returned, 0) <> coalesce(t.moved, 0)
  AND NOT EXISTS (SELECT FROM ledger.member AS f WHERE f.program_id = h.program_id AND f.merged_into = h.member_id)
ORDER BY 1, 2, 3 LIMIT $1
