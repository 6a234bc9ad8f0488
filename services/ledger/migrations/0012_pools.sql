-- Households that share what they earn. A pool that was dissolved keeps its id.
CREATE TABLE ledger.pool (
    program_id text NOT NULL,
    pool_id text NOT NULL,
    made_at timestamptz NOT NULL,
    dissolved_at timestamptz,
    PRIMARY KEY (program_id, pool_id)
);

-- Who is in a pool, or invited (`joined_at` is null). Who leaves has no row.
CREATE TABLE ledger.pool_member (
    program_id text NOT NULL,
    member_id text NOT NULL,
    pool_id text NOT NULL,
    joined_at timestamptz,
    -- which one of the pool's members, those first who have been in it longest
    place integer,
    PRIMARY KEY (program_id, member_id, pool_id)
);
CREATE UNIQUE INDEX pool_member_joined ON ledger.pool_member (program_id, member_id) WHERE joined_at IS NOT NULL;
CREATE INDEX pool_member_pool ON ledger.pool_member (program_id, pool_id);

-- Lots that came from another member of the pool, and whose they are: what comes back to them goes home.
CREATE TABLE ledger.pool_lot (
    program_id text NOT NULL,
    member_id text NOT NULL,
    asset text NOT NULL,
    lot_no bigint NOT NULL,
    pool_id text NOT NULL,
    from_member_id text NOT NULL,
    -- something came back to it since it was looked at
    came_back boolean NOT NULL DEFAULT false,
    PRIMARY KEY (program_id, member_id, asset, lot_no)
);
CREATE INDEX pool_lot_came_back ON ledger.pool_lot (program_id, member_id) WHERE came_back;
CREATE INDEX pool_lot_from ON ledger.pool_lot (program_id, from_member_id);

GRANT SELECT, INSERT, UPDATE ON ledger.pool TO habitue_ledger;
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.pool_member TO habitue_ledger;
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.pool_lot TO habitue_ledger;
