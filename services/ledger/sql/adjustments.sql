-- name: read_adjustment
SELECT program_id, adjustment_id, member_id, asset, points, reason, state, proposed_by, proposed_at, moved,
       decided_by, decided_at, decision_reason
FROM ledger.adjustment WHERE program_id = $1 AND adjustment_id = $2

-- name: lock_adjustment
SELECT program_id, adjustment_id, member_id, asset, points, reason, state, proposed_by, proposed_at, moved,
       decided_by, decided_at, decision_reason
FROM ledger.adjustment WHERE program_id = $1 AND adjustment_id = $2 FOR UPDATE

-- name: insert_adjustment
INSERT INTO ledger.adjustment (program_id, adjustment_id, member_id, asset, points, reason, state, proposed_by,
                               proposed_at, moved, decided_by, decided_at, decision_reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (program_id, adjustment_id) DO NOTHING RETURNING true

-- name: decide_adjustment
UPDATE ledger.adjustment
SET state = $3, moved = $4, decided_by = $5, decided_at = $6, decision_reason = $7
WHERE program_id = $1 AND adjustment_id = $2

-- name: adjustments
-- Of a member also those of whoever was merged into them.
SELECT program_id, adjustment_id, member_id, asset, points, reason, state, proposed_by, proposed_at, moved,
       decided_by, decided_at, decision_reason
FROM ledger.adjustment
WHERE program_id = $1 AND adjustment_id > $2 AND ($3::text IS NULL OR state = $3)
  AND ($4::text IS NULL OR member_id = $4 OR member_id IN (
      SELECT member_id FROM ledger.member WHERE program_id = $1 AND merged_into = $4
  ))
ORDER BY adjustment_id LIMIT $5

-- name: adjustments_off
-- Where what adjustments say that they moved is not what their transfers moved.
SELECT program_id, member_id, asset, coalesce(a.said, 0)::bigint AS said, coalesce(t.moved, 0)::bigint AS moved
FROM (
    SELECT program_id, member_id, asset, sum(moved) AS said FROM ledger.adjustment GROUP BY 1, 2, 3
) AS a
FULL JOIN (
    SELECT program_id, member_id, asset,
           sum(amount * ((from_account = 'adjusted')::int - (to_account = 'adjusted')::int)) AS moved
    FROM ledger.transfer WHERE kind = 'adjustment' GROUP BY 1, 2, 3
) AS t USING (program_id, member_id, asset)
WHERE coalesce(a.said, 0) <> coalesce(t.moved, 0)
ORDER BY 1, 2, 3 LIMIT $1
