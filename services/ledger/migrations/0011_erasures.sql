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
