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
-- `format` makes its bucket of a local time (of the first day of its `period`, for a budget). An award that was decided
-- again, or that a goal gave, says what was counted of it, and under which versions; another counted what its rules gave,
-- unless the program left no room at all. Deeds say for which subjects they counted; a removed review frees its product.
WITH bound AS (
    SELECT * FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
        AS c (program_id, version, rule, asset, zone, budget, format, period)
), counted AS (
    SELECT a.program_id, a.member_id, a.asset, coalesce((a.breakdown ->> 'asked_at')::timestamptz, a.happened_at) AS at,
           c.version, c.rule, c.times, c.points, c.given
    FROM ledger.award AS a
    CROSS JOIN LATERAL (
        SELECT a.program_version AS version, e ->> 0 AS rule, 1 AS times, n AS points, n AS given
        FROM jsonb_array_elements(a.breakdown -> 'rules') AS e
        CROSS JOIN LATERAL (SELECT (e ->> 1)::numeric / (e ->> 2)::numeric) AS g (n)
        WHERE NOT a.breakdown ? 'counted' AND a.breakdown -> 'room' ->> '' IS DISTINCT FROM '0' AND n > 0
        UNION ALL
        SELECT a.program_version, '', 1, a.points, a.points
        WHERE NOT a.breakdown ? 'counted' AND a.breakdown -> 'room' ->> '' IS DISTINCT FROM '0' AND a.points > 0
        UNION ALL
        SELECT (e ->> 0)::int, e ->> 1, (e ->> 2)::int,
               split_part(e ->> 3, '/', 1)::numeric / coalesce(nullif(split_part(e ->> 3, '/', 2), ''), '1')::numeric,
               split_part(e ->> 4, '/', 1)::numeric / coalesce(nullif(split_part(e ->> 4, '/', 2), ''), '1')::numeric
        FROM jsonb_array_elements(a.breakdown -> 'counted') AS e
    ) AS c
    WHERE a.kind = 'award' AND (a.program_id, a.asset) IN (SELECT program_id, asset FROM bound)
), expected AS (
    SELECT c.program_id, CASE WHEN b.budget = '' THEN c.member_id ELSE '' END AS member_id,
           CASE WHEN b.budget = '' THEN b.rule ELSE b.budget END AS name,
           to_char(CASE b.period WHEN '' THEN l.local ELSE date_trunc(b.period, l.local) END, b.format) AS bucket,
           b.budget <> '' AS is_budget, sum(CASE b.budget WHEN '' THEN c.points ELSE c.given END) AS points,
           sum(CASE b.budget WHEN '' THEN c.times ELSE (c.given > 0)::int END) AS times
    FROM counted AS c JOIN bound AS b USING (program_id, version, rule, asset)
    CROSS JOIN LATERAL (SELECT c.at AT TIME ZONE b.zone) AS l (local)
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT a.program_id, a.member_id, s.pair ->> 0, s.pair ->> 1, false,
           sum((SELECT sum((r ->> 1)::numeric / (r ->> 2)::numeric) FROM jsonb_array_elements(a.breakdown -> 'rules') AS r
                WHERE r ->> 0 = s.pair ->> 0)),
           count(*)
    FROM ledger.award AS a CROSS JOIN LATERAL jsonb_array_elements(a.breakdown -> 'subjects') AS s (pair)
    WHERE a.kind = 'award' AND a.order_id IS NULL AND a.breakdown -> 'room' ->> '' IS DISTINCT FROM '0'
      AND (a.points = 0 OR a.reversed < a.points OR NOT a.award_id ^@ 'review:' OR s.pair ->> 1 !~ '^[a-z]+:product=')
    GROUP BY 1, 2, 3, 4
    UNION ALL
    -- what caps had counted in another system; of whoever was merged, it counts for the survivor
    SELECT program_id, coalesce(m.merged_into, i.member_id), i.rule, i.bucket, false,
           sum(split_part(i.points, '/', 1)::numeric / coalesce(nullif(split_part(i.points, '/', 2), ''), '1')::numeric),
           sum(i.times)
    FROM ledger.imported_usage AS i JOIN ledger.member AS m USING (program_id, member_id)
    GROUP BY 1, 2, 3, 4
    UNION ALL
    -- what budgets had given there; where one counts times, it says times
    SELECT program_id, '', budget, bucket, true, sum(n.used), sum(n.used)
    FROM ledger.imported_budget CROSS JOIN LATERAL (
        SELECT split_part(imported_budget.used, '/', 1)::numeric
               / coalesce(nullif(split_part(imported_budget.used, '/', 2), ''), '1')::numeric AS used
    ) AS n
    WHERE NOT budget ^@ 'partner:' GROUP BY 1, 2, 3, 4
), each AS (
    SELECT program_id, member_id, name, bucket, is_budget, 0 AS said, 0 AS said_times, points AS given, times AS given_times
    FROM expected
    UNION ALL
    SELECT program_id, member_id, rule, bucket, false,
           split_part(points, '/', 1)::numeric / coalesce(nullif(split_part(points, '/', 2), ''), '1')::numeric, times, 0, 0
    FROM ledger.usage
    UNION ALL
    SELECT program_id, '', budget, bucket, true,
           split_part(used, '/', 1)::numeric / coalesce(nullif(split_part(used, '/', 2), ''), '1')::numeric, 0, 0, 0
    FROM ledger.budget_slot WHERE NOT budget ^@ 'partner:'
), compared AS (
    SELECT program_id, member_id, name, bucket, is_budget, sum(said) AS said, sum(said_times) AS said_times,
           CASE WHEN is_budget AND bucket ^@ 'times:' THEN sum(given_times) ELSE sum(given) END AS given,
           sum(given_times) AS given_times
    FROM each GROUP BY 1, 2, 3, 4, 5
)
SELECT c.*
FROM compared AS c LEFT JOIN ledger.member AS who USING (program_id, member_id)
WHERE who.erased_at IS NULL AND (abs(said - given) > 0.000001 OR (NOT is_budget AND said_times <> given_times))
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
    SELECT program_id, budget, bucket, sum(sign * used::numeric) AS used
    FROM (
        SELECT program_id, budget, bucket, used, 1 AS sign FROM ledger.budget_slot
        UNION ALL SELECT program_id, budget, bucket, used, -1 FROM ledger.imported_budget
    ) AS b
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
JOIN ledger.award AS a ON a.program_id = p.program_id AND a.member_id = p.member_id AND a.order_id = p.order_id
     AND a.award_id = 'order:' || p.order_id || ':' || a.asset
WHERE p.paid_at IS NOT NULL AND (p.cancelled_at IS NOT NULL OR p.refunds <> '[]')
