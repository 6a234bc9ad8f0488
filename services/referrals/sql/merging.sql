-- name: homes_of
-- Into whom those of these members were merged that were; hardly anybody was.
SELECT m.*
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, merged_into FROM referrals.member
    WHERE program_id = k.program_id AND member_id = k.member_id AND merged_into IS NOT NULL
) AS m

-- name: codes_of
-- All codes of these members, with those of whoever was merged into them.
SELECT c.*
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, code FROM referrals.code
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS c

-- name: move_signals
WITH gone AS (
    DELETE FROM referrals.signal WHERE program_id = $1 AND member_id = $2 RETURNING kind, digest, first_at
)
INSERT INTO referrals.signal (program_id, member_id, kind, digest, first_at)
SELECT $1, $3, kind, digest, first_at FROM gone
ON CONFLICT (program_id, member_id, kind, digest) DO NOTHING

-- name: move_papers
WITH gone AS (
    DELETE FROM referrals.paper WHERE program_id = $1 AND member_id = $2
    RETURNING order_id, paper_id, happened_at, kind, data
)
INSERT INTO referrals.paper (program_id, member_id, order_id, paper_id, happened_at, kind, data)
SELECT $1, $3, order_id, paper_id, happened_at, kind, data FROM gone
ON CONFLICT (program_id, member_id, order_id, paper_id) DO NOTHING

-- name: move_touches
UPDATE referrals.touch SET member_id = $3 WHERE program_id = $1 AND member_id = $2

-- name: name_friend
-- With whoever brought the merged member; before their own rows move.
UPDATE referrals.advocacy AS a SET friend_id = $3
FROM referrals.referral AS r
WHERE r.program_id = $1 AND r.member_id = $2 AND a.program_id = r.program_id AND a.referral_id = r.referral_id
  AND a.friend_id IS NOT NULL

-- name: move_referrals
UPDATE referrals.referral SET member_id = $3 WHERE program_id = $1 AND member_id = $2

-- name: name_advocate
-- With whoever the merged member brought; their rows change under the lock of the advocate, as in `forget_advocates`.
UPDATE referrals.referral AS r SET advocate_id = $3
FROM referrals.advocacy AS a
WHERE a.program_id = $1 AND a.member_id = $2 AND r.program_id = a.program_id AND r.referral_id = a.referral_id
  AND r.advocate_id IS NOT NULL

-- name: move_advocacies
UPDATE referrals.advocacy SET member_id = $3 WHERE program_id = $1 AND member_id = $2

-- name: move_codes
UPDATE referrals.code SET member_id = $3 WHERE program_id = $1 AND member_id = $2

-- name: mark_merged
-- Whoever was merged into this one before leads to the survivor at once.
UPDATE referrals.member SET merged_into = $3 WHERE program_id = $1 AND (member_id = $2 OR merged_into = $2)
