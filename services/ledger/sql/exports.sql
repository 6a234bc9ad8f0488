-- name: export_awards
-- All that awards still hold.
SELECT a.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, award_id, asset, kind, order_id, cause, happened_at, program_version, points, state,
           breakdown, reversed, written_off, due_at
    FROM ledger.award
    WHERE program_id = k.program_id AND member_id = k.member_id AND points > reversed
) AS a

-- name: export_entries
-- What members gained and lost, not what moved between their own accounts; also those who were merged into them.
SELECT k.member_id AS home, e.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT k.member_id AS id UNION ALL
    SELECT member_id FROM ledger.member WHERE program_id = k.program_id AND merged_into = k.member_id
) AS f
CROSS JOIN LATERAL (
    SELECT member_id, asset, version, kind, happened_at,
           CASE WHEN to_account IN ('pending', 'available', 'held') THEN amount ELSE -amount END AS points
    FROM ledger.transfer
    WHERE program_id = k.program_id AND member_id = f.id
      AND (to_account IN ('pending', 'available', 'held')) <> (from_account IN ('pending', 'available', 'held'))
    ORDER BY asset, version
) AS e

-- name: export_history
-- Entries that came from another system, to be handed on.
SELECT k.member_id AS home, h.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT k.member_id AS id UNION ALL
    SELECT member_id FROM ledger.member WHERE program_id = k.program_id AND merged_into = k.member_id
) AS f
CROSS JOIN LATERAL (
    SELECT member_id, said FROM ledger.imported_row
    WHERE program_id = k.program_id AND member_id = f.id AND kind = 'history' ORDER BY happened_at, row_id
) AS h

-- name: export_rewards
SELECT r.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, reward_id, reward, source, gives, state, asset, price, draws, code, stocked,
           program_version, cause, reason, issued_at, valid_until, due_at, closed_at, order_id, changes
    FROM ledger.reward WHERE program_id = k.program_id AND member_id = k.member_id
) AS r

-- name: export_coupons
SELECT c.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, code, shown, state, gives, pool, member_id, reward_id, anyone, uses, per_member, used,
           valid_from, valid_until, made_at
    FROM ledger.coupon WHERE program_id = k.program_id AND member_id = k.member_id
) AS c

-- name: export_codes
-- Codes of nobody's reward that can be used, or wait in a pool.
SELECT program_id, code, shown, state, gives, pool, member_id, reward_id, anyone, uses, per_member, used,
       valid_from, valid_until, made_at
FROM ledger.coupon
WHERE program_id = $1 AND code > $2 AND member_id IS NULL AND state IN ('pooled', 'open')
  AND (valid_until IS NULL OR valid_until > $3)
ORDER BY code LIMIT $4

-- name: export_uses
SELECT u.* FROM unnest($2::text[]) AS k (code)
CROSS JOIN LATERAL (
    SELECT program_id, code, use_id, state, member_id, order_id, named, reason, changed_at, reserved_until
    FROM ledger.coupon_use WHERE program_id = $1 AND code = k.code AND state = 'used' ORDER BY changed_at, use_id
) AS u

-- name: export_households
SELECT p.pool_id, m.members FROM ledger.pool AS p
CROSS JOIN LATERAL (
    SELECT array_agg(member_id ORDER BY place) AS members FROM ledger.pool_member
    WHERE program_id = p.program_id AND pool_id = p.pool_id AND joined_at IS NOT NULL
) AS m
WHERE p.program_id = $1 AND p.pool_id > $2 AND p.dissolved_at IS NULL AND m.members IS NOT NULL
ORDER BY p.pool_id LIMIT $3

-- name: export_member
-- Everything that is kept about a member, table by table.
SELECT 'member' AS part, to_jsonb(t) AS entry FROM ledger.member AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'person', to_jsonb(t) FROM ledger.person AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'balance', to_jsonb(t) FROM ledger.balance AS t WHERE program_id = $1 AND member_id = $2
UNION ALL (
    SELECT 'transfer', to_jsonb(t) FROM ledger.transfer AS t WHERE program_id = $1 AND member_id = $2 ORDER BY asset, version
)
UNION ALL SELECT 'lot', to_jsonb(t) FROM ledger.lot AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'award', to_jsonb(t) FROM ledger.award AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'purchase', to_jsonb(t) FROM ledger.purchase AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'hold', to_jsonb(t) FROM ledger.hold AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'usage', to_jsonb(t) FROM ledger.usage AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'goal_part', to_jsonb(t) FROM ledger.goal_part AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'goal_reached', to_jsonb(t) FROM ledger.goal_reached AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'reward', to_jsonb(t) FROM ledger.reward AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'coupon', to_jsonb(t) FROM ledger.coupon AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'coupon_use', to_jsonb(t) FROM ledger.coupon_use AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'adjustment', to_jsonb(t) FROM ledger.adjustment AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'gift', to_jsonb(t) FROM ledger.gift AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'pool_member', to_jsonb(t) FROM ledger.pool_member AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'pool_lot', to_jsonb(t) FROM ledger.pool_lot AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'partner_credit', to_jsonb(t) FROM ledger.partner_credit AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'merge', to_jsonb(t) FROM ledger.merge AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'guest_address', to_jsonb(t) FROM ledger.guest_address AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'guest_order', to_jsonb(t) FROM ledger.guest_order AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'imported_row', to_jsonb(t) FROM ledger.imported_row AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'imported_usage', to_jsonb(t) FROM ledger.imported_usage AS t WHERE program_id = $1 AND member_id = $2
UNION ALL SELECT 'erasure', to_jsonb(t) FROM ledger.erasure AS t WHERE program_id = $1 AND member_id = $2
