-- What follows compares rows with the transfers of the same id: of merged members, the rows are the survivor's and the
-- transfers are not, so these are left to `family_off`.

-- name: accounts_off
-- Where an account of a program is not what the transfers moved.
SELECT program_id, asset, account, coalesce(s.amount, 0) AS says, coalesce(t.amount, 0) AS moved
FROM (
    SELECT program_id, asset, account, sum(amount) AS amount FROM (
        SELECT program_id, asset, account, amount FROM ledger.account
        UNION ALL
        SELECT program_id, asset, account, amount FROM ledger.movement
    ) AS every GROUP BY 1, 2, 3
) AS s
FULL JOIN (
    SELECT m.program_id, m.asset, e.account, sum(e.amount) AS amount
    FROM (
        SELECT program_id, asset, from_account, to_account, sum(amount) AS amount FROM ledger.transfer GROUP BY 1, 2, 3, 4
    ) AS m
    CROSS JOIN LATERAL (VALUES (m.from_account, -m.amount), (m.to_account, m.amount)) AS e (account, amount)
    WHERE e.account NOT IN ('pending', 'available', 'held') GROUP BY 1, 2, 3
) AS t USING (program_id, asset, account)
WHERE coalesce(s.amount, 0) <> coalesce(t.amount, 0)
ORDER BY 1, 2, 3 LIMIT $1

