-- Up to when nothing is left to be told of the expiry to come.
ALTER TABLE ledger.lot ADD COLUMN told_at timestamptz;
