-- name: counting_programs
-- The programs of which caps, budgets or goals may have counted something.
SELECT program_id FROM ledger.program AS p
WHERE EXISTS (SELECT FROM ledger.award AS a WHERE a.program_id = p.program_id)
   OR EXISTS (SELECT FROM ledger.usage AS u WHERE u.program_id = p.program_id)
   OR EXISTS (SELECT FROM ledger.budget_slot AS b WHERE b.program_id = p.program_id)
GROUP BY program_id

-- name: counts_off
-- Where what a cap or a budget of a rule, or of the program (rule ''), says it counted is not what awards were counted
-- with, or one that should have counted something is missing. One row in the arrays is one cap or budget of one version;
-- `prefix` begins its buckets, `period` ends them (`b:` for a budget's). An award says what was counted of it once it
-- was edited; before, it is what its rules gave, unless the program left no room at all. Deeds say which subjects they
-- counted for; a removed review frees its product. Where a rule's caps are not the same in all versions (`shifting`), who
-- has an award that moved from one version to another is left out.
WITH bound AS (
    SELECT * FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::boolean[])
        AS c (program_id, program_version, rule, asset, zone, budget, prefix, period, shifting)
), counting AS (
    SELECT DISTINCT program_id, program_version, rule, asset, zone FROM bound
), given AS (
    SELECT a.program_id, a.member_id, a.program_version, c.rule, a.asset, g.points,
           coalesce((a.breakdown ->> 'asked_at')::timestamptz, a.happened_at) AT TIME ZONE c.zone AS local
    FROM counting AS c
    JOIN ledger.award AS a
      ON a.program_id = c.program_id AND a.program_version = c.program_version AND a.asset = c.asset AND a.kind = 'award'
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN a.breakdown ? 'counted' THEN
                split_part(a.breakdown -> 'counted' ->> c.rule, '/', 1)::numeric
                / coalesce(nullif(split_part(a.breakdown -> 'counted' ->> c.rule, '/', 2), ''), '1')::numeric
            WHEN a.breakdown -> 'room' ->> '' = '0' THEN NULL
            WHEN c.rule = '' THEN a.points::numeric
            ELSE (
                SELECT sum((r ->> 1)::numeric / (r ->> 2)::numeric) FROM jsonb_array_elements(a.breakdown -> 'rules') AS r
                WHERE r ->> 0 = c.rule
            )
        END AS points
    ) AS g
    WHERE g.points > 0
), expected AS (
    SELECT g.program_id, CASE WHEN b.budget = '' THEN g.member_id ELSE '' END AS member_id,
           CASE WHEN b.budget = '' THEN b.rule ELSE b.budget END AS name,
           b.prefix || CASE b.period
               WHEN '' THEN 'ever'
               WHEN 'day' THEN 'day=' || to_char(g.local, 'YYYY-MM-DD')
               WHEN 'week' THEN 'week=' || to_char(g.local, 'IYYY-"W"IW')
               WHEN 'month' THEN 'month=' || to_char(g.local, 'YYYY-MM')
               WHEN 'year' THEN 'year=' || to_char(g.local, 'FMYYYY')
               WHEN 'b:' THEN ''
               ELSE ':' || to_char(date_trunc(substr(b.period, 3), g.local), 'YYYY-MM-DD')
           END AS bucket,
           b.budget <> '' AS is_budget, sum(g.points) AS points, count(*) AS times
    FROM given AS g JOIN bound AS b USING (program_id, program_version, rule, asset)
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT a.program_id, a.member_id, s.pair ->> 0, s.pair ->> 1, false,
           sum((SELECT sum((r ->> 1)::numeric / (r ->> 2)::numeric) FROM jsonb_array_elements(a.breakdown -> 'rules') AS r
                WHERE r ->> 0 = s.pair ->> 0)),
           count(*)
    FROM ledger.award AS a CROSS JOIN LATERAL jsonb_array_elements(a.breakdown -> 'subjects') AS s (pair)
    WHERE a.kind = 'award' AND a.order_id IS NULL AND a.breakdown -> 'room' ->> '' IS DISTINCT FROM '0'
      AND (a.points = 0 OR a.reversed < a.points OR NOT a.award_id ^@ 'review:' OR s.pair ->> 1 !~ '[:,]product=')
    GROUP BY 1, 2, 3, 4
), brought AS (
    -- what caps had counted in another system; of whoever was merged, it counts for the survivor
    SELECT program_id, coalesce(m.merged_into, i.member_id) AS member_id, i.rule, i.bucket, sum(i.times) AS times,
           sum(split_part(i.points, '/', 1)::numeric / coalesce(nullif(split_part(i.points, '/', 2), ''), '1')::numeric)
               AS points
    FROM ledger.imported_usage AS i JOIN ledger.member AS m USING (program_id, member_id)
    GROUP BY 1, 2, 3, 4
), said AS (
    SELECT program_id, member_id, rule AS name, bucket, false AS is_budget, n.times, n.points
    FROM ledger.usage AS u LEFT JOIN brought AS before USING (program_id, member_id, rule, bucket)
    CROSS JOIN LATERAL (
        SELECT u.times - coalesce(before.times, 0) AS times,
               split_part(u.points, '/', 1)::numeric / coalesce(nullif(split_part(u.points, '/', 2), ''), '1')::numeric
                   - coalesce(before.points, 0) AS points
    ) AS n
    WHERE n.times <> 0 OR abs(n.points) > 0.000001
    UNION ALL
    SELECT program_id, '', budget, bucket, true, NULL,
           sum(split_part(used, '/', 1)::numeric / coalesce(nullif(split_part(used, '/', 2), ''), '1')::numeric)
    FROM ledger.budget_slot WHERE NOT budget ^@ 'partner:' GROUP BY 1, 2, 3, 4
)
SELECT program_id, member_id, name, bucket, is_budget,
       coalesce(s.points, 0) AS said, coalesce(s.times, 0) AS said_times,
       CASE WHEN is_budget AND bucket ^@ 'times:' THEN coalesce(e.times, 0) ELSE coalesce(e.points, 0) END AS given,
       coalesce(e.times, 0) AS given_times
