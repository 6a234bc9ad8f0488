-- name: add_members
-- A row that is not there cannot be locked. Keys come sorted.
INSERT INTO notifier.member (program_id, member_id)
SELECT p, m FROM unnest($1::text[], $2::text[]) AS k (p, m)
ON CONFLICT DO NOTHING

-- name: lock_members
-- Keys come sorted, and LATERAL keeps their order: two workers never wait for each other in a circle.
SELECT m.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, email, phone, name, language, time_zone, country, changed_at, erased_at, merged_into
    FROM notifier.member
    WHERE program_id = k.program_id AND member_id = k.member_id
    FOR UPDATE
) AS m

-- name: read_members
SELECT m.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, email, phone, name, language, time_zone, country, changed_at, erased_at, merged_into
    FROM notifier.member
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS m

-- name: save_members
UPDATE notifier.member AS m
SET email = k.email, phone = k.phone, name = k.name, language = k.language, time_zone = k.time_zone,
    country = k.country, changed_at = k.changed_at, erased_at = k.erased_at, merged_into = k.merged_into
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::timestamptz[], $10::timestamptz[], $11::text[]
) AS k (program_id, member_id, email, phone, name, language, time_zone, country, changed_at, erased_at, merged_into)
WHERE m.program_id = k.program_id AND m.member_id = k.member_id

-- name: read_preferences
SELECT p.* FROM unnest($1::text[], $2::text[]) AS k (program_id, member_id)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, purpose, channel, granted, since, proof
    FROM notifier.preference
    WHERE program_id = k.program_id AND member_id = k.member_id
) AS p

-- name: save_preferences
INSERT INTO notifier.preference (program_id, member_id, purpose, channel, granted, since, proof)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[], $7::text[]
)
ON CONFLICT (program_id, member_id, purpose, channel)
DO UPDATE SET granted = excluded.granted, since = excluded.since, proof = excluded.proof

-- name: forget_preferences
DELETE FROM notifier.preference AS p
USING unnest($1::text[], $2::text[]) AS k (program_id, member_id)
WHERE p.program_id = k.program_id AND p.member_id = k.member_id

-- name: suppress_address
INSERT INTO notifier.suppressed_address (program_id, address_hash, reason, since)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING

-- name: suppressed_addresses
SELECT s.program_id, s.address_hash
FROM unnest($1::text[], $2::uuid[]) AS k (program_id, address_hash)
JOIN notifier.suppressed_address AS s ON s.program_id = k.program_id AND s.address_hash = k.address_hash
