-- What each service keeps about its own machinery. The same in every schema.

-- The next offset of each partition, written in the transaction of the effects: the only truth about progress.
CREATE TABLE service.position (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- Every event that took effect: hash of (program, source, id), and hash of its payload to tell a repetition from a conflict.
CREATE TABLE service.inbox (
    event_key uuid PRIMARY KEY,
    payload_hash uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_received_at ON service.inbox USING brin (received_at);

-- One row holds all messages of one transaction; a relay publishes and then deletes it.
CREATE TABLE service.outbox (
    bundle_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    messages bytea NOT NULL,
    message_count integer NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);

-- What was refused for good, with its original bytes, until a person replays or discards it.
CREATE TABLE service.dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    record_time timestamptz NOT NULL,
    record_key bytea,
    record_value bytea,
    headers jsonb NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded')),
    refused_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    note text,
    UNIQUE (topic, partition, record_offset)
);
CREATE INDEX dead_letter_open ON service.dead_letter (dead_letter_id) WHERE state = 'open';

-- The versions of each program; a version holds from `since` until the next one.
CREATE TABLE service.program (
    program_id text NOT NULL,
    version integer NOT NULL,
    since timestamptz NOT NULL,
    document json NOT NULL, -- not jsonb: it keeps the merchant's order of words
    applied_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, version)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON service.position, service.inbox, service.outbox, service.dead_letter TO habitue_service;
GRANT SELECT, INSERT ON service.program TO habitue_service;
