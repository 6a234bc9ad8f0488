-- name: update_members
UPDATE referrals.member AS m
SET first_seen_at = k.first_seen_at, signed_up_at = k.signed_up_at, erased_at = k.erased_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
    AS k (program_id, member_id, first_seen_at, signed_up_at, erased_at)
WHERE m.program_id = k.program_id AND m.member_id = k.member_id

-- name: update_touches
UPDATE referrals.touch AS t SET reasons = string_to_array(k.reasons, ','), open = k.open
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::boolean[])
    AS k (program_id, member_id, touch_id, reasons, open)
WHERE t.program_id = k.program_id AND t.member_id = k.member_id AND t.touch_id = k.touch_id

-- name: upsert_referrals
INSERT INTO referrals.referral
    (program_id, member_id, referral_id, advocate_id, touch_id, code, state, started_at, version, order_id, due_at,
     approved_at, voided_at, reasons, friend_rewards, advocate_rewards, changed_at)
SELECT p, m, r, a, t, c, s, st, v, o, d, ap, vo, string_to_array(re, ','), fr::jsonb, ar::jsonb, $17
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::timestamptz[],
            $9::int[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::text[],
            $15::text[], $16::text[]) AS k (p, m, r, a, t, c, s, st, v, o, d, ap, vo, re, fr, ar)
ON CONFLICT (program_id, member_id, referral_id) DO UPDATE
    SET advocate_id = excluded.advocate_id, touch_id = excluded.touch_id, code = excluded.code, state = excluded.state,
        started_at = excluded.started_at, version = excluded.version, order_id = excluded.order_id,
        due_at = excluded.due_at, approved_at = excluded.approved_at, voided_at = excluded.voided_at,
        reasons = excluded.reasons, friend_rewards = excluded.friend_rewards,
        advocate_rewards = excluded.advocate_rewards, changed_at = excluded.changed_at

-- name: upsert_advocacies
INSERT INTO referrals.advocacy
    (program_id, member_id, referral_id, friend_id, state, started_at, due_at, approved_at, voided_at, reasons, rewards)
SELECT p, m, r, f, s, st, d, ap, vo, string_to_array(re, ','), rw::jsonb
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[])
    AS k (p, m, r, f, s, st, d, ap, vo, re, rw)
ON CONFLICT (program_id, member_id, referral_id) DO UPDATE
    SET state = excluded.state, started_at = excluded.started_at, due_at = excluded.due_at,
        approved_at = excluded.approved_at, voided_at = excluded.voided_at, reasons = excluded.reasons,
        rewards = excluded.rewards

-- name: update_advocacies
-- The advocate was erased, so the friend's row no longer names them; their count goes on.
UPDATE referrals.advocacy AS a
SET state = k.state, started_at = k.started_at, due_at = k.due_at, approved_at = k.approved_at,
    voided_at = k.voided_at, reasons = string_to_array(k.reasons, ','), rewards = k.rewards::jsonb
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[])
    AS k (program_id, member_id, referral_id, friend_id, state, started_at, due_at, approved_at, voided_at, reasons,
          rewards)
WHERE a.program_id = k.program_id AND a.referral_id = k.referral_id

-- name: forget_signals
DELETE FROM referrals.signal AS s USING unnest($1::text[], $2::text[]) AS k (program_id, member_id)
WHERE s.program_id = k.program_id AND s.member_id = k.member_id

-- name: forget_touches
DELETE FROM referrals.touch AS t USING unnest($1::text[], $2::text[]) AS k (program_id, member_id)
WHERE t.program_id = k.program_id AND t.member_id = k.member_id

-- name: forget_papers
DELETE FROM referrals.paper AS p USING unnest($1::text[], $2::text[]) AS k (program_id, member_id)
WHERE p.program_id = k.program_id AND p.member_id = k.member_id

-- name: forget_advocates
-- Whoever the erased members brought no longer says by whom; their friends' rows change under the lock of the advocate,
-- which every transaction about such a friend holds too.
UPDATE referrals.referral AS r SET advocate_id = NULL, code = NULL
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
JOIN referrals.advocacy AS a ON a.program_id = k.program_id AND a.member_id = k.member_id
WHERE r.program_id = a.program_id AND r.referral_id = a.referral_id

-- name: forget_friends
UPDATE referrals.advocacy AS a SET friend_id = NULL
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
JOIN referrals.referral AS r ON r.program_id = k.program_id AND r.member_id = k.member_id
WHERE a.program_id = r.program_id AND a.member_id = r.advocate_id AND a.referral_id = r.referral_id

-- name: forget_referrals
UPDATE referrals.referral AS r SET advocate_id = NULL, touch_id = NULL, code = NULL, order_id = NULL
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
WHERE r.program_id = k.program_id AND r.member_id = k.member_id
