-- name: lock_messages
-- The digests that a batch may add to. Their members are locked already; a sender that has one in hand lets go soon.
SELECT m.* FROM unnest($1::text[], $2::text[], $3::uuid[]) AS k (program_id, member_id, message_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, message_id, cause, name, template, purpose, channel, language, state, why,
           happened_at, created_at, due_at, settled_at, attempts, facts
    FROM notifier.message
    WHERE program_id = k.program_id AND member_id = k.member_id AND message_id = k.message_id
    FOR UPDATE
) AS m

-- name: add_messages
-- A message that is there already stays as it is: its cause has had its effect.
INSERT INTO notifier.message (
    program_id, member_id, message_id, cause, name, template, purpose, channel, language, state, why,
    happened_at, created_at, due_at, settled_at, facts
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[],
    $16::jsonb[]
)
ON CONFLICT DO NOTHING

-- name: grow_digests
-- What grew is news again, also for a member who had read it.
UPDATE notifier.message AS m
SET facts = k.facts, happened_at = k.happened_at, read_at = NULL
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::timestamptz[], $5::jsonb[])
    AS k (program_id, member_id, message_id, happened_at, facts)
WHERE m.program_id = k.program_id AND m.member_id = k.member_id AND m.message_id = k.message_id

-- name: wake_messages
-- Their members have an address now; whether it is the time to write is judged when they are taken up.
UPDATE notifier.message AS m SET due_at = $3
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
WHERE m.program_id = k.program_id AND m.member_id = k.member_id
  AND m.state = 'waiting' AND m.why = 'no_address' AND m.due_at > $3

-- name: erase_messages
-- What was said is forgotten, that something was said is not. What has not gone out never will.
UPDATE notifier.message AS m
SET facts = NULL,
    server_said = NULL,
    why = CASE WHEN m.state IN ('waiting', 'claimed') THEN 'erased' ELSE m.why END,
    settled_at = CASE WHEN m.state IN ('waiting', 'claimed') THEN $3 ELSE m.settled_at END,
    due_at = CASE WHEN m.state IN ('waiting', 'claimed') THEN NULL ELSE m.due_at END,
    state = CASE WHEN m.state IN ('waiting', 'claimed') THEN 'suppressed' ELSE m.state END
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
WHERE m.program_id = k.program_id AND m.member_id = k.member_id

-- name: due_messages
-- Soonest first; what another sender looks at is passed over.
SELECT program_id, member_id, message_id, cause, name, template, purpose, channel, language, state, why,
       happened_at, created_at, due_at, settled_at, attempts, facts
FROM notifier.message
WHERE state IN ('waiting', 'claimed', 'sending') AND due_at <= $1
ORDER BY due_at
LIMIT $2
FOR UPDATE SKIP LOCKED

-- name: settle_due
-- The verdicts on what was due; a claim bears its token, and its deadline as the due time.
UPDATE notifier.message AS m
SET state = k.state, why = k.why, due_at = k.due_at, settled_at = k.settled_at, claim_token = k.claim_token
FROM unnest(
    $1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::uuid[]
) AS k (program_id, member_id, message_id, state, why, due_at, settled_at, claim_token)
WHERE m.program_id = k.program_id AND m.member_id = k.member_id AND m.message_id = k.message_id

-- name: begin_sending
-- No row: the claim ran out, or the member was erased in between.
UPDATE notifier.message
SET state = 'sending', attempts = attempts + 1, due_at = $5
WHERE program_id = $1 AND member_id = $2 AND message_id = $3 AND claim_token = $4 AND state = 'claimed'
RETURNING attempts

-- name: record_outcome
-- Also where somebody wrote it off meanwhile as unknown, or the member was merged: whoever sent it knows better. Of an
-- erased member no words are kept.
UPDATE notifier.message
SET state = $5, why = $6, due_at = $7, settled_at = $8, server_said = CASE WHEN facts IS NULL THEN NULL ELSE $9 END, attempts = attempts + $10
WHERE program_id = $1 AND message_id = $3 AND claim_token = $4
  AND member_id IN ($2, (SELECT merged_into FROM notifier.member WHERE program_id = $1 AND member_id = $2))
  AND (state = 'sending' OR (state = 'failed' AND why = 'outcome_unknown'))
RETURNING message_id

-- name: give_back
-- What was claimed and not begun is due again.
UPDATE notifier.message SET state = 'waiting', why = NULL, due_at = $2, claim_token = NULL
WHERE claim_token = $1 AND state = 'claimed'
