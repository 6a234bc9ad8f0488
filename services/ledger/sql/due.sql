-- What falls due of members of whom not everything is loaded: up to a moment, and when the next thing does.

-- name: next_due
-- When the first open hold times out, the first reward expires, and the first award that is not due yet comes due.
SELECT k.program_id, k.member_id, h.at AS hold, r.at AS reward, a.at AS award
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS k (program_id, member_id, until)
CROSS JOIN LATERAL (
    SELECT min(held_until) AS at FROM ledger.hold
    WHERE program_id = k.program_id AND member_id = k.member_id AND state = 'open'
) AS h
CROSS JOIN LATERAL (
    SELECT min(due_at) AS at FROM ledger.reward
    WHERE program_id = k.program_id AND member_id = k.member_id AND state = 'issued'
) AS r
CROSS JOIN LATERAL (
    SELECT min(due_at) AS at FROM ledger.award
    WHERE program_id = k.program_id AND member_id = k.member_id AND due_at > k.until
) AS a

-- name: load_awards_due
SELECT a.* FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS k (program_id, member_id, until)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, award_id, asset, kind, order_id, cause, happened_at, program_version, points, state,
           breakdown, reversed, written_off, due_at
    FROM ledger.award
    WHERE program_id = k.program_id AND member_id = k.member_id AND due_at <= k.until
) AS a

-- name: open_lot_groups
-- The open lots that expire up to a horizon, by the moment at which they do; and the first moment after it.
SELECT k.program_id, k.member_id, k.asset, g.expires_at, g.since
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS k (program_id, member_id, asset, horizon)
CROSS JOIN LATERAL (
    SELECT expires_at, min(greatest(opened_at, told_at)) AS since FROM ledger.lot
    WHERE program_id = k.program_id AND member_id = k.member_id AND asset = k.asset AND remaining > 0
        AND expires_at <= k.horizon
    GROUP BY expires_at
    UNION ALL
    SELECT min(expires_at), NULL FROM ledger.lot
    WHERE program_id = k.program_id AND member_id = k.member_id AND asset = k.asset AND remaining > 0
        AND expires_at > k.horizon
) AS g
WHERE g.expires_at IS NOT NULL

-- name: load_lots_expiring
SELECT l.* FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
    AS k (program_id, member_id, asset, expires_at)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, asset, lot_no, award_id, order_id, opened_at, expires_at, amount, remaining, expired,
           told_at
    FROM ledger.lot
    WHERE program_id = k.program_id AND member_id = k.member_id AND asset = k.asset AND remaining > 0
        AND expires_at = k.expires_at
) AS l

-- name: load_lots_told
-- Whole groups: an empty lot knows what the group was told of before.
SELECT l.* FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
    AS k (program_id, member_id, asset, expires_at)
CROSS JOIN LATERAL (
    SELECT program_id, member_id, asset, lot_no, award_id, order_id, opened_at, expires_at, amount, remaining, expired,
           told_at
    FROM ledger.lot
    WHERE program_id = k.program_id AND member_id = k.member_id AND asset = k.asset AND expires_at = k.expires_at
) AS l
