-- name: insert_members
-- A row that is not there cannot be locked. Keys come sorted.
INSERT INTO tiers.member (program_id, member_id)
SELECT p, m FROM unnest($1::text[], $2::text[]) AS k (p, m)
ON CONFLICT DO NOTHING

-- name: lock_members
-- Keys come sorted, and LATERAL keeps their order: two workers never wait for each other in a circle, and the index is
-- used whatever the planner believes about an empty table.
SELECT m.*
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, joined_at, level, since, valid_until, settled_until, judge_at, warned_until, next_due,
        entry_rewards, changes, told_at, erased_at, merged_into
    FROM tiers.member
    WHERE program_id = k.program_id AND member_id = k.member_id
    FOR UPDATE
) AS m

-- name: read_member
SELECT program_id, member_id, joined_at, level, since, valid_until, settled_until, judge_at, warned_until, next_due,
    entry_rewards, changes, told_at, erased_at, merged_into
FROM tiers.member
WHERE program_id = $1 AND member_id = $2

-- name: save_members
-- An upsert, although the rows are there: it finds each by the primary key, whatever the planner believes.
INSERT INTO tiers.member (program_id, member_id, joined_at, level, since, valid_until, settled_until, judge_at,
    warned_until, next_due, entry_rewards, changes, told_at, erased_at, merged_into)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[], $6::timestamptz[],
    $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::jsonb[], $12::int[],
    $13::timestamptz[], $14::timestamptz[], $15::text[])
ON CONFLICT (program_id, member_id) DO UPDATE SET
    joined_at = excluded.joined_at,
    level = excluded.level,
    since = excluded.since,
    valid_until = excluded.valid_until,
    settled_until = excluded.settled_until,
    judge_at = excluded.judge_at,
    warned_until = excluded.warned_until,
    next_due = excluded.next_due,
    entry_rewards = excluded.entry_rewards,
    changes = excluded.changes,
    told_at = excluded.told_at,
    erased_at = excluded.erased_at,
    merged_into = excluded.merged_into

-- name: due_members
-- Whoever has something due up to $1, after the key of the page before; programs whose past is being handled since $5
-- or later wait, but not if that has gone on since before $6.
SELECT m.next_due, m.program_id, m.member_id
FROM tiers.member AS m
WHERE m.next_due <= $1
    AND (m.next_due, m.program_id, m.member_id) > ($2::timestamptz, $3::text, $4::text)
    AND NOT EXISTS (
        SELECT FROM tiers.replay AS r
        WHERE r.program_id = m.program_id AND r.seen_at > $5::timestamptz AND r.began_at > $6::timestamptz
    )
ORDER BY m.next_due, m.program_id, m.member_id
LIMIT $7

-- name: note_replay
-- The past of these programs is being handled at $2. Where that was last seen before $3, it begins anew.
INSERT INTO tiers.replay AS r (program_id, began_at, seen_at)
SELECT p, $2, $2 FROM unnest($1::text[]) AS k (p)
ON CONFLICT (program_id) DO UPDATE SET
    began_at = CASE WHEN r.seen_at < $3 THEN excluded.began_at ELSE r.began_at END,
    seen_at = greatest(r.seen_at, excluded.seen_at)

-- name: entitled
-- One look-up by key.
SELECT level, since, valid_until, settled_until
FROM tiers.member
WHERE program_id = $1 AND member_id = $2 AND level IS NOT NULL

-- name: homes_of
-- Each step of the way from these members to whoever they are now; hardly anybody was merged.
WITH RECURSIVE way AS (
    SELECT m.program_id, m.member_id, m.merged_into
    FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
    CROSS JOIN LATERAL (
        SELECT program_id, member_id, merged_into FROM tiers.member
        WHERE program_id = k.program_id AND member_id = k.member_id AND merged_into IS NOT NULL
    ) AS m
    UNION
    SELECT n.program_id, n.member_id, n.merged_into
    FROM way AS w
    CROSS JOIN LATERAL (
        SELECT program_id, member_id, merged_into FROM tiers.member
        WHERE program_id = w.program_id AND member_id = w.merged_into AND merged_into IS NOT NULL
    ) AS n
)
SELECT program_id, member_id, merged_into FROM way
