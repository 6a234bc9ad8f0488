-- name: known_members
SELECT m.program_id, m.member_id, m.code, m.first_seen_at
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT * FROM referrals.member WHERE program_id = k.program_id AND member_id = k.member_id
) AS m

-- name: insert_codes
-- Sorted, and locked below in the same order, before any member: two transactions that meet on a code wait in a row.
INSERT INTO referrals.code (program_id, code)
SELECT p, c FROM unnest($1::text[], $2::text[]) AS k (p, c)
ON CONFLICT DO NOTHING

-- name: lock_codes
SELECT c.program_id, c.code, c.member_id
FROM unnest($1::text[], $2::text[]) AS k (program_id, code)
CROSS JOIN LATERAL (
    SELECT * FROM referrals.code WHERE program_id = k.program_id AND code = k.code FOR UPDATE
) AS c

-- name: own_codes
UPDATE referrals.code AS c SET member_id = k.member_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, code, member_id)
WHERE c.program_id = k.program_id AND c.code = k.code AND c.member_id IS NULL

-- name: open_followers
-- Friends whose referral may still change because of the member whose code they named.
SELECT DISTINCT t.program_id, t.member_id
FROM unnest($1::text[], $2::text[]) AS k (program_id, code)
CROSS JOIN LATERAL (
    SELECT program_id, member_id FROM referrals.touch WHERE program_id = k.program_id AND code = k.code AND open
) AS t

-- name: advocates_of
SELECT DISTINCT c.program_id, c.member_id
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, code FROM referrals.touch WHERE program_id = k.program_id AND member_id = k.member_id
) AS t
CROSS JOIN LATERAL (
    SELECT program_id, member_id FROM referrals.code WHERE program_id = t.program_id AND code = t.code
) AS c
WHERE c.member_id IS NOT NULL

-- name: insert_members
INSERT INTO referrals.member (program_id, member_id, code, first_seen_at)
SELECT p, m, c, t FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS k (p, m, c, t)
ON CONFLICT DO NOTHING

-- name: lock_members
-- Keys come sorted, and LATERAL keeps their order: two transactions never wait for each other in a circle.
SELECT m.*
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, code, first_seen_at, signed_up_at, erased_at, merged_into
    FROM referrals.member WHERE program_id = k.program_id AND member_id = k.member_id FOR UPDATE
) AS m

-- name: signals_of
SELECT s.program_id, s.member_id, s.kind, s.digest, s.first_at
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT * FROM referrals.signal WHERE program_id = k.program_id AND member_id = k.member_id
) AS s

-- name: touches_of
SELECT t.program_id, t.member_id, t.touch_id, t.happened_at, t.via, t.code, t.order_id, t.reasons, t.open,
    c.member_id AS owner_id
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT * FROM referrals.touch WHERE program_id = k.program_id AND member_id = k.member_id
) AS t
LEFT JOIN LATERAL (
    SELECT member_id FROM referrals.code WHERE program_id = t.program_id AND code = t.code
) AS c ON true

-- name: papers_of
SELECT p.program_id, p.member_id, p.order_id, p.paper_id, p.happened_at, p.kind, p.data
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT * FROM referrals.paper WHERE program_id = k.program_id AND member_id = k.member_id
) AS p

-- name: referrals_of
SELECT r.*
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, referral_id, advocate_id, touch_id, code, state, started_at, version, order_id, due_at,
        approved_at, voided_at, reasons, friend_rewards, advocate_rewards
    FROM referrals.referral WHERE program_id = k.program_id AND member_id = k.member_id
) AS r

-- name: due_friends
SELECT program_id, member_id, due_at FROM referrals.referral
WHERE state = 'pending' AND due_at <= $1 AND changed_at <= $2
ORDER BY due_at
LIMIT $3

-- name: read_members
SELECT m.*
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, code, first_seen_at, signed_up_at, erased_at, merged_into
    FROM referrals.member WHERE program_id = k.program_id AND member_id = k.member_id
) AS m
