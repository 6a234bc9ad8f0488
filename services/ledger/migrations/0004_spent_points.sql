-- Spent points come back. The last `returned` of what was captured did; `borne` of these should have been spent again and
-- were not, since the member had them no more: the program bears them.
ALTER TABLE ledger.hold
    ADD COLUMN returned bigint NOT NULL DEFAULT 0,
    ADD COLUMN borne bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT hold_returned CHECK (returned BETWEEN 0 AND captured),
    ADD CONSTRAINT hold_borne CHECK (borne BETWEEN 0 AND returned);

CREATE INDEX hold_order ON ledger.hold (program_id, member_id, order_id) WHERE order_id IS NOT NULL;
