-- Members who were merged into others, with what they had then: for people who ask what happened.
CREATE TABLE ledger.merge (
    program_id text NOT NULL,
    member_id text NOT NULL,
    -- at that time; where it was merged itself since, `member.merged_into` knows more
    survivor_id text NOT NULL CHECK (survivor_id <> member_id),
    merged_at timestamptz NOT NULL,
    merged_by text NOT NULL,
    reason text,
    -- [[asset, pending, available, held, version], ...]
    moved jsonb NOT NULL,
    PRIMARY KEY (program_id, member_id)
);
CREATE INDEX merge_survivor ON ledger.merge (program_id, survivor_id, merged_at);

GRANT SELECT, INSERT ON ledger.merge TO habitue_ledger;