-- name: lots_unfounded
-- Where a lot is not what its transfer made available beyond a deficit, or such a transfer has no lot. Lots that came from
-- another member have numbers below 0, and no transfer of their own.
SELECT program_id, member_id, asset, lot_no, l.amount, coalesce(t.amount, 0)::bigint AS opened
FROM (SELECT program_id, member_id, asset, lot_no, amount FROM ledger.lot WHERE lot_no > 0) AS l
FULL JOIN (
    SELECT program_id, member_id, asset, version AS lot_no, least(amount, available) AS amount,
           from_account IN ('issued', 'pending', 'adjusted', 'reversed') AS opens
    FROM ledger.transfer WHERE to_account = 'available' AND available > 0
) AS t USING (program_id, member_id, asset, lot_no)
WHERE ((l.amount IS NULL AND t.opens) OR (l.amount IS NOT NULL AND l.amount IS DISTINCT FROM t.amount))
  AND NOT EXISTS (
      SELECT FROM ledger.member AS f
      WHERE f.program_id = coalesce(l.program_id, t.program_id) AND f.member_id = coalesce(l.member_id, t.member_id) AND f.merged_into IS NOT NULL
  )
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: lots_overdrawn
-- Where what remains in a lot, expired in it, is held, spent or paid for rewards out of it, is more than it had.
SELECT l.program_id, l.member_id, l.asset, l.lot_no, l.amount, l.remaining + l.expired + sum(d.points) AS gone
FROM ledger.lot AS l
JOIN (
    SELECT h.program_id, h.member_id, h.asset, (e.draw ->> 0)::bigint AS lot_no,
           greatest(0, least((e.draw ->> 1)::bigint, h.out - e.before)) AS points
    FROM (
        SELECT program_id, member_id, asset, draws, CASE state WHEN 'open' THEN points ELSE captured - returned END AS out
        FROM ledger.hold
        UNION ALL
        SELECT program_id, member_id, asset, draws, price FROM ledger.reward WHERE state <> 'voided' AND source = 'bought'
    ) AS h
    CROSS JOIN LATERAL (
        SELECT draw, sum((draw ->> 1)::bigint) OVER (ORDER BY place) - (draw ->> 1)::bigint AS before
        FROM jsonb_array_elements(h.draws) WITH ORDINALITY AS each (draw, place)
    ) AS e
) AS d USING (program_id, member_id, asset, lot_no)
GROUP BY 1, 2, 3, 4, 5, l.remaining, l.expired HAVING l.remaining + l.expired + sum(d.points) > l.amount
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: holds_unfounded
-- Where the transfers of a hold do not add up to what it holds, or are of a hold that is not there.
SELECT program_id, member_id, asset, hold_id, coalesce(h.points, 0)::bigint AS points, coalesce(t.held, 0)::bigint AS held
FROM (
    SELECT program_id, member_id, asset, hold_id, CASE state WHEN 'open' THEN points ELSE 0 END AS points FROM ledger.hold
) AS h
FULL JOIN (
    SELECT program_id, member_id, asset, hold_id,
           sum(amount * ((to_account = 'held')::int - (from_account = 'held')::int)) AS held
    FROM ledger.transfer WHERE hold_id IS NOT NULL GROUP BY 1, 2, 3, 4
) AS t USING (program_id, member_id, asset, hold_id)
WHERE h.points IS DISTINCT FROM t.held
  AND NOT EXISTS (
      SELECT FROM ledger.member AS f
      WHERE f.program_id = coalesce(h.program_id, t.program_id) AND f.member_id = coalesce(h.member_id, t.member_id) AND f.merged_into IS NOT NULL
  )
  AND NOT EXISTS (SELECT FROM ledger.member AS f WHERE f.program_id = coalesce(h.program_id, t.program_id) AND f.merged_into = coalesce(h.member_id, t.member_id))
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: awards_missing
-- Transfers of an award that is not there. EXCEPT compares sets: a join may look through all awards of a member for
-- each of their transfers.
SELECT m.program_id, m.member_id, t.asset, m.award_id, t.version
FROM (
    SELECT program_id, member_id, award_id FROM ledger.transfer WHERE award_id IS NOT NULL
    EXCEPT
    SELECT program_id, member_id, award_id FROM ledger.award
) AS m
CROSS JOIN LATERAL (
    SELECT asset, min(version) AS version FROM ledger.transfer
    WHERE program_id = m.program_id AND member_id = m.member_id AND award_id = m.award_id
    GROUP BY 1
) AS t
WHERE NOT EXISTS (
    SELECT FROM ledger.member AS f
    WHERE f.program_id = m.program_id AND f.member_id = m.member_id AND f.merged_into IS NOT NULL
)
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: pending_awards_off
-- Where what an award has pending is not what it waits with.
SELECT a.program_id, a.member_id, a.asset, a.award_id, a.state, a.waits, coalesce(t.pending, 0)::bigint AS pending
FROM (
    SELECT program_id, member_id, asset, award_id, state,
           CASE WHEN state IN ('pending', 'waiting') THEN points - reversed ELSE 0 END AS waits
    FROM ledger.award
) AS a
LEFT JOIN (
    SELECT program_id, member_id, award_id,
           sum(amount * ((to_account = 'pending')::int - (from_account = 'pending')::int)) AS pending
    FROM ledger.transfer WHERE award_id IS NOT NULL GROUP BY 1, 2, 3
) AS t USING (program_id, member_id, award_id)
LEFT JOIN ledger.member AS m ON m.program_id = a.program_id AND m.member_id = a.member_id
WHERE m.erased_at IS NULL AND a.waits <> coalesce(t.pending, 0)
  AND NOT EXISTS (SELECT FROM ledger.member AS f WHERE f.program_id = a.program_id AND f.merged_into = a.member_id)
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: rewards_unpaid
-- Rewards that were bought, and that no transfer paid.
SELECT r.program_id, r.member_id, r.asset, r.reward_id, r.price
FROM ledger.reward AS r
LEFT JOIN (
    SELECT program_id, member_id, asset, cause, sum(amount) AS paid FROM ledger.transfer
    WHERE kind = 'redemption' GROUP BY 1, 2, 3, 4
) AS t ON t.program_id = r.program_id AND t.member_id = r.member_id AND t.asset = r.asset AND t.cause = 'reward:' || r.reward_id
WHERE r.source = 'bought' AND r.price > 0 AND t.paid IS DISTINCT FROM r.price
  AND NOT EXISTS (SELECT FROM ledger.member AS f WHERE f.program_id = r.program_id AND f.merged_into = r.member_id)
ORDER BY 1, 2, 3, 4 LIMIT $1
