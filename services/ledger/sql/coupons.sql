-- name: lock_coupons
-- Keys come sorted, after the members' rows.
SELECT c.* FROM unnest($1::text[], $2::text[]) AS k (program_id, code)
CROSS JOIN LATERAL (
    SELECT program_id, code, shown, state, gives, pool, member_id, reward_id, anyone, uses, per_member, used,
           valid_from, valid_until, made_at
    FROM ledger.coupon
    WHERE program_id = k.program_id AND code = k.code FOR UPDATE
) AS c

-- name: read_coupon
SELECT program_id, code, shown, state, gives, pool, member_id, reward_id, anyone, uses, per_member, used,
       valid_from, valid_until, made_at
FROM ledger.coupon WHERE program_id = $1 AND code = $2

-- name: take_from_pool
-- Each takes another code, and nobody waits for anybody: a code that is being taken is passed over.
SELECT program_id, code, shown, state, gives, pool, member_id, reward_id, anyone, uses, per_member, used,
       valid_from, valid_until, made_at
FROM ledger.coupon WHERE program_id = $1 AND pool = $2 AND state = 'pooled'
ORDER BY made_at, code LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: insert_coupons
-- Those whose code was free; keys come sorted.
INSERT INTO ledger.coupon (program_id, code, shown, state, gives, pool, member_id, reward_id, anyone, uses, per_member,
                           used, valid_from, valid_until, made_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::text[], $8::text[],
                     $9::boolean[], $10::int[], $11::int[], $12::int[], $13::timestamptz[], $14::timestamptz[],
                     $15::timestamptz[])
ON CONFLICT DO NOTHING
RETURNING code

-- name: update_coupons
UPDATE ledger.coupon AS c
SET state = k.state, gives = k.gives, member_id = k.member_id, reward_id = k.reward_id, anyone = k.anyone,
    uses = k.uses, used = k.used, valid_from = k.valid_from, valid_until = k.valid_until
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::boolean[], $8::int[],
            $9::int[], $10::timestamptz[], $11::timestamptz[])
    AS k (program_id, code, state, gives, member_id, reward_id, anyone, uses, used, valid_from, valid_until)
WHERE c.program_id = k.program_id AND c.code = k.code

-- name: codes_of_orders
SELECT DISTINCT u.program_id, u.code FROM unnest($1::text[], $2::text[]) AS k (program_id, order_id)
CROSS JOIN LATERAL (
    SELECT program_id, code FROM ledger.coupon_use
    WHERE program_id = k.program_id AND order_id = k.order_id
) AS u

-- name: load_uses
-- What counts against a code now, what these orders and members had of it before, and the uses that are named.
SELECT a.* FROM unnest($1::text[], $2::text[]) AS k (program_id, code)
CROSS JOIN LATERAL (
    SELECT program_id, code, use_id, state, member_id, order_id, named, reason, changed_at, reserved_until
    FROM ledger.coupon_use WHERE program_id = k.program_id AND code = k.code AND state = 'reserved'
) AS a
UNION
SELECT b.* FROM unnest($3::text[], $4::text[]) AS k (program_id, order_id)
CROSS JOIN LATERAL (
    SELECT program_id, code, use_id, state, member_id, order_id, named, reason, changed_at, reserved_until
    FROM ledger.coupon_use WHERE program_id = k.program_id AND order_id = k.order_id
) AS b
UNION
SELECT c.* FROM unnest($5::text[], $6::text[], $7::text[]) AS k (program_id, code, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, code, use_id, state, member_id, order_id, named, reason, changed_at, reserved_until
    FROM ledger.coupon_use WHERE program_id = k.program_id AND code = k.code AND member_id = k.member_id
) AS c
UNION
SELECT d.* FROM unnest($8::text[], $9::text[], $10::text[]) AS k (program_id, code, use_id)
CROSS JOIN LATERAL (
    SELECT program_id, code, use_id, state, member_id, order_id, named, reason, changed_at, reserved_until
    FROM ledger.coupon_use WHERE program_id = k.program_id AND code = k.code AND use_id = k.use_id
) AS d

-- name: save_uses
INSERT INTO ledger.coupon_use (program_id, code, use_id, state, member_id, order_id, named, reason, changed_at,
                               reserved_until)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
                     $8::text[], $9::timestamptz[], $10::timestamptz[])
