-- Adjustments by hand: who wanted what and why, and what became of it.
CREATE TABLE ledger.adjustment (
    program_id text NOT NULL,
    adjustment_id text NOT NULL,
    member_id text NOT NULL,
    asset text NOT NULL,
    -- signed: below 0 takes
    points bigint NOT NULL CHECK (points <> 0),
    reason text NOT NULL,
    state text NOT NULL CHECK (state IN ('applied', 'proposed', 'rejected')),
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    moved bigint NOT NULL DEFAULT 0,
    decided_by text,
    decided_at timestamptz,
    decision_reason text,
    PRIMARY KEY (program_id, adjustment_id),
    CONSTRAINT adjustment_by_another CHECK (decided_by <> proposed_by),
    CONSTRAINT adjustment_decided CHECK (state <> 'rejected' OR decided_by IS NOT NULL),
    CONSTRAINT adjustment_moved CHECK (moved = 0 OR state = 'applied')
);
CREATE INDEX adjustment_state ON ledger.adjustment (program_id, state, adjustment_id);
CREATE INDEX adjustment_member ON ledger.adjustment (program_id, member_id);

GRANT SELECT, INSERT, UPDATE ON ledger.adjustment TO habitue_ledger;
