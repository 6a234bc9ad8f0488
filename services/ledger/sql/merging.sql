-- name: read_merge
SELECT program_id, member_id, survivor_id, merged_at, merged_by, reason, moved
FROM ledger.merge WHERE program_id = $1 AND member_id = $2

-- name: merges_into
-- Whoever was merged into this member, or into somebody who was; the latest first.
SELECT g.program_id, g.member_id, g.survivor_id, g.merged_at, g.merged_by, g.reason, g.moved
FROM ledger.member AS m
JOIN ledger.merge AS g ON g.program_id = m.program_id AND g.member_id = m.member_id
WHERE m.program_id = $1 AND m.merged_into = $2
ORDER BY g.merged_at DESC, g.member_id LIMIT $3

-- name: insert_merge
INSERT INTO ledger.merge (program_id, member_id, survivor_id, merged_at, merged_by, reason, moved)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: aliases_of
SELECT member_id FROM ledger.member WHERE program_id = $1 AND merged_into = $2 ORDER BY member_id

-- name: load_all_usage
SELECT u.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, rule, bucket, times, points FROM ledger.usage
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS u

-- name: goal_periods_of
-- Every period in which the merged member's orders count.
SELECT DISTINCT rule, period FROM ledger.goal_part WHERE program_id = $1 AND member_id = $2 ORDER BY rule, period

-- name: awards_alike
-- Awards of the merged member that the survivor has under the same id.
SELECT a.award_id FROM ledger.award AS a
JOIN ledger.award AS b ON b.program_id = a.program_id AND b.member_id = $3 AND b.award_id = a.award_id
WHERE a.program_id = $1 AND a.member_id = $2

-- name: lot_shifts
-- By how much the numbers of the merged member's lots move, so that they lie below 0 and below the survivor's.
SELECT asset, (least(0, (
    SELECT min(lot_no) FROM ledger.lot WHERE program_id = $1 AND member_id = $3 AND asset = l.asset
)) - 1 - max(lot_no))::bigint AS shift
FROM ledger.lot AS l WHERE program_id = $1 AND member_id = $2 GROUP BY asset

-- name: move_purchases
UPDATE ledger.purchase AS a
SET member_id = $3, order_id = CASE WHEN EXISTS (
    SELECT FROM ledger.purchase AS b WHERE b.program_id = $1 AND b.member_id = $3 AND b.order_id = a.order_id
) THEN ledger.id_after_merge(a.order_id, $2) ELSE a.order_id END
WHERE a.program_id = $1 AND a.member_id = $2

-- name: move_awards
UPDATE ledger.award AS a
SET member_id = $3, award_id = coalesce((
    SELECT k.after FROM unnest($4::text[], $5::text[]) AS k (before, after) WHERE k.before = a.award_id
), a.award_id), order_id = ledger.order_after_merge($1, a.order_id, $2, $3)
WHERE a.program_id = $1 AND a.member_id = $2

-- name: move_lots
UPDATE ledger.lot AS a
SET member_id = $3, lot_no = a.lot_no + s.shift, award_id = coalesce((
    SELECT k.after FROM unnest($4::text[], $5::text[]) AS k (before, after) WHERE k.before = a.award_id
), a.award_id), order_id = ledger.order_after_merge($1, a.order_id, $2, $3)
FROM unnest($6::text[], $7::bigint[]) AS s (asset, shift)
WHERE a.program_id = $1 AND a.member_id = $2 AND a.asset = s.asset

-- name: move_holds
UPDATE ledger.hold AS a
SET member_id = $3, hold_id = CASE WHEN EXISTS (
    SELECT FROM ledger.hold AS b WHERE b.program_id = $1 AND b.member_id = $3 AND b.hold_id = a.hold_id
) THEN ledger.id_after_merge(a.hold_id, $2) ELSE a.hold_id END, draws = ledger.draws_after_merge(a.draws, (
    SELECT s.shift FROM unnest($4::text[], $5::bigint[]) AS s (asset, shift) WHERE s.asset = a.asset
)), order_id = ledger.order_after_merge($1, a.order_id, $2, $3)
WHERE a.program_id = $1 AND a.member_id = $2

-- name: move_coupons
-- The codes of the merged member's rewards; before these move.
UPDATE ledger.coupon AS c
SET member_id = $3, reward_id = CASE WHEN EXISTS (
    SELECT FROM ledger.reward AS b WHERE b.program_id = $1 AND b.member_id = $3 AND b.reward_id = r.reward_id
) THEN ledger.id_after_merge(r.reward_id, $2) ELSE r.reward_id END
FROM ledger.reward AS r
WHERE r.program_id = $1 AND r.member_id = $2 AND c.program_id = $1 AND c.code = r.code AND c.member_id = $2
  AND c.reward_id = r.reward_id

-- name: move_coupon_uses
UPDATE ledger.coupon_use SET member_id = $3 WHERE program_id = $1 AND member_id = $2

