-- name: members_after
-- One page of members, by key.
SELECT program_id, member_id
FROM tiers.member
WHERE (program_id, member_id) > ($1::text, $2::text)
ORDER BY program_id, member_id
LIMIT $3

-- name: read_members
SELECT m.*
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, joined_at, level, since, valid_until, settled_until, judge_at, warned_until, next_due,
        entry_rewards, changes, told_at, erased_at, merged_into
    FROM tiers.member
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS m

-- name: purchases_of
SELECT o.*
FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, order_id, paid, paid_at, stated_at, removed_lines, refunds, cancelled_at, year, kept_minor
    FROM tiers.purchase
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS o
