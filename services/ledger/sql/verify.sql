-- name: begin_check
-- A check of millions of rows takes longer than a request may; one core and some memory are enough for it.
SELECT set_config('statement_timeout', '0', true), set_config('max_parallel_workers_per_gather', '0', true),
       set_config('work_mem', '64MB', true)

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
-- Rewards that were bought, and that no transfer paid: into `redeemed`, or to the charity that the member chose.
SELECT r.program_id, r.member_id, r.asset, r.reward_id, r.price
FROM ledger.reward AS r
LEFT JOIN (
    SELECT program_id, member_id, asset, cause, to_account, sum(amount) AS paid FROM ledger.transfer
    WHERE kind = 'redemption' GROUP BY 1, 2, 3, 4, 5
) AS t ON t.program_id = r.program_id AND t.member_id = r.member_id AND t.asset = r.asset AND t.cause = 'reward:' || r.reward_id
      AND t.to_account = coalesce('charity:' || (r.gives ->> 'charity'), 'redeemed')
WHERE r.source = 'bought' AND r.price > 0 AND t.paid IS DISTINCT FROM r.price
  AND NOT EXISTS (SELECT FROM ledger.member AS f WHERE f.program_id = r.program_id AND f.merged_into = r.member_id)
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: reward_credits_off
-- Where what rewards gave as points or store credit is not what their transfers credited; for merged members together.
WITH home AS (
    SELECT program_id, member_id, coalesce(merged_into, member_id) AS home FROM ledger.member
)
SELECT program_id, member_id, asset, coalesce(r.said, 0)::bigint AS said, coalesce(t.moved, 0)::bigint AS moved
FROM (
    SELECT program_id, member_id, coalesce(gives ->> 'asset', 'points') AS asset, sum((gives ->> 'points')::bigint) AS said
    FROM ledger.reward
    WHERE gives ->> 'kind' <> 'donation' AND gives ->> 'points' IS NOT NULL AND NOT cause ^@ 'import:' GROUP BY 1, 2, 3
) AS r
FULL JOIN (
    SELECT t.program_id, h.home AS member_id, t.asset, sum(t.amount) AS moved
    FROM ledger.transfer AS t JOIN home AS h USING (program_id, member_id)
    WHERE t.kind = 'reward' GROUP BY 1, 2, 3
) AS t USING (program_id, member_id, asset)
WHERE coalesce(r.said, 0) <> coalesce(t.moved, 0)
ORDER BY 1, 2, 3 LIMIT $1

-- name: draws_off
-- Where a hold or a reward does not say of all its points which lots they were drawn from, or names a lot that is not
-- there. What was drawn from lot 0 came from none: it was spent again while the member owed.
SELECT h.program_id, h.member_id, h.asset, h.what, h.points, coalesce(d.drawn, 0)::bigint AS drawn, d.missing
FROM (
    SELECT program_id, member_id, asset, 'hold ' || hold_id AS what, points, draws FROM ledger.hold
    UNION ALL
    SELECT program_id, member_id, asset, 'reward ' || reward_id, price, draws FROM ledger.reward
) AS h
CROSS JOIN LATERAL (
    SELECT sum((e ->> 1)::bigint) AS drawn,
           array_agg((e ->> 0)::bigint) FILTER (WHERE (e ->> 0)::bigint <> 0 AND l.lot_no IS NULL) AS missing
    FROM jsonb_array_elements(h.draws) AS e
    LEFT JOIN ledger.lot AS l ON l.program_id = h.program_id AND l.member_id = h.member_id AND l.asset = h.asset
         AND l.lot_no = (e ->> 0)::bigint
) AS d
WHERE h.points <> coalesce(d.drawn, 0) OR d.missing IS NOT NULL
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: expired_off
-- Where what lots say expired in them is not what transfers let expire out of available; for merged members together.
WITH home AS (
    SELECT program_id, member_id, coalesce(merged_into, member_id) AS home FROM ledger.member
)
SELECT program_id, member_id, asset, coalesce(l.said, 0)::bigint AS said, coalesce(t.moved, 0)::bigint AS moved,
       l.numbers[1:10] AS numbers
FROM (
    SELECT program_id, member_id, asset, sum(expired) AS said, array_agg(lot_no ORDER BY lot_no) AS numbers FROM ledger.lot
    WHERE expired > 0 GROUP BY 1, 2, 3
) AS l
FULL JOIN (
    SELECT t.program_id, h.home AS member_id, t.asset, sum(t.amount) AS moved
    FROM ledger.transfer AS t JOIN home AS h USING (program_id, member_id)
    WHERE t.from_account = 'available' AND t.to_account = 'expired' GROUP BY 1, 2, 3
) AS t USING (program_id, member_id, asset)
WHERE coalesce(l.said, 0) <> coalesce(t.moved, 0)
ORDER BY 1, 2, 3 LIMIT $1

-- name: dues_off
-- What falls due before anybody looks at its member, or waits for ever.
SELECT d.program_id, d.member_id, d.what, d.due_at, m.next_due
FROM (
    SELECT program_id, member_id, 'award' AS what, min(due_at) AS due_at FROM ledger.award
    WHERE due_at IS NOT NULL GROUP BY 1, 2
    UNION ALL
    SELECT program_id, member_id, 'award', NULL FROM ledger.award
    WHERE state IN ('waiting', 'pending') AND due_at IS NULL AND points > reversed GROUP BY 1, 2
    UNION ALL
    SELECT program_id, member_id, 'lot', min(greatest(expires_at, opened_at)) FROM ledger.lot
    WHERE remaining > 0 AND expires_at IS NOT NULL GROUP BY 1, 2
    UNION ALL
    SELECT program_id, member_id, 'hold', min(held_until) FROM ledger.hold WHERE state = 'open' GROUP BY 1, 2
    UNION ALL
    SELECT program_id, member_id, 'reward', min(due_at) FROM ledger.reward
    WHERE state = 'issued' AND due_at IS NOT NULL GROUP BY 1, 2
) AS d
LEFT JOIN ledger.member AS m USING (program_id, member_id)
WHERE m.next_due IS NULL OR d.due_at IS NULL OR m.next_due > d.due_at
ORDER BY 1, 2, 3 LIMIT $1

