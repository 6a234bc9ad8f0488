-- The book of the ledger. Every table begins with (program_id, member_id), so that it can be distributed by member.

-- The row that is locked before anything about a member is read.
CREATE TABLE ledger.member (
    program_id text NOT NULL,
    member_id text NOT NULL,
    joined_at timestamptz,
    -- [[since, level, earn_times], ...], oldest first, as the tiers service announced them
    levels jsonb NOT NULL DEFAULT '[]',
    -- nothing of this member falls due before (it may be too early, never too late)
    next_due timestamptz,
    erased_at timestamptz,
    -- the member that this one was merged into: its id is another name of that one, never of a third
    merged_into text CHECK (merged_into <> member_id),
    -- up to which version of the program the expiries of the lots have followed a change of policy
    lots_version integer NOT NULL DEFAULT 0,
    PRIMARY KEY (program_id, member_id)
) WITH (fillfactor = 80);
CREATE INDEX member_merged ON ledger.member (program_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX member_next_due ON ledger.member (next_due) WHERE next_due IS NOT NULL;
CREATE INDEX member_erased ON ledger.member (program_id, member_id) WHERE erased_at IS NOT NULL;

CREATE TABLE ledger.balance (
    program_id text NOT NULL,
    member_id text NOT NULL,
    asset text NOT NULL,
    pending bigint NOT NULL CHECK (pending >= 0),
    available bigint NOT NULL,
    held bigint NOT NULL CHECK (held >= 0),
    version bigint NOT NULL,
    PRIMARY KEY (program_id, member_id, asset)
) WITH (fillfactor = 60);

-- The entries: only ever appended. The role of the service can neither change nor remove one.
CREATE TABLE ledger.transfer (
    program_id text NOT NULL,
    member_id text NOT NULL,
    asset text NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    kind text NOT NULL,
    from_account text NOT NULL,
    to_account text NOT NULL CHECK (to_account <> from_account),
    amount bigint NOT NULL CHECK (amount > 0),
    award_id text,
    order_id text,
    hold_id text,
    cause text NOT NULL,
    happened_at timestamptz NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    pending bigint NOT NULL,
    available bigint NOT NULL,
    held bigint NOT NULL,
    PRIMARY KEY (program_id, member_id, asset, version)
);
-- For reports on a period: a page or two for each million rows, since what is written together happened together; the
-- several ranges it keeps make up for an import of an old history.
CREATE INDEX transfer_happened ON ledger.transfer USING brin (happened_at timestamptz_minmax_multi_ops);

-- What is known of an order; `paid_at` is null while a refund or a fulfilment waits for the order itself.
CREATE TABLE ledger.purchase (
    program_id text NOT NULL,
    member_id text NOT NULL,
    order_id text NOT NULL,
    paid_at timestamptz,
    program_version integer,
    paid jsonb,
    -- when the shop stated what is in `paid`; the newest statement stands, `paid_at` is that of the first
    stated_at timestamptz,
    fulfilled_at timestamptz,
    cancelled_at timestamptz,
    refunds jsonb NOT NULL DEFAULT '[]',
    removed_lines jsonb NOT NULL DEFAULT '[]',
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    -- when people were told that the order never came
    reported_at timestamptz,
    PRIMARY KEY (program_id, member_id, order_id)
);
CREATE INDEX purchase_waiting ON ledger.purchase (first_seen_at) WHERE paid_at IS NULL;
CREATE INDEX purchase_paid ON ledger.purchase USING brin (paid_at timestamptz_minmax_multi_ops);

-- What one event earned one member, with the breakdown that explains it and that refunds are reckoned by.
CREATE TABLE ledger.award (
    program_id text NOT NULL,
    member_id text NOT NULL,
    award_id text NOT NULL,
    asset text NOT NULL,
    kind text NOT NULL,
    order_id text,
    cause text NOT NULL,
    happened_at timestamptz NOT NULL,
    program_version integer NOT NULL,
    points bigint NOT NULL CHECK (points >= 0),
    reversed bigint NOT NULL DEFAULT 0 CHECK (reversed BETWEEN 0 AND points),
    -- of what is reversed: without a transfer, since it had expired unused or the program bears it
    written_off bigint NOT NULL DEFAULT 0 CHECK (written_off >= 0),
    state text NOT NULL CHECK (state IN ('waiting', 'pending', 'available', 'cancelled')),
    due_at timestamptz,
    breakdown jsonb NOT NULL,
    PRIMARY KEY (program_id, member_id, award_id)
) WITH (fillfactor = 80);
CREATE INDEX award_to_come ON ledger.award (program_id, member_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX award_cause ON ledger.award (program_id, cause);
-- Removals that came before their reviews.
CREATE INDEX award_removal ON ledger.award (program_id, happened_at)
    WHERE state = 'waiting' AND award_id ^@ 'removed:';
CREATE INDEX award_happened ON ledger.award USING brin (happened_at timestamptz_minmax_multi_ops);

CREATE TABLE ledger.lot (
    program_id text NOT NULL,
    member_id text NOT NULL,
    asset text NOT NULL,
    lot_no bigint NOT NULL,
    award_id text,
    order_id text,
    opened_at timestamptz NOT NULL,
    expires_at timestamptz,
    amount bigint NOT NULL CHECK (amount > 0),
    remaining bigint NOT NULL CHECK (remaining BETWEEN 0 AND amount),
    expired bigint NOT NULL DEFAULT 0 CHECK (expired BETWEEN 0 AND amount),
    -- it came out of another member's lot: a gift, or points of a pool
    received boolean NOT NULL DEFAULT false,
    PRIMARY KEY (program_id, member_id, asset, lot_no)
) WITH (fillfactor = 80);
-- In the order in which they are spent.
CREATE INDEX lot_open ON ledger.lot (program_id, member_id, asset, expires_at, opened_at, lot_no) WHERE remaining > 0;
CREATE INDEX lot_opened ON ledger.lot USING brin (opened_at timestamptz_minmax_multi_ops);

CREATE TABLE ledger.hold (
    program_id text NOT NULL,
    member_id text NOT NULL,
    hold_id text NOT NULL,
    asset text NOT NULL,
    points bigint NOT NULL CHECK (points > 0),
    captured bigint NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND points),
    state text NOT NULL CHECK (state IN ('open', 'captured', 'released', 'timed_out')),
    order_id text,
    held_at timestamptz NOT NULL,
    held_until timestamptz NOT NULL,
    -- [[lot_no, points], ...] in the order they were drawn
    draws jsonb NOT NULL,
    -- Spent points come back: the last `returned` of what was captured did. `borne` of these should have been spent
    -- again and were not, since the member had them no more: the program bears them.
    returned bigint NOT NULL DEFAULT 0 CHECK (returned BETWEEN 0 AND captured),
    borne bigint NOT NULL DEFAULT 0 CHECK (borne BETWEEN 0 AND returned),
    PRIMARY KEY (program_id, member_id, hold_id)
);
CREATE INDEX hold_open ON ledger.hold (program_id, member_id) WHERE state = 'open';
CREATE INDEX hold_order ON ledger.hold (program_id, member_id, order_id) WHERE order_id IS NOT NULL;

-- How much of a rule's cap a member has used, by bucket (a day, a product, a lifetime).
CREATE TABLE ledger.usage (
    program_id text NOT NULL,
    member_id text NOT NULL,
    rule text NOT NULL,
    bucket text NOT NULL,
    times integer NOT NULL,
    -- exact points, as a fraction "n/d"
    points text NOT NULL,
    PRIMARY KEY (program_id, member_id, rule, bucket)
);

-- What a batch moved on the accounts of the program; folded into `account` by a job, so that no row is hot.
CREATE TABLE ledger.movement (
    movement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    program_id text NOT NULL,
    asset text NOT NULL,
    account text NOT NULL,
    amount bigint NOT NULL
);
CREATE TABLE ledger.account (
    program_id text NOT NULL,
    asset text NOT NULL,
    account text NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (program_id, asset, account)
);

GRANT SELECT, INSERT ON ledger.transfer TO habitue_ledger;
GRANT SELECT, INSERT, UPDATE ON
    ledger.member, ledger.balance, ledger.purchase, ledger.award, ledger.lot, ledger.hold, ledger.usage, ledger.account
TO habitue_ledger;
-- UPDATE on movements: folding locks the rows it takes.
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.movement TO habitue_ledger;
