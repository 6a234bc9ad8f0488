-- name: budget_slots
-- A look without a lock: what it finds may be leased or spent a moment later.
SELECT s.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (program_id, budget, bucket)
CROSS JOIN LATERAL (
    SELECT program_id, budget, bucket, slot, amount, rest, used FROM ledger.budget_slot
    WHERE program_id = k.program_id AND budget = k.budget AND bucket = k.bucket
) AS s
ORDER BY s.program_id, s.budget, s.bucket, s.slot

-- name: insert_budget_slots
INSERT INTO ledger.budget_slot (program_id, budget, bucket, amount, slot, rest, used)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::text[], $7::text[])
ON CONFLICT (program_id, budget, bucket, slot) DO NOTHING

-- name: lock_budget
-- All slots of one budget, in their order: for whoever divides it anew.
SELECT slot, amount, rest, used FROM ledger.budget_slot
WHERE program_id = $1 AND budget = $2 AND bucket = $3
ORDER BY slot FOR UPDATE

-- name: adjust_budget_slots
UPDATE ledger.budget_slot AS s SET amount = k.amount, rest = k.rest, used = k.used
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::text[], $7::text[])
    AS k (program_id, budget, bucket, amount, slot, rest, used)
WHERE s.program_id = k.program_id AND s.budget = k.budget AND s.bucket = k.bucket AND s.slot = k.slot

-- name: lease_budget_slots
-- A lease is this lock: it ends with the transaction, whatever becomes of the worker.
SELECT slot, rest, used FROM ledger.budget_slot
WHERE program_id = $1 AND budget = $2 AND bucket = $3 AND slot = ANY ($4::int[])
ORDER BY slot FOR UPDATE SKIP LOCKED

-- name: await_budget_slots
SELECT slot, rest, used FROM ledger.budget_slot
WHERE program_id = $1 AND budget = $2 AND bucket = $3 AND slot = ANY ($4::int[])
ORDER BY slot FOR UPDATE

-- name: save_budget_slots
UPDATE ledger.budget_slot AS s SET rest = k.rest, used = k.used
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[])
    AS k (program_id, budget, bucket, slot, rest, used)
WHERE s.program_id = k.program_id AND s.budget = k.budget AND s.bucket = k.bucket AND s.slot = k.slot

-- name: budgets_of
-- One row for each budget and period; what is left and used in each slot, exact, for the caller to add up.
SELECT budget, bucket, max(amount) AS amount, array_agg(rest) AS rest, array_agg(used) AS used
FROM ledger.budget_slot WHERE program_id = $1 AND (budget, bucket) > ($2, $3)
GROUP BY budget, bucket ORDER BY budget, bucket LIMIT $4

-- name: all_budgets
SELECT program_id, budget, bucket, max(amount) AS amount, array_agg(rest) AS rest, array_agg(used) AS used
FROM ledger.budget_slot GROUP BY program_id, budget, bucket ORDER BY program_id, budget, bucket

-- name: counting_programs
-- The programs of which caps, budgets or goals have counted something.
SELECT program_id FROM ledger.program AS p
WHERE EXISTS (SELECT FROM ledger.usage AS u WHERE u.program_id = p.program_id)
   OR EXISTS (SELECT FROM ledger.goal_reached AS g WHERE g.program_id = p.program_id)
GROUP BY program_id

-- name: usage_off
-- Where the usage of a cap is not what the awards of its bucket were counted with. An award says what was counted of it
-- once it was edited; before, it is what its rules gave, unless the program left no room at all.
WITH given AS (
    SELECT a.program_id, a.member_id, c.rule, a.asset, a.happened_at, c.zone, g.points, a.breakdown
    FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[]) AS c (program_id, program_version, rule, asset, zone)
    JOIN ledger.award AS a
      ON a.program_id = c.program_id AND a.program_version = c.program_version AND a.asset = c.asset AND a.kind = 'award'
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.rule = '' THEN a.points::numeric ELSE (
            SELECT sum((r ->> 1)::numeric / (r ->> 2)::numeric) FROM jsonb_array_elements(a.breakdown -> 'rules') AS r
            WHERE r ->> 0 = c.rule
        ) END AS points
    ) AS g
    WHERE NOT a.breakdown ? 'counted' AND coalesce(a.breakdown -> 'room' ->> '', '') <> '0'
    UNION ALL
    SELECT a.program_id, a.member_id, e.rule, a.asset, a.happened_at, c.zone,
           split_part(e.points, '/', 1)::numeric / coalesce(nullif(split_part(e.points, '/', 2), ''), '1')::numeric, a.breakdown
    FROM ledger.award AS a
    CROSS JOIN LATERAL jsonb_each_text(a.breakdown -> 'counted') AS e (rule, points)
    CROSS JOIN LATERAL (
        SELECT c.zone
        FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[]) AS c (program_id, program_version, rule, asset, zone)
        WHERE c.program_id = a.program_id LIMIT 1
    ) AS c
    WHERE a.breakdown ? 'counted'
), moments AS (
    SELECT program_id, member_id, rule, asset, points,
           coalesce((breakdown ->> 'asked_at')::timestamptz, happened_at) AT TIME ZONE zone AS local
    FROM given WHERE points > 0
), brought AS (
    -- what caps had counted in another system; of whoever was merged, it counts for the survivor
    SELECT program_id, coalesce(m.merged_into, i.member_id) AS member_id, i.rule, i.bucket,
           sum(split_part(i.points, '/', 1)::numeric / coalesce(nullif(split_part(i.points, '/', 2), ''), '1')::numeric)
               AS points
    FROM ledger.imported_usage AS i JOIN ledger.member AS m USING (program_id, member_id)
    GROUP BY 1, 2, 3, 4
), used AS (
    SELECT program_id, member_id, rule, bucket,
           CASE WHEN rule = '' THEN split_part(bucket, '|', 1) END AS asset,
           regexp_replace(bucket, '^([^|]*\|)?[a-z]+:', '') AS within,
           split_part(usage.points, '/', 1)::numeric / coalesce(nullif(split_part(usage.points, '/', 2), ''), '1')::numeric
               - coalesce(before.points, 0) AS used
    FROM ledger.usage
    LEFT JOIN brought AS before USING (program_id, member_id, rule, bucket)
)
SELECT u.program_id, u.member_id, u.rule, u.bucket, u.used, coalesce(sum(m.points), 0) AS given
FROM used AS u
LEFT JOIN moments AS m
  ON m.program_id = u.program_id AND m.member_id = u.member_id AND m.rule = u.rule
 AND (u.asset IS NULL OR m.asset = u.asset)
 AND u.within = CASE split_part(u.within, '=', 1)
         WHEN 'ever' THEN 'ever'
         WHEN 'day' THEN 'day=' || to_char(m.local, 'YYYY-MM-DD')
         WHEN 'week' THEN 'week=' || to_char(m.local, 'IYYY-"W"IW')
         WHEN 'month' THEN 'month=' || to_char(m.local, 'YYYY-MM')
         WHEN 'year' THEN 'year=' || to_char(m.local, 'FMYYYY')
     END
LEFT JOIN ledger.member AS who ON who.program_id = u.program_id AND who.member_id = u.member_id
WHERE u.within ~ '^(ever|day=[0-9-]+|week=[0-9W-]+|month=[0-9-]+|year=[0-9]+)$' AND who.erased_at IS NULL
GROUP BY 1, 2, 3, 4, 5
HAVING abs(u.used - coalesce(sum(m.points), 0)) > 0.000001
ORDER BY 1, 2, 3, 4 LIMIT $1
