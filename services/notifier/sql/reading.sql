-- name: messages_page
SELECT message_id, cause, name, template, channel, language, state, why, happened_at, created_at, due_at, settled_at,
       read_at, attempts, facts
FROM notifier.message
WHERE program_id = $1 AND member_id = $2
  AND ($3::timestamptz IS NULL OR (happened_at, message_id) < ($3, $4::uuid))
  AND ($5::text IS NULL OR channel = $5)
ORDER BY happened_at DESC, message_id DESC
LIMIT $6

-- name: inbox_page
SELECT message_id, cause, name, template, channel, language, state, why, happened_at, created_at, due_at, settled_at,
       read_at, attempts, facts
FROM notifier.message
WHERE program_id = $1 AND member_id = $2 AND channel = 'inbox' AND state = 'sent' AND facts IS NOT NULL
  AND ($3::timestamptz IS NULL OR (happened_at, message_id) < ($3, $4::uuid))
  AND NOT ($5::boolean AND read_at IS NOT NULL)
ORDER BY happened_at DESC, message_id DESC
LIMIT $6

-- name: unread_count
SELECT count(*) FROM notifier.message
WHERE program_id = $1 AND member_id = $2 AND channel = 'inbox' AND state = 'sent' AND facts IS NOT NULL
  AND read_at IS NULL

-- name: mark_read
-- The first time counts.
UPDATE notifier.message SET read_at = coalesce(read_at, $4)
WHERE program_id = $1 AND member_id = $2 AND message_id = $3 AND channel = 'inbox' AND state = 'sent'
  AND facts IS NOT NULL
RETURNING message_id, cause, name, template, channel, language, state, why, happened_at, created_at, due_at,
          settled_at, read_at, attempts, facts
