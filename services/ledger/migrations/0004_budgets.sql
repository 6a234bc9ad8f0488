-- What a rule, or all rules of an asset, may give everybody, in slots: a batch leases some by locking them, so that no
-- row is hot. Only programs with a budget have rows here, some for each budget and period.
CREATE TABLE ledger.budget_slot (
    program_id text NOT NULL,
    -- rule:<rule> or asset:<asset>
    budget text NOT NULL,
    -- what it counts and its period, such as points:month:2026-05-01
    bucket text NOT NULL,
    slot integer NOT NULL,
    -- of the whole budget, as the merchant said it last
    amount bigint NOT NULL,
    -- what can still be given and what was, exact, as fractions "n/d"
    rest text NOT NULL,
    used text NOT NULL,
    PRIMARY KEY (program_id, budget, bucket, slot)
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE ON ledger.budget_slot TO habitue_ledger;