-- name: explanations_off
-- Where the lines and the bonus that explain an award do not add up to it; those of goals grow with their period.
SELECT a.program_id, a.member_id, a.award_id, a.points, e.explained
FROM ledger.award AS a
CROSS JOIN LATERAL (
    SELECT (a.breakdown ->> 'bonus')::bigint
           + coalesce((SELECT sum(each::bigint) FROM jsonb_array_elements_text(a.breakdown -> 'lines') AS each), 0)::bigint AS explained
) AS e
WHERE a.kind = 'award' AND a.breakdown ? 'lines' AND NOT a.breakdown ? 'goal' AND e.explained <> a.points
ORDER BY 1, 2, 3 LIMIT $1

-- name: orders_missing
-- Awards of an order that is not there, or was never paid, or is of another version of the program than its award (one
-- that was brought from another system keeps its first). EXCEPT compares sets. Orders that both had of two members who
-- were merged have the other's name behind theirs.
(
    SELECT program_id, member_id, order_id, program_version FROM ledger.award WHERE kind = 'award' AND order_id IS NOT NULL
    EXCEPT
    SELECT program_id, member_id, order_id, program_version FROM ledger.purchase WHERE paid_at IS NOT NULL
)
UNION ALL
(
    SELECT program_id, member_id, order_id, NULL::int FROM ledger.award WHERE kind = 'import' AND order_id IS NOT NULL
    EXCEPT
    SELECT program_id, member_id, order_id, NULL::int FROM ledger.purchase WHERE paid_at IS NOT NULL
)
ORDER BY 1, 2, 3 LIMIT $1

-- name: guest_orders_missing
-- Orders of guests that were credited to a member who has no such order.
SELECT g.program_id, g.member_id, g.order_id
FROM ledger.guest_order AS g
LEFT JOIN ledger.member AS m USING (program_id, member_id)
WHERE g.member_id IS NOT NULL AND m.erased_at IS NULL AND NOT EXISTS (
    SELECT FROM ledger.purchase AS p
    WHERE p.program_id = g.program_id AND p.member_id = coalesce(m.merged_into, g.member_id)
      AND p.order_id IN (g.order_id, g.order_id || '@' || g.member_id)
)
ORDER BY 1, 2, 3 LIMIT $1

-- name: donations_off
-- What a merchant donates passes the member by: from `issued` to a charity, back to `reversed`, never more than it got;
-- for merged members together.
SELECT program_id, home AS member_id, asset, cause, sum(amount) FILTER (WHERE charity IS NULL)::bigint AS astray,
       sum(CASE WHEN to_account = charity THEN amount ELSE -amount END) FILTER (WHERE charity IS NOT NULL)::bigint AS given
FROM (
    SELECT t.program_id, coalesce(m.merged_into, t.member_id) AS home, t.asset, coalesce('order ' || t.order_id, t.award_id) AS cause,
           t.amount, t.to_account, CASE
               WHEN t.to_account ^@ 'charity:' AND t.from_account IN ('issued', 'reversed') THEN t.to_account
               WHEN t.from_account ^@ 'charity:' AND t.to_account = 'reversed' THEN t.from_account
           END AS charity
    FROM ledger.transfer AS t LEFT JOIN ledger.member AS m USING (program_id, member_id)
    WHERE t.asset ^@ 'donation:'
) AS t
GROUP BY 1, 2, 3, 4, t.charity
HAVING bool_or(charity IS NULL) OR sum(CASE WHEN to_account = charity THEN amount ELSE -amount END) < 0
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: erased_off
-- Who was forgotten has nothing, waits for nothing, and nothing is known of them as a person.
SELECT m.program_id, m.member_id, f.what
FROM ledger.member AS m
CROSS JOIN LATERAL (
    SELECT asset AS what FROM ledger.balance
    WHERE program_id = m.program_id AND member_id = m.member_id AND (pending, available, held) <> (0, 0, 0)
    UNION ALL
    SELECT 'award ' || award_id FROM ledger.award
    WHERE program_id = m.program_id AND member_id = m.member_id AND due_at IS NOT NULL
    UNION ALL
    SELECT 'hold ' || hold_id FROM ledger.hold
    WHERE program_id = m.program_id AND member_id = m.member_id AND state = 'open'
    UNION ALL
    SELECT 'reward ' || reward_id FROM ledger.reward
    WHERE program_id = m.program_id AND member_id = m.member_id AND state = 'issued'
    UNION ALL
    SELECT 'facts as a person' FROM ledger.person
    WHERE program_id = m.program_id AND member_id = m.member_id
      AND (birthday, time_zone) IS DISTINCT FROM (NULL, NULL)
    UNION ALL
    SELECT 'imported row ' || row_id FROM ledger.imported_row
    WHERE program_id = m.program_id AND member_id = m.member_id
) AS f
WHERE m.erased_at IS NOT NULL
UNION
SELECT e.program_id, e.member_id, 'an erasure that was not done'
FROM ledger.erasure AS e LEFT JOIN ledger.member AS m USING (program_id, member_id)
WHERE m.erased_at IS NULL
ORDER BY 1, 2, 3 LIMIT $1
