-- name: homes_of
-- Into whom those of these members were merged that were; hardly anybody was.
SELECT m.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, merged_into FROM notifier.member
    WHERE program_id = k.program_id AND member_id = k.member_id AND merged_into IS NOT NULL
) AS m

-- name: lock_digests
-- The digests of a member who is merged away.
SELECT program_id, member_id, message_id, cause, name, template, purpose, channel, language, state, why,
       happened_at, created_at, due_at, settled_at, attempts, facts
FROM notifier.message
WHERE program_id = $1 AND member_id = $2 AND starts_with(cause, 'digest:')
ORDER BY message_id
FOR UPDATE

-- name: move_messages
-- What was said under the merged id was said to the survivor. What both were told of one cause is told apart by the id.
UPDATE notifier.message AS a
SET member_id = $3,
    message_id = coalesce((
        SELECT k.after FROM unnest($4::uuid[], $5::uuid[]) AS k (before, after) WHERE k.before = a.message_id
    ), a.message_id),
    cause = CASE WHEN EXISTS (
        SELECT FROM notifier.message AS b
        WHERE b.program_id = $1 AND b.member_id = $3 AND b.cause = a.cause AND b.name = a.name AND b.channel = a.channel
    ) THEN a.cause || '@' || $2 ELSE a.cause END
WHERE a.program_id = $1 AND a.member_id = $2

-- name: fold_digests
UPDATE notifier.message SET state = 'suppressed', why = 'merged', due_at = NULL, settled_at = $3
WHERE program_id = $1 AND member_id = $2 AND message_id = ANY($4::uuid[])

-- name: mark_merged
-- Whoever was merged into this one before leads to the survivor at once.
UPDATE notifier.member SET merged_into = $3 WHERE program_id = $1 AND merged_into = $2
