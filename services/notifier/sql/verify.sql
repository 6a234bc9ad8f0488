-- name: verify_causes
-- The same cause twice under one name on one channel. By id it cannot be; this looks at the cause itself.
SELECT program_id, member_id, cause, name, channel, count(*) AS times
FROM notifier.message
GROUP BY program_id, member_id, cause, name, channel
HAVING count(*) > 1
LIMIT $1

-- name: verify_claims
-- In the hands of a sender long after its deadline: no sender is running, or none comes to it.
SELECT program_id, member_id, message_id, state, due_at FROM notifier.message
WHERE state IN ('claimed', 'sending') AND due_at < $1
LIMIT $2

-- name: verify_erased
-- Members who are to be forgotten, and still have something to be forgotten.
SELECT m.program_id, m.member_id FROM notifier.member AS m
WHERE m.erased_at IS NOT NULL
  AND (
    coalesce(m.email, m.phone, m.name, m.language, m.time_zone, m.country) IS NOT NULL
    OR EXISTS (
        SELECT FROM notifier.message AS x
        WHERE x.program_id = m.program_id AND x.member_id = m.member_id
          AND (x.facts IS NOT NULL OR x.state IN ('waiting', 'claimed'))
    )
  )
LIMIT $1

-- name: verify_sent
-- Sent mail that nobody began to send.
SELECT program_id, member_id, message_id FROM notifier.message
WHERE channel = 'email' AND state = 'sent' AND attempts = 0
LIMIT $1

-- name: verify_merged
-- Other names of members under which something is kept.
SELECT m.program_id, m.member_id FROM notifier.member AS m
WHERE m.merged_into IS NOT NULL
  AND (
    coalesce(m.email, m.phone, m.name, m.language, m.time_zone, m.country) IS NOT NULL
    OR EXISTS (SELECT FROM notifier.message AS x WHERE x.program_id = m.program_id AND x.member_id = m.member_id)
    OR EXISTS (SELECT FROM notifier.preference AS x WHERE x.program_id = m.program_id AND x.member_id = m.member_id)
  )
LIMIT $1
