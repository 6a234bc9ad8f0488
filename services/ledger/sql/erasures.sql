-- name: insert_erasure
INSERT INTO ledger.erasure (program_id, member_id, reason, asked_by, erased_at, report) VALUES ($1, $2, $3, $4, $5, $6)

-- name: forget_words
-- What people wrote about members who are erased, and about those who were merged into them: it may name anybody.
WITH gone AS (
    SELECT k.program_id, k.member_id FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
    UNION ALL
    SELECT m.program_id, m.member_id FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
    JOIN ledger.member AS m ON m.program_id = k.program_id AND m.merged_into = k.member_id
), adjustments AS (
    UPDATE ledger.adjustment AS a SET reason = '', decision_reason = NULL FROM gone
    WHERE a.program_id = gone.program_id AND a.member_id = gone.member_id
), merges AS (
    UPDATE ledger.merge AS g SET reason = NULL FROM gone
    WHERE g.program_id = gone.program_id AND g.member_id = gone.member_id AND g.reason IS NOT NULL
)
UPDATE ledger.reward AS r SET reason = NULL FROM gone
WHERE r.program_id = gone.program_id AND r.member_id = gone.member_id AND r.reason IS NOT NULL
