-- name: load_goal_parts
SELECT g.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k (program_id, member_id, rule, period)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, rule, period, order_id, paid_at, program_version, admitted, spent, fulfilled_at
    FROM ledger.goal_part
    WHERE program_id = k.program_id AND member_id = k.member_id AND rule = k.rule AND period = k.period
) AS g

-- name: load_goals_reached
SELECT g.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k (program_id, member_id, rule, period)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, rule, period, ends FROM ledger.goal_reached
    WHERE program_id = k.program_id AND member_id = k.member_id AND rule = k.rule AND period = k.period
) AS g

-- name: save_goal_parts
INSERT INTO ledger.goal_part
    (program_id, member_id, rule, period, order_id, paid_at, program_version, admitted, spent, fulfilled_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::int[],
                     $8::boolean[], $9::text[], $10::timestamptz[])
ON CONFLICT (program_id, member_id, rule, period, order_id) DO UPDATE
SET paid_at = excluded.paid_at, program_version = excluded.program_version, admitted = excluded.admitted,
    spent = excluded.spent, fulfilled_at = excluded.fulfilled_at

-- name: save_goals_reached
INSERT INTO ledger.goal_reached (program_id, member_id, rule, period, ends)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[])
ON CONFLICT (program_id, member_id, rule, period) DO UPDATE SET ends = excluded.ends