ON CONFLICT (program_id, code, use_id) DO UPDATE
SET state = excluded.state, member_id = excluded.member_id, order_id = excluded.order_id, named = excluded.named,
    reason = excluded.reason, changed_at = excluded.changed_at, reserved_until = excluded.reserved_until

-- name: uses_of_coupon
SELECT use_id, state, member_id, order_id, reason, changed_at, reserved_until
FROM ledger.coupon_use WHERE program_id = $1 AND code = $2
ORDER BY changed_at DESC, use_id LIMIT $3

-- name: insert_pool
INSERT INTO ledger.coupon_pool (program_id, pool, made_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: pools
-- How many codes each pool has left, of one program or of all.
SELECT p.program_id, p.pool, c.free
FROM ledger.coupon_pool AS p
CROSS JOIN LATERAL (
    SELECT count(*) AS free FROM ledger.coupon
    WHERE program_id = p.program_id AND pool = p.pool AND state = 'pooled'
) AS c
WHERE $1::text IS NULL OR p.program_id = $1
ORDER BY 1, 2

-- name: coupons_off
-- Where a code does not say how often it was used, or was used more often than it may be.
SELECT c.program_id, coalesce(c.member_id, '') AS member_id, c.shown AS code, c.used, c.uses,
       coalesce(u.used, 0)::bigint AS uses_used
FROM ledger.coupon AS c
LEFT JOIN (
    SELECT program_id, code, count(*) AS used FROM ledger.coupon_use WHERE state = 'used' GROUP BY 1, 2
) AS u USING (program_id, code)
WHERE c.uses IS NOT NULL AND (c.used <> coalesce(u.used, 0) OR coalesce(u.used, 0) > c.uses)
ORDER BY 1, 2, 3 LIMIT $1

-- name: reward_codes_off
-- Where a reward and its code do not know each other, or one is used up and the other not.
SELECT r.program_id, r.member_id, r.reward_id, r.state, c.used, c.uses
FROM ledger.reward AS r
LEFT JOIN ledger.coupon AS c ON c.program_id = r.program_id AND c.code = r.code
WHERE r.code IS NOT NULL AND (
    c.code IS NULL OR c.member_id IS DISTINCT FROM r.member_id OR c.reward_id IS DISTINCT FROM r.reward_id
    OR (r.state = 'used') <> (c.used >= c.uses) OR (r.state = 'voided') <> (c.state = 'voided')
)
ORDER BY 1, 2, 3 LIMIT $1

-- name: coupon_uses_off
-- Uses of a code that is not there, or more of one member than the code allows each: of whoever took others in by a
-- merge, as many as all of them together may have had.
SELECT u.program_id, coalesce(u.member_id, '') AS member_id, u.code, c.per_member,
       count(*) FILTER (WHERE u.state = 'used') AS used
FROM ledger.coupon_use AS u LEFT JOIN ledger.coupon AS c USING (program_id, code)
GROUP BY u.program_id, u.member_id, u.code, c.code, c.per_member
HAVING c.code IS NULL OR (
    u.member_id IS NOT NULL AND count(*) FILTER (WHERE u.state = 'used') > c.per_member
    AND count(*) FILTER (WHERE u.state = 'used') > c.per_member * (1 + (
        SELECT count(*) FROM ledger.member AS m WHERE m.program_id = u.program_id AND m.merged_into = u.member_id
    ))
)
ORDER BY 1, 2, 3 LIMIT $1

-- name: coupons_astray
-- Codes that can be used, of a reward that is not there or was handed over as another code; and codes of no known pool.
SELECT c.program_id, coalesce(c.member_id, '') AS member_id, c.shown AS code, c.reward_id, c.pool
FROM ledger.coupon AS c
LEFT JOIN ledger.reward AS r ON r.program_id = c.program_id AND r.member_id = c.member_id AND r.reward_id = c.reward_id
LEFT JOIN ledger.coupon_pool AS p ON p.program_id = c.program_id AND p.pool = c.pool
WHERE (c.state = 'open' AND c.reward_id IS NOT NULL AND r.code IS DISTINCT FROM c.code)
   OR (c.pool IS NOT NULL AND p.pool IS NULL)
ORDER BY 1, 2, 3 LIMIT $1