FROM said AS s
FULL JOIN expected AS e USING (program_id, member_id, name, bucket, is_budget)
LEFT JOIN ledger.member AS who USING (program_id, member_id)
WHERE who.erased_at IS NULL
  AND (abs(coalesce(s.points, 0) - CASE WHEN is_budget AND bucket ^@ 'times:' THEN coalesce(e.times, 0) ELSE coalesce(e.points, 0) END)
           > 0.000001
       OR (NOT is_budget AND coalesce(s.times, 0) <> coalesce(e.times, 0)))
  AND bucket !~ '[:,](product|network|subject)=(,|$)'
  AND NOT EXISTS (
      SELECT FROM bound AS b JOIN ledger.award AS a ON a.program_id = b.program_id AND a.asset = b.asset
      WHERE b.shifting AND b.program_id = coalesce(s.program_id, e.program_id)
        AND coalesce(s.name, e.name) IN (b.rule, b.budget) AND (coalesce(s.member_id, e.member_id) IN ('', a.member_id))
        AND (a.breakdown ? 'before_under' OR a.breakdown ? 'goal')
  )
ORDER BY 1, 2, 3, 4 LIMIT $1

-- name: partner_budgets_off
-- Where what a partner's budget says it gave is not what the partner credited in its period.
WITH bound AS (
    SELECT * FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[])
        AS c (program_id, program_version, partner, zone, prefix, period)
), expected AS (
    SELECT c.program_id, 'partner:' || c.partner AS budget,
           b.prefix || CASE b.period WHEN '' THEN '' ELSE ':' || to_char(date_trunc(b.period, c.happened_at AT TIME ZONE b.zone), 'YYYY-MM-DD') END
               AS bucket,
           sum(CASE WHEN b.prefix ^@ 'times:' THEN 1 ELSE c.points END) AS given
    FROM ledger.partner_credit AS c JOIN bound AS b USING (program_id, program_version, partner)
    WHERE c.points > 0 GROUP BY 1, 2, 3
), said AS (
    SELECT program_id, budget, bucket, sum(used::numeric) AS used FROM ledger.budget_slot
    WHERE budget ^@ 'partner:' GROUP BY 1, 2, 3
)
SELECT program_id, budget, bucket, coalesce(s.used, 0) AS used, coalesce(e.given, 0) AS given
FROM said AS s FULL JOIN expected AS e USING (program_id, budget, bucket)
WHERE coalesce(s.used, 0) <> coalesce(e.given, 0)
ORDER BY 1, 2, 3 LIMIT $1

-- name: returned_orders
-- Orders of which something came back, each with what it earned, the order's columns before the award's; of nobody who
-- was forgotten.
SELECT p.program_id, p.member_id, p.order_id, p.paid, p.paid_at, p.program_version, p.stated_at, p.fulfilled_at,
       p.cancelled_at, p.refunds, p.removed_lines,
       a.program_id, a.member_id, a.award_id, a.asset, a.kind, a.order_id, a.cause, a.happened_at, a.program_version,
       a.points, a.state, a.breakdown, a.reversed, a.written_off, a.due_at
FROM ledger.purchase AS p
JOIN ledger.member AS m ON m.program_id = p.program_id AND m.member_id = p.member_id AND m.erased_at IS NULL
JOIN ledger.award AS a ON a.program_id = p.program_id AND a.member_id = p.member_id
     AND a.award_id = 'order:' || p.order_id || ':' || a.asset
WHERE p.paid_at IS NOT NULL AND (p.cancelled_at IS NOT NULL OR p.refunds <> '[]')
