-- What partners credited: one row a transaction of theirs, with the price of its day.
CREATE TABLE ledger.partner_credit (
    program_id text NOT NULL,
    partner text NOT NULL,
    transaction_id text NOT NULL,
    member_id text NOT NULL,
    asset text NOT NULL,
    -- what was paid, in smallest units of the currency; null where the partner said the points
    minor bigint,
    currency text,
    points bigint NOT NULL CHECK (points >= 0),
    reversed bigint NOT NULL DEFAULT 0,
    -- what the partner owes for one, as a fraction "n/d"
    price text,
    price_currency text,
    program_version integer NOT NULL,
    happened_at timestamptz NOT NULL,
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, partner, transaction_id),
    CONSTRAINT partner_credit_reversed CHECK (reversed BETWEEN 0 AND points)
) WITH (fillfactor = 80);
CREATE INDEX partner_credit_booked ON ledger.partner_credit (program_id, partner, booked_at);
CREATE INDEX partner_credit_member ON ledger.partner_credit (program_id, member_id);

-- What was taken back of them, and when: for the settlement of that time. Only ever appended.
CREATE TABLE ledger.partner_reversal (
    program_id text NOT NULL,
    partner text NOT NULL,
    transaction_id text NOT NULL,
    -- of the credit's points, with this reversal
    reversed_in_all bigint NOT NULL,
    points bigint NOT NULL CHECK (points > 0),
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, partner, transaction_id, reversed_in_all)
);
CREATE INDEX partner_reversal_booked ON ledger.partner_reversal (program_id, partner, booked_at);

GRANT SELECT, INSERT, UPDATE ON ledger.partner_credit TO habitue_ledger;
GRANT SELECT, INSERT ON ledger.partner_reversal TO habitue_ledger;
