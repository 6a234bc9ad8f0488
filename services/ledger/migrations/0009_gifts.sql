-- Points that members gave to each other, under the giver's id of each gift.
CREATE TABLE ledger.gift (
    program_id text NOT NULL,
    member_id text NOT NULL,
    transfer_id text NOT NULL,
    to_member_id text NOT NULL,
    asset text NOT NULL,
    points bigint NOT NULL CHECK (points > 0),
    given_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, member_id, transfer_id)
);
CREATE INDEX gift_given ON ledger.gift (program_id, member_id, asset, given_at);

GRANT SELECT, INSERT ON ledger.gift TO habitue_ledger;
