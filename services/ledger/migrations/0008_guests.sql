-- E-mail addresses by keyed hash: of whom they are, where somebody with an account told them.
CREATE TABLE ledger.guest_address (
    program_id text NOT NULL,
    address uuid NOT NULL,
    member_id text,
    since timestamptz,
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (program_id, address)
) WITH (fillfactor = 80);
CREATE INDEX guest_address_member ON ledger.guest_address (program_id, member_id) WHERE member_id IS NOT NULL;
CREATE INDEX guest_address_nobody ON ledger.guest_address (made_at) WHERE member_id IS NULL;

-- Orders without a customer. Once one is credited, only whose it is remains: refunds name the order alone.
CREATE TABLE ledger.guest_order (
    program_id text NOT NULL,
    order_id text NOT NULL,
    address uuid,
    member_id text,
    -- the event that stated the order
    cause text,
    -- what is known of the order, without contact data
    kept jsonb,
    -- a row that was made to be locked, and then stayed empty, goes after a day
    forget_at timestamptz DEFAULT now() + interval '1 day',
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    -- when people were told that the order never came
    reported_at timestamptz,
    PRIMARY KEY (program_id, order_id)
) WITH (fillfactor = 80);
CREATE INDEX guest_order_member ON ledger.guest_order (program_id, member_id) WHERE member_id IS NOT NULL;
CREATE INDEX guest_order_address ON ledger.guest_order (program_id, address) WHERE address IS NOT NULL;
CREATE INDEX guest_order_waiting ON ledger.guest_order (first_seen_at) WHERE cause IS NULL AND kept IS NOT NULL;
CREATE INDEX guest_order_forget ON ledger.guest_order (forget_at) WHERE member_id IS NULL;

-- DELETE: what nobody came for is forgotten.
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.guest_address, ledger.guest_order TO habitue_ledger;
