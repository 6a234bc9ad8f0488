-- name: load_persons
SELECT p.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, birthday, birthday_since, time_zone, first_paid_at, segments, celebrated,
           active_from, active_until
    FROM ledger.person
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS p

-- name: save_persons
-- Their members' rows are locked, and keys come sorted.
INSERT INTO ledger.person
    (program_id, member_id, birthday, birthday_since, time_zone, first_paid_at, segments, celebrated, active_from,
     active_until)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[],
                     $7::jsonb[], $8::jsonb[], $9::timestamptz[], $10::timestamptz[])
ON CONFLICT (program_id, member_id) DO UPDATE
SET birthday = excluded.birthday, birthday_since = excluded.birthday_since, time_zone = excluded.time_zone,
    first_paid_at = excluded.first_paid_at, segments = excluded.segments, celebrated = excluded.celebrated,
    active_from = excluded.active_from, active_until = excluded.active_until

-- name: forget_persons
-- The row of a member who is erased goes in the same transaction.
DELETE FROM ledger.person AS p
USING unnest($1::text[], $2::text[]) AS k (program_id, member_id)
WHERE p.program_id = k.program_id AND p.member_id = k.member_id

-- name: load_usage_of_rules
-- All buckets of these rules: what the calendar earns is not known before the members are.
SELECT u.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, member_id, rule)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, rule, bucket, times, points FROM ledger.usage
    WHERE program_id = k.program_id AND member_id = k.member_id AND rule = k.rule
) AS u

-- name: first_purchases
-- Every paid order counts, also one that was refunded later.
SELECT k.program_id, k.member_id, o.first_paid_at FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT min(paid_at) AS first_paid_at FROM ledger.purchase
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS o
WHERE o.first_paid_at IS NOT NULL

-- name: programs_to_sweep
-- Programs whose newest version was not swept to the end, the oldest first. A version is left alone for a while: a
-- transaction that began before it was applied knows nothing of it, and may still write.
SELECT p.program_id, p.version, s.swept_version, CASE WHEN s.version = p.version THEN s.swept_to END AS swept_to
FROM (
    SELECT DISTINCT ON (program_id) program_id, version, applied_at FROM ledger.program
    ORDER BY program_id, version DESC
) AS p
LEFT JOIN ledger.occasion_sweep AS s USING (program_id)
WHERE s.swept_version IS DISTINCT FROM p.version AND p.applied_at <= $1
ORDER BY p.applied_at, p.program_id

-- name: note_sweep
INSERT INTO ledger.occasion_sweep (program_id, swept_version, version, swept_to) VALUES ($1, $2, $3, $4)
ON CONFLICT (program_id) DO UPDATE
SET swept_version = excluded.swept_version, version = excluded.version, swept_to = excluded.swept_to

-- name: next_members
-- A portion of a program's members in the order of their keys.
SELECT member_id FROM ledger.member
WHERE program_id = $1 AND member_id > $2 AND erased_at IS NULL AND merged_into IS NULL
ORDER BY member_id LIMIT $3
