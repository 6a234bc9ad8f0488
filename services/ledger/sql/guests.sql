-- name: insert_guest_addresses
-- A row that is not there cannot be locked. Keys come sorted, so that two batches never wait in a circle.
INSERT INTO ledger.guest_address (program_id, address)
SELECT p, a FROM unnest($1::text[], $2::uuid[]) AS k (p, a)
ON CONFLICT DO NOTHING

-- name: lock_guest_addresses
SELECT a.* FROM unnest($1::text[], $2::uuid[]) AS k (program_id, address)
CROSS JOIN LATERAL (
    SELECT program_id, address, member_id, since FROM ledger.guest_address
    WHERE program_id = k.program_id AND address = k.address FOR UPDATE
) AS a

-- name: save_guest_addresses
UPDATE ledger.guest_address AS a SET member_id = k.member_id, since = k.since
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[]) AS k (program_id, address, member_id, since)
WHERE a.program_id = k.program_id AND a.address = k.address

-- name: insert_guest_orders
INSERT INTO ledger.guest_order (program_id, order_id)
SELECT p, o FROM unnest($1::text[], $2::text[]) AS k (p, o)
ON CONFLICT DO NOTHING

-- name: guest_orders_of_addresses
-- Which orders wait under these addresses. The addresses are locked: no further order can come under one meanwhile.
SELECT o.* FROM unnest($1::text[], $2::uuid[]) AS k (program_id, address)
CROSS JOIN LATERAL (
    SELECT program_id, order_id FROM ledger.guest_order
    WHERE program_id = k.program_id AND address = k.address
) AS o

-- name: lock_guest_orders
-- An order that came under another address, or was forgotten, since it was looked for says so itself.
SELECT o.* FROM unnest($1::text[], $2::text[]) AS k (program_id, order_id)
CROSS JOIN LATERAL (
    SELECT program_id, order_id, address, member_id, cause, kept, forget_at FROM ledger.guest_order
    WHERE program_id = k.program_id AND order_id = k.order_id FOR UPDATE
) AS o

-- name: save_guest_orders
UPDATE ledger.guest_order AS o
SET address = k.address, member_id = k.member_id, cause = k.cause, kept = k.kept, forget_at = k.forget_at
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::jsonb[], $7::timestamptz[])
    AS k (program_id, order_id, address, member_id, cause, kept, forget_at)
WHERE o.program_id = k.program_id AND o.order_id = k.order_id

-- name: forget_guest_orders
-- Nobody came for them in time. What somebody is at now is left for the next time, and so is what came before its order
-- until people were told.
DELETE FROM ledger.guest_order WHERE (program_id, order_id) IN (
    SELECT program_id, order_id FROM ledger.guest_order
    WHERE forget_at <= $1 AND member_id IS NULL AND (cause IS NOT NULL OR kept IS NULL OR reported_at IS NOT NULL)
    ORDER BY forget_at LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING order_id

-- name: forget_guest_addresses
-- Addresses of nobody, under which nothing waits any more.
DELETE FROM ledger.guest_address WHERE (program_id, address) IN (
    SELECT program_id, address FROM ledger.guest_address AS a
    WHERE member_id IS NULL AND made_at <= $1::timestamptz - interval '1 day'
      AND NOT EXISTS (SELECT FROM ledger.guest_order AS o WHERE o.program_id = a.program_id AND o.address = a.address)
    LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING address

-- name: forget_erased_addresses
-- An address outlives the erasure of its member by some minutes: whoever erases holds no lock on it.
DELETE FROM ledger.guest_address WHERE (program_id, address) IN (
    SELECT a.program_id, a.address FROM ledger.member AS m
    JOIN ledger.member AS n
      ON n.program_id = m.program_id AND (n.member_id = m.member_id OR n.merged_into = m.member_id)
    JOIN ledger.guest_address AS a ON a.program_id = n.program_id AND a.member_id = n.member_id
    WHERE m.erased_at IS NOT NULL LIMIT $1 FOR UPDATE OF a SKIP LOCKED
) RETURNING address
