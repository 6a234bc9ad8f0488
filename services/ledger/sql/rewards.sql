-- name: load_open_rewards
SELECT r.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, reward_id, reward, source, gives, state, asset, price, draws, code, stocked,
           program_version, cause, reason, issued_at, valid_until, due_at, closed_at, order_id, changes
    FROM ledger.reward
    WHERE program_id = k.program_id AND member_id = k.member_id AND state = 'issued'
) AS r

-- name: load_rewards
SELECT r.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, member_id, reward_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, reward_id, reward, source, gives, state, asset, price, draws, code, stocked,
           program_version, cause, reason, issued_at, valid_until, due_at, closed_at, order_id, changes
    FROM ledger.reward
    WHERE program_id = k.program_id AND member_id = k.member_id AND reward_id = k.reward_id
) AS r

-- name: load_rewards_named
-- All that a member ever had of one reward: for its limit.
SELECT r.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, member_id, reward)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, reward_id, reward, source, gives, state, asset, price, draws, code, stocked,
           program_version, cause, reason, issued_at, valid_until, due_at, closed_at, order_id, changes
    FROM ledger.reward
    WHERE program_id = k.program_id AND member_id = k.member_id AND reward = k.reward
) AS r

-- name: update_rewards
UPDATE ledger.reward AS r
SET state = k.state, code = k.code, valid_until = k.valid_until, due_at = k.due_at, closed_at = k.closed_at,
    order_id = k.order_id, changes = k.changes, issued_at = k.issued_at, gives = k.gives, cause = k.cause
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[], $9::text[], $10::int[], $11::timestamptz[], $12::jsonb[], $13::text[])
    AS k (program_id, member_id, reward_id, state, code, valid_until, due_at, closed_at, order_id, changes, issued_at,
          gives, cause)
WHERE r.program_id = k.program_id AND r.member_id = k.member_id AND r.reward_id = k.reward_id

-- name: insert_stock
INSERT INTO ledger.reward_stock (program_id, reward, sold)
SELECT p, r, 0 FROM unnest($1::text[], $2::text[]) AS k (p, r)
ON CONFLICT DO NOTHING

-- name: lock_stock
-- Keys come sorted, after the members' rows and before anything of a pool.
SELECT s.* FROM unnest($1::text[], $2::text[]) AS k (program_id, reward)
CROSS JOIN LATERAL (
    SELECT program_id, reward, sold FROM ledger.reward_stock
    WHERE program_id = k.program_id AND reward = k.reward FOR UPDATE
) AS s

-- name: move_stock
-- By difference, so that a worker that gives one back need not have locked the row before.
UPDATE ledger.reward_stock AS s SET sold = s.sold + k.change
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k (program_id, reward, change)
WHERE s.program_id = k.program_id AND s.reward = k.reward

-- name: rewards_of_member
-- Newest first; the code as members read it.
SELECT r.reward_id, r.reward, r.source, r.gives, r.state, r.asset, r.price, c.shown AS code, r.reason, r.issued_at,
       r.valid_until, r.closed_at, r.order_id
FROM ledger.reward AS r
LEFT JOIN ledger.coupon AS c ON c.program_id = r.program_id AND c.code = r.code
WHERE r.program_id = $1 AND r.member_id = $2 AND ($3::text IS NULL OR r.state = $3)
  AND (r.issued_at, r.reward_id) < ($4, $5)
ORDER BY r.issued_at DESC, r.reward_id DESC LIMIT $6

-- name: stocks_of_program
SELECT reward, sold FROM ledger.reward_stock WHERE program_id = $1

-- name: rewards_had
-- When a member bought what, as far as it was not voided.
SELECT reward, issued_at FROM ledger.reward
WHERE program_id = $1 AND member_id = $2 AND source = 'bought' AND state <> 'voided'
ORDER BY issued_at

-- name: redemptions_off
-- Where what members paid for rewards, less what came back for voided ones, is not the price of those they have; for merged
-- members see `family_off`.
SELECT coalesce(r.program_id, t.program_id) AS program_id, coalesce(r.member_id, t.member_id) AS member_id, asset,
       coalesce(t.paid, 0)::bigint AS paid, coalesce(r.price, 0)::bigint AS price
FROM (
    SELECT program_id, member_id, asset, sum(price) AS price FROM ledger.reward
    WHERE source = 'bought' AND state <> 'voided' GROUP BY 1, 2, 3
) AS r
FULL JOIN (
    SELECT program_id, member_id, asset,
           sum(CASE kind WHEN 'redemption' THEN amount ELSE -amount END) AS paid
    FROM ledger.transfer WHERE kind IN ('redemption', 'reward_void') GROUP BY 1, 2, 3
) AS t USING (program_id, member_id, asset)
LEFT JOIN ledger.member AS m
    ON m.program_id = coalesce(r.program_id, t.program_id) AND m.member_id = coalesce(r.member_id, t.member_id)
WHERE coalesce(t.paid, 0) <> coalesce(r.price, 0) AND m.merged_into IS NULL
  AND NOT EXISTS (SELECT FROM ledger.member AS f WHERE f.program_id = m.program_id AND f.merged_into = m.member_id)
ORDER BY 1, 2, 3 LIMIT $1

-- name: stocks_off
SELECT program_id, reward, coalesce(s.sold, 0)::bigint AS sold, coalesce(r.issued, 0)::bigint AS issued
FROM ledger.reward_stock AS s
FULL JOIN (
    SELECT program_id, reward, count(*) AS issued FROM ledger.reward
    WHERE stocked AND state <> 'voided' GROUP BY 1, 2
) AS r USING (program_id, reward)
WHERE coalesce(s.sold, 0) <> coalesce(r.issued, 0)
ORDER BY 1, 2 LIMIT $1
