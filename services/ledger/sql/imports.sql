-- name: imported_rows
SELECT r.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, member_id, row_id)
CROSS JOIN LATERAL (
    SELECT member_id, row_id, said FROM ledger.imported_row
    WHERE program_id = k.program_id AND member_id = k.member_id AND row_id = k.row_id
) AS r

-- name: insert_code_pools
INSERT INTO ledger.coupon_pool (program_id, pool, made_at) SELECT $1, k.pool, $3 FROM unnest($2::text[]) AS k (pool)
ON CONFLICT DO NOTHING

-- name: imported_history
-- The entries of the old statement, newest first.
SELECT row_id, asset, points, happened_at, said ->> 'text' AS text FROM ledger.imported_row
WHERE program_id = $1 AND member_id = $2 AND kind = 'history'
  AND ($3::timestamptz IS NULL OR (happened_at, row_id) < ($3, $4::text))
ORDER BY happened_at DESC, row_id DESC LIMIT $5

-- name: forget_imported_rows
-- Also those of whoever was merged into them.
DELETE FROM ledger.imported_row AS r USING unnest($1::text[], $2::text[]) AS k (program_id, member_id)
WHERE r.program_id = k.program_id AND r.member_id IN (
    SELECT k.member_id UNION ALL
    SELECT m.member_id FROM ledger.member AS m WHERE m.program_id = k.program_id AND m.merged_into = k.member_id
)

-- name: imports_off
-- Where what rows of imports say that they brought is not what their transfers moved.
SELECT program_id, member_id, asset, coalesce(r.said, 0)::bigint AS said, coalesce(t.moved, 0)::bigint AS moved
FROM (
    SELECT program_id, member_id, asset, sum(points) AS said FROM ledger.imported_row
    WHERE kind IN ('points', 'order', 'reward') GROUP BY 1, 2, 3
) AS r
FULL JOIN (
    SELECT program_id, member_id, asset,
           sum(amount * ((from_account = 'imported')::int - (to_account = 'imported')::int)) AS moved
    FROM ledger.transfer WHERE kind = 'import' GROUP BY 1, 2, 3
) AS t USING (program_id, member_id, asset)
LEFT JOIN ledger.member AS m USING (program_id, member_id)
WHERE m.erased_at IS NULL AND coalesce(r.said, 0) <> coalesce(t.moved, 0) AND NOT EXISTS (
    SELECT FROM ledger.member AS h
    WHERE h.program_id = m.program_id AND h.member_id = m.merged_into AND h.erased_at IS NOT NULL
)
ORDER BY 1, 2, 3 LIMIT $1
