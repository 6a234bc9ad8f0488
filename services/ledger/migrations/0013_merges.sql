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

-- UPDATE: the words of who is erased are forgotten.
GRANT SELECT, INSERT, UPDATE (reason) ON ledger.merge TO habitue_ledger;

-- What an id of a merged member is called where the survivor has one alike: never longer than an id may be.
CREATE FUNCTION ledger.id_after_merge(id text, member_id text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE
    WHEN length(id) + length(member_id) < 200 THEN id || '@' || member_id
    ELSE left(id, 167) || '@' || md5(id || '@' || member_id)
END;

-- What an order of a merged member is called at the survivor, to whom the order itself has moved already.
CREATE FUNCTION ledger.order_after_merge(program_id text, order_id text, member_id text, survivor_id text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN EXISTS (
        SELECT FROM ledger.purchase AS p
        WHERE p.program_id = $1 AND p.member_id = $4 AND p.order_id = ledger.id_after_merge($2, $3)
    ) THEN ledger.id_after_merge($2, $3)
    ELSE $2
END;

-- Draws [[lot_no, points], ...] from lots whose numbers moved by so much (null: not at all). What was drawn from no lot
-- (0) stays so.
CREATE FUNCTION ledger.draws_after_merge(draws jsonb, shift bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(jsonb_agg(
        jsonb_build_array((d ->> 0)::bigint + CASE (d ->> 0)::bigint WHEN 0 THEN 0 ELSE coalesce(shift, 0) END, d -> 1)
        ORDER BY place
    ), '[]')
    FROM jsonb_array_elements(draws) WITH ORDINALITY AS e (d, place)
);
