-- Rewards of members, and coupons: the codes that they are handed over as, and others.

-- One reward of one member.
CREATE TABLE ledger.reward (
    program_id text NOT NULL,
    member_id text NOT NULL,
    reward_id text NOT NULL,
    -- its name in the catalogue, or of what promised it
    reward text NOT NULL,
    source text NOT NULL CHECK (source IN ('bought', 'given', 'promised')),
    -- what it gives, as the contract's Grant
    gives jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('issued', 'used', 'voided', 'expired')),
    asset text NOT NULL,
    price bigint NOT NULL CHECK (price >= 0),
    -- [[lot_no, points], ...] in the order they were drawn
    draws jsonb NOT NULL,
    code text,
    -- whether it counts towards the stock
    stocked boolean NOT NULL,
    program_version integer NOT NULL,
    cause text NOT NULL,
    reason text,
    issued_at timestamptz NOT NULL,
    valid_until timestamptz,
    -- when it expires by itself: `valid_until`, or later where a checkout keeps it
    due_at timestamptz,
    closed_at timestamptz,
    order_id text,
    -- the number of the last change, from 1
    changes integer NOT NULL CHECK (changes > 0),
    PRIMARY KEY (program_id, member_id, reward_id)
) WITH (fillfactor = 80);
CREATE INDEX reward_open ON ledger.reward (program_id, member_id) WHERE state = 'issued';
CREATE INDEX reward_issued ON ledger.reward USING brin (issued_at timestamptz_minmax_multi_ops);

-- How many of a reward with a stock are gone: the row is locked by who takes one, so that none is sold twice.
-- It is there from the first one on, and only for rewards that name a stock.
CREATE TABLE ledger.reward_stock (
    program_id text NOT NULL,
    reward text NOT NULL,
    sold bigint NOT NULL CHECK (sold >= 0),
    PRIMARY KEY (program_id, reward)
) WITH (fillfactor = 50);

-- All codes of a program, in one namespace. A pooled one is the shop's and waits to be handed out.
CREATE TABLE ledger.coupon (
    program_id text NOT NULL,
    -- as it is looked up: capitals, without spaces and hyphens
    code text NOT NULL,
    -- as members read it
    shown text NOT NULL,
    state text NOT NULL CHECK (state IN ('pooled', 'open', 'voided')),
    gives jsonb,
    pool text,
    -- the reward behind it
    member_id text,
    reward_id text,
    -- false: only that member may use it
    anyone boolean NOT NULL,
    -- null: as often as one likes
    uses integer CHECK (uses > 0),
    per_member integer CHECK (per_member > 0),
    used integer NOT NULL DEFAULT 0 CHECK (used >= 0 AND (uses IS NULL OR used <= uses)),
    valid_from timestamptz,
    valid_until timestamptz,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, code),
    CHECK ((state = 'pooled') = (gives IS NULL) OR state = 'voided')
) WITH (fillfactor = 80);
CREATE INDEX coupon_member ON ledger.coupon (program_id, member_id) WHERE member_id IS NOT NULL;
CREATE INDEX coupon_pooled ON ledger.coupon (program_id, pool, made_at, code) WHERE state = 'pooled';

-- The pools of the shop's codes that were ever filled.
CREATE TABLE ledger.coupon_pool (
    program_id text NOT NULL,
    pool text NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, pool)
);

-- One use of a code, or a reservation for one.
CREATE TABLE ledger.coupon_use (
    program_id text NOT NULL,
    code text NOT NULL,
    use_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('reserved', 'used', 'released', 'timed_out', 'refused')),
    member_id text,
    order_id text,
    -- the order's own event names the code
    named boolean NOT NULL,
    reason text,
    changed_at timestamptz NOT NULL,
    reserved_until timestamptz,
    PRIMARY KEY (program_id, code, use_id)
);
CREATE INDEX coupon_use_reserved ON ledger.coupon_use (program_id, code) WHERE state = 'reserved';
CREATE INDEX coupon_use_order ON ledger.coupon_use (program_id, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX coupon_use_of_member ON ledger.coupon_use (program_id, member_id) WHERE member_id IS NOT NULL;
CREATE INDEX coupon_use_member ON ledger.coupon_use (program_id, code, member_id) WHERE member_id IS NOT NULL;

GRANT SELECT, INSERT ON ledger.coupon_pool TO habitue_ledger;
GRANT SELECT, INSERT, UPDATE ON ledger.reward, ledger.reward_stock, ledger.coupon, ledger.coupon_use TO habitue_ledger;
