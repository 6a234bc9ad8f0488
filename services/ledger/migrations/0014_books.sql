-- The books of whole programs that were brought in from other installations: the same one again writes nothing.
CREATE TABLE ledger.book_brought (
    program_id text NOT NULL,
    -- SHA-256 of the file, without its last line
    digest text NOT NULL,
    row_count bigint NOT NULL,
    brought_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, digest)
);

GRANT SELECT, INSERT ON ledger.book_brought TO habitue_ledger;
