-- name: insert_erasure
INSERT INTO ledger.erasure (program_id, member_id, reason, asked_by, erased_at, report) VALUES ($1, $2, $3, $4, $5, $6)
