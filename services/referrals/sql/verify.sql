-- name: friends_after
-- Everybody who named a code and was not erased, in pages.
SELECT DISTINCT t.program_id, t.member_id FROM referrals.touch AS t
WHERE (t.program_id, t.member_id) > ($1, $2)
ORDER BY t.program_id, t.member_id
LIMIT $3

-- name: brought_twice
SELECT program_id, member_id, count(*) AS referrals FROM referrals.referral
WHERE state IN ('pending', 'flagged', 'approved')
GROUP BY program_id, member_id HAVING count(*) > 1
ORDER BY program_id, member_id

-- name: sides_that_differ
SELECT coalesce(r.program_id, a.program_id) AS program_id, coalesce(r.referral_id, a.referral_id) AS referral_id,
    r.state AS with_friend, a.state AS with_advocate
FROM referrals.referral AS r
FULL JOIN referrals.advocacy AS a ON a.program_id = r.program_id AND a.referral_id = r.referral_id
WHERE r.state IS DISTINCT FROM a.state OR r.started_at IS DISTINCT FROM a.started_at
    OR r.approved_at IS DISTINCT FROM a.approved_at
    OR (r.advocate_id IS NOT NULL AND r.advocate_id <> a.member_id)
    OR (a.friend_id IS NOT NULL AND a.friend_id <> r.member_id)
ORDER BY 1, 2

-- name: codes_that_differ
SELECT m.program_id, m.member_id, m.code, c.member_id AS owner_id
FROM referrals.member AS m
LEFT JOIN referrals.code AS c ON c.program_id = m.program_id AND c.code = m.code
WHERE c.member_id IS DISTINCT FROM coalesce(m.merged_into, m.member_id)
ORDER BY m.program_id, m.member_id

-- name: left_of_erased
SELECT m.program_id, m.member_id, w.what
FROM referrals.member AS m
CROSS JOIN LATERAL (
    SELECT 'signals' AS what FROM referrals.signal WHERE program_id = m.program_id AND member_id = m.member_id
    UNION SELECT 'touches' FROM referrals.touch WHERE program_id = m.program_id AND member_id = m.member_id
    UNION SELECT 'papers' FROM referrals.paper WHERE program_id = m.program_id AND member_id = m.member_id
) AS w
WHERE m.erased_at IS NOT NULL OR m.merged_into IS NOT NULL
ORDER BY m.program_id, m.member_id, w.what
