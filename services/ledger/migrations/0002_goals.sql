-- Threshold credit: reach a spend in a period, and there is credit. Only programs with such a rule have rows here.

-- What one order counts towards a goal in a period; an order that moved to another period leaves 0 behind.
CREATE TABLE ledger.goal_part (
    program_id text NOT NULL,
    member_id text NOT NULL,
    rule text NOT NULL,
    period text NOT NULL,
    order_id text NOT NULL,
    paid_at timestamptz NOT NULL,
    program_version integer NOT NULL,
    -- whether the conditions on person and time held when the order was decided
    admitted boolean NOT NULL,
    -- exact minor units of what is kept, as a fraction "n/d"
    spent text NOT NULL,
    fulfilled_at timestamptz,
    -- the event that told of the order first
    cause text,
    -- why these conditions did not hold
    why_not text,
    PRIMARY KEY (program_id, member_id, rule, period, order_id)
);

-- The awards of a member, goal and period: up to which step each of them reaches. `joined`: of two members, one of whom
-- was merged into the other.
CREATE TABLE ledger.goal_reached (
    program_id text NOT NULL,
    member_id text NOT NULL,
    rule text NOT NULL,
    period text NOT NULL,
    ends jsonb NOT NULL,
    awards jsonb NOT NULL,
    joined boolean NOT NULL,
    PRIMARY KEY (program_id, member_id, rule, period)
);

GRANT SELECT, INSERT, UPDATE ON ledger.goal_part, ledger.goal_reached TO habitue_ledger;
