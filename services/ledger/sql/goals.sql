-- name: load_goal_parts
SELECT g.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k (program_id, member_id, rule, period)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, rule, period, order_id, paid_at, program_version, admitted, spent, fulfilled_at,
           cause, why_not
    FROM ledger.goal_part
    WHERE program_id = k.program_id AND member_id = k.member_id AND rule = k.rule AND period = k.period
) AS g

-- name: order_of_goal_cause
-- The order that this event told of first, where it was asked for goals.
SELECT order_id FROM ledger.goal_part WHERE program_id = $1 AND member_id = $2 AND cause = $3 LIMIT 1

-- name: load_goals_reached
SELECT g.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k (program_id, member_id, rule, period)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, rule, period, ends, awards, joined FROM ledger.goal_reached
    WHERE program_id = k.program_id AND member_id = k.member_id AND rule = k.rule AND period = k.period
) AS g

-- name: save_goal_parts
INSERT INTO ledger.goal_part
    (program_id, member_id, rule, period, order_id, paid_at, program_version, admitted, spent, fulfilled_at, cause,
     why_not)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::int[],
                     $8::boolean[], $9::text[], $10::timestamptz[], $11::text[], $12::text[])
ON CONFLICT (program_id, member_id, rule, period, order_id) DO UPDATE
SET paid_at = excluded.paid_at, program_version = excluded.program_version, admitted = excluded.admitted,
    spent = excluded.spent, fulfilled_at = excluded.fulfilled_at, cause = excluded.cause, why_not = excluded.why_not

-- name: save_goals_reached
INSERT INTO ledger.goal_reached (program_id, member_id, rule, period, ends, awards, joined)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::boolean[])
ON CONFLICT (program_id, member_id, rule, period) DO UPDATE
SET ends = excluded.ends, awards = excluded.awards, joined = excluded.joined

-- name: all_goals
-- Every period with what its orders count, and what its awards hold. LIMIT keeps the look-up by key: a member with many
-- awards is not read through for each period.
SELECT r.program_id, r.member_id, r.rule, r.period, r.ends, r.awards AS ids, r.joined, p.parts, a.awards
FROM ledger.goal_reached AS r
JOIN ledger.member AS m ON m.program_id = r.program_id AND m.member_id = r.member_id AND m.erased_at IS NULL
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(jsonb_build_array(order_id, paid_at, program_version, spent)), '[]') AS parts
    FROM ledger.goal_part
    WHERE program_id = r.program_id AND member_id = r.member_id AND rule = r.rule AND period = r.period
) AS p
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(jsonb_build_array(e.award_id, e.points, e.reversed, e.state)), '[]') AS awards
    FROM jsonb_array_elements_text(r.awards) AS n (award_id)
    CROSS JOIN LATERAL (
        SELECT award_id, points, reversed, state FROM ledger.award
        WHERE program_id = r.program_id AND member_id = r.member_id AND award_id = n.award_id LIMIT 1
    ) AS e
) AS a
ORDER BY r.program_id, r.member_id, r.rule, r.period
