-- Where each member stands, and the spend it rests on. Every table begins with (program_id, member_id), so that it can
-- be distributed by member.

-- The row that is locked before anything about a member is read.
CREATE TABLE tiers.member (
    program_id text NOT NULL,
    member_id text NOT NULL,
    joined_at timestamptz,
    -- the level as it was announced, by name; null for somebody of whom only a refund is known
    level text,
    since timestamptz,
    -- exclusive; null for the base level, which never ends
    valid_until timestamptz,
    -- everything that fell due up to here is done
    settled_until timestamptz,
    -- a refund took ground from under the level: judge it then
    judge_at timestamptz,
    -- the end of the level that the member was last warned of
    warned_until timestamptz,
    -- nothing of this member falls due before
    next_due timestamptz,
    -- [{level, year, grants}, ...]: given for entering a level, and not taken back
    entry_rewards jsonb NOT NULL DEFAULT '[]',
    -- how many changes were announced
    changes integer NOT NULL DEFAULT 0,
    -- the time of the last announcement; what is told of a member never goes back in time
    told_at timestamptz,
    erased_at timestamptz,
    -- another name of this member; such a row holds nothing else
    merged_into text,
    PRIMARY KEY (program_id, member_id)
) WITH (fillfactor = 80);
CREATE INDEX member_merged ON tiers.member (program_id, member_id) WHERE merged_into IS NOT NULL;
CREATE INDEX member_next_due ON tiers.member (next_due, program_id, member_id) WHERE next_due IS NOT NULL;

-- What is known of an order; `paid_at` is null while a refund or a cancellation waits for the order itself.
CREATE TABLE tiers.purchase (
    program_id text NOT NULL,
    member_id text NOT NULL,
    order_id text NOT NULL,
    -- what the arithmetic of an order reads, and nothing about a person
    paid jsonb,
    paid_at timestamptz,
    stated_at timestamptz,
    removed_lines jsonb NOT NULL DEFAULT '[]',
    refunds jsonb NOT NULL DEFAULT '[]',
    cancelled_at timestamptz,
    -- what it counts, and in which calendar year of the program
    year integer,
    kept_minor bigint NOT NULL DEFAULT 0 CHECK (kept_minor >= 0),
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    -- when people were told that the order never came
    reported_at timestamptz,
    PRIMARY KEY (program_id, member_id, order_id)
) WITH (fillfactor = 90);
CREATE INDEX purchase_waiting ON tiers.purchase (first_seen_at) WHERE paid_at IS NULL AND reported_at IS NULL;

-- What a member's orders of one calendar year count together.
CREATE TABLE tiers.year_spend (
    program_id text NOT NULL,
    member_id text NOT NULL,
    year integer NOT NULL,
    spend_minor bigint NOT NULL CHECK (spend_minor >= 0),
    PRIMARY KEY (program_id, member_id, year)
) WITH (fillfactor = 70);

-- Programs whose past is being handled just now, so that their clock stands still meanwhile.
CREATE TABLE tiers.replay (
    program_id text PRIMARY KEY,
    began_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON tiers.member, tiers.replay TO habitue_tiers;
-- DELETE: a member who asks to be forgotten.
GRANT SELECT, INSERT, UPDATE, DELETE ON tiers.purchase, tiers.year_spend TO habitue_tiers;