-- name: move_rewards
UPDATE ledger.reward AS a
SET member_id = $3, reward_id = CASE WHEN EXISTS (
    SELECT FROM ledger.reward AS b WHERE b.program_id = $1 AND b.member_id = $3 AND b.reward_id = a.reward_id
) THEN ledger.id_after_merge(a.reward_id, $2) ELSE a.reward_id END, draws = ledger.draws_after_merge(a.draws, (
    SELECT s.shift FROM unnest($4::text[], $5::bigint[]) AS s (asset, shift) WHERE s.asset = a.asset
)), order_id = ledger.order_after_merge($1, a.order_id, $2, $3)
WHERE a.program_id = $1 AND a.member_id = $2

-- name: move_goal_parts
UPDATE ledger.goal_part AS a
SET member_id = $3, order_id = ledger.order_after_merge($1, a.order_id, $2, $3)
WHERE a.program_id = $1 AND a.member_id = $2

-- name: empty_goals_reached
UPDATE ledger.goal_reached SET ends = '[]', awards = '[]' WHERE program_id = $1 AND member_id = $2

-- name: move_proposals
-- Adjustments that wait for a second person concern the survivor; what was done stays where it was done.
UPDATE ledger.adjustment SET member_id = $3 WHERE program_id = $1 AND member_id = $2 AND state = 'proposed'

-- name: move_partner_credits
UPDATE ledger.partner_credit SET member_id = $3 WHERE program_id = $1 AND member_id = $2

-- name: merged_off
-- Members who were merged into others and still have something, or lead to somebody who was merged, too.
SELECT m.program_id, m.member_id, m.merged_into, b.asset, b.pending, b.available, b.held
FROM ledger.member AS m
LEFT JOIN ledger.balance AS b
    ON b.program_id = m.program_id AND b.member_id = m.member_id AND (b.pending, b.available, b.held) <> (0, 0, 0)
LEFT JOIN ledger.member AS n ON n.program_id = m.program_id AND n.member_id = m.merged_into
WHERE m.merged_into IS NOT NULL
  AND (b.asset IS NOT NULL OR n.member_id IS NULL OR n.merged_into IS NOT NULL OR NOT EXISTS (
      SELECT FROM ledger.merge AS g WHERE g.program_id = m.program_id AND g.member_id = m.member_id
  ))
ORDER BY 1, 2 LIMIT $1

-- name: family_off
-- Whoever took others in has their awards, spends and rewards, but the transfers of these stay where they were made: for
-- all of them together, by asset, the transfers make what the rows say.
WITH family AS (
    SELECT program_id, member_id, merged_into AS home FROM ledger.member WHERE merged_into IS NOT NULL
    UNION
    SELECT program_id, merged_into, merged_into FROM ledger.member WHERE merged_into IS NOT NULL
), moved AS (
    SELECT f.program_id, f.home, t.asset,
           sum(amount * ((from_account IN ('issued', 'reversed') OR from_account ^@ 'partner:')::int
                         - (to_account IN ('issued', 'reversed') OR to_account ^@ 'partner:')::int))
               FILTER (WHERE award_id IS NOT NULL) AS awarded,
           sum(amount * ((to_account = 'redeemed')::int - (from_account = 'redeemed')::int))
               FILTER (WHERE hold_id IS NOT NULL) AS spent,
           sum(CASE kind WHEN 'redemption' THEN amount ELSE -amount END)
               FILTER (WHERE kind IN ('redemption', 'reward_void')) AS paid
    FROM family AS f
    CROSS JOIN LATERAL (
        SELECT asset, amount, from_account, to_account, award_id, hold_id, kind FROM ledger.transfer
        WHERE program_id = f.program_id AND member_id = f.member_id
    ) AS t
    GROUP BY 1, 2, 3
), said AS (
    SELECT h.program_id, h.home, s.asset, sum(s.awarded) AS awarded, sum(s.spent) AS spent, sum(s.paid) AS paid
    FROM (SELECT DISTINCT program_id, home FROM family) AS h
    CROSS JOIN LATERAL (
        SELECT asset, CASE WHEN kind = 'import' THEN 0 ELSE points END - reversed + written_off AS awarded, 0 AS spent, 0 AS paid FROM ledger.award
        WHERE program_id = h.program_id AND member_id = h.home
        UNION ALL
        SELECT asset, 0, captured - returned, 0 FROM ledger.hold
        WHERE program_id = h.program_id AND member_id = h.home
        UNION ALL
        SELECT asset, 0, 0, price FROM ledger.reward
        WHERE program_id = h.program_id AND member_id = h.home AND source = 'bought' AND state <> 'voided'
    ) AS s
    GROUP BY 1, 2, 3
)
SELECT m.program_id, m.member_id, asset, w.what, w.said::bigint AS said, w.moved::bigint AS moved
FROM said AS s
FULL JOIN moved AS t USING (program_id, home, asset)
JOIN ledger.member AS m
    ON m.program_id = coalesce(s.program_id, t.program_id) AND m.member_id = coalesce(s.home, t.home)
   AND m.erased_at IS NULL
CROSS JOIN LATERAL (VALUES
    ('awards', coalesce(s.awarded, 0), coalesce(t.awarded, 0)),
    ('spends', coalesce(s.spent, 0), coalesce(t.spent, 0)),
    ('rewards', coalesce(s.paid, 0), coalesce(t.paid, 0))
) AS w (what, said, moved)
WHERE w.said <> w.moved
ORDER BY 1, 2, 3, 4 LIMIT $1
