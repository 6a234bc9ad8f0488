-- What was brought in from another system, row by row: a row's id is taken once. History entries live here alone. What
-- is about no single member (codes of nobody, budgets, households) has an empty member_id.
CREATE TABLE ledger.imported_row (
    program_id text NOT NULL,
    member_id text NOT NULL,
    row_id text NOT NULL,
    kind text NOT NULL CHECK (
        kind IN ('points', 'order', 'member', 'reward', 'usage', 'history', 'coupon', 'budget', 'pool')
    ),
    -- the row as it was sent
    said jsonb NOT NULL,
    -- when an entry of the history happened, and what it is about
    happened_at timestamptz,
    asset text,
    -- what the row moved into the member's accounts, signed; of an entry of the history: what it says
    points bigint NOT NULL DEFAULT 0,
    imported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (program_id, member_id, row_id),
    CONSTRAINT imported_history CHECK (kind <> 'history' OR happened_at IS NOT NULL)
);
CREATE INDEX imported_history ON ledger.imported_row (program_id, member_id, happened_at, row_id) WHERE kind = 'history';

-- DELETE: who is erased is forgotten.
GRANT SELECT, INSERT, DELETE ON ledger.imported_row TO habitue_ledger;

-- What rows say that caps had counted elsewhere, cap by cap. It is part of `usage`, and the rest follows from awards.
CREATE TABLE ledger.imported_usage (
    program_id text NOT NULL,
    member_id text NOT NULL,
    row_id text NOT NULL,
    rule text NOT NULL,
    bucket text NOT NULL,
    times integer NOT NULL CHECK (times >= 0),
    -- exact points, as a fraction "n/d"
    points text NOT NULL,
    PRIMARY KEY (program_id, member_id, row_id, rule, bucket)
);

GRANT SELECT, INSERT ON ledger.imported_usage TO habitue_ledger;

-- What rows say that budgets for everybody had given elsewhere. It is part of what `budget_slot` says was used, and the
-- rest follows from awards and partners' credits.
CREATE TABLE ledger.imported_budget (
    program_id text NOT NULL,
    row_id text NOT NULL,
    budget text NOT NULL,
    bucket text NOT NULL,
    -- exact points (or times), as a fraction "n/d"
    used text NOT NULL,
    PRIMARY KEY (program_id, row_id, budget, bucket)
);

GRANT SELECT, INSERT ON ledger.imported_budget TO habitue_ledger;

-- Who asked for the erasure of a member over HTTP, why, and what went. It holds nothing about the person.
CREATE TABLE ledger.erasure (
    program_id text NOT NULL,
    member_id text NOT NULL,
    reason text NOT NULL,
    asked_by text NOT NULL,
    erased_at timestamptz NOT NULL,
    report jsonb NOT NULL,
    PRIMARY KEY (program_id, member_id)
);

GRANT SELECT, INSERT ON ledger.erasure TO habitue_ledger;
