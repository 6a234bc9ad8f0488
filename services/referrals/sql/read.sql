-- name: member
SELECT program_id, member_id, code, first_seen_at, signed_up_at, erased_at, merged_into
FROM referrals.member WHERE program_id = $1 AND member_id = $2

-- name: brought_by
-- What a member brought, newest first.
SELECT referral_id, friend_id AS counterpart_id, state, started_at, due_at, approved_at, voided_at, reasons, rewards
FROM referrals.advocacy
WHERE program_id = $1 AND member_id = $2
    AND ($3::timestamptz IS NULL OR (started_at, referral_id) < ($3, $4::uuid))
ORDER BY started_at DESC, referral_id DESC
LIMIT $5

-- name: how_many_brought
SELECT state, count(*) AS referrals FROM referrals.advocacy WHERE program_id = $1 AND member_id = $2 GROUP BY state

-- name: brought_as_friend
SELECT referral_id, advocate_id AS counterpart_id, state, started_at, due_at, approved_at, voided_at, reasons,
    friend_rewards AS rewards
FROM referrals.referral WHERE program_id = $1 AND member_id = $2
ORDER BY started_at DESC, referral_id DESC
LIMIT $3

-- name: attempts_of
SELECT touch_id, happened_at, via, code, order_id, reasons
FROM referrals.touch WHERE program_id = $1 AND member_id = $2 AND reasons <> '{}'
ORDER BY happened_at DESC, touch_id DESC
LIMIT $3

-- name: referral
SELECT referral_id, member_id AS friend_id, advocate_id, code, state, started_at, due_at, approved_at, voided_at, reasons,
    order_id, friend_rewards, advocate_rewards
FROM referrals.referral WHERE program_id = $1 AND referral_id = $2

-- name: programs_of_code
SELECT c.program_id FROM referrals.code AS c
JOIN referrals.member AS m ON m.program_id = c.program_id AND m.member_id = c.member_id
WHERE c.code = $1 AND m.erased_at IS NULL
ORDER BY c.program_id
LIMIT 2

-- name: program_ids
SELECT DISTINCT program_id FROM referrals.program ORDER BY program_id LIMIT 2

-- name: insert_click
INSERT INTO referrals.click (program_id, click_id, code, clicked_at) VALUES ($1, $2, $3, $4)
