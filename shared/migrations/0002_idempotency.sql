-- The answers to writes that came with an Idempotency-Key, kept in the transaction of their effect.
-- Scoped by program and by who called, so that nobody can read or block another's keys.
CREATE TABLE service.answer (
    program_id text NOT NULL,
    subject text NOT NULL,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 16),
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, subject, idempotency_key)
);
CREATE INDEX answer_answered_at ON service.answer USING brin (answered_at);

GRANT SELECT, INSERT, DELETE ON service.answer TO habitue_service;
