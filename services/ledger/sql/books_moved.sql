-- The book of a program, row by row, as it leaves one installation and comes into another. `json` and not `jsonb`: a
-- document keeps the merchant's order of words. A test names the tables that are not here.

-- name: book_rows
-- Every row of a program, table by table, each in the order of its key.
(
    SELECT 'program' AS part, row_to_json(t)::text AS entry FROM ledger.program AS t WHERE program_id = $1 ORDER BY version
)
UNION ALL (
    SELECT 'member', row_to_json(t)::text FROM ledger.member AS t WHERE program_id = $1 ORDER BY member_id
)
UNION ALL (
    SELECT 'balance', row_to_json(t)::text FROM ledger.balance AS t WHERE program_id = $1 ORDER BY member_id, asset
)
UNION ALL (
    SELECT 'transfer', row_to_json(t)::text FROM ledger.transfer AS t WHERE program_id = $1 ORDER BY member_id, asset, version
)
UNION ALL (
    SELECT 'purchase', row_to_json(t)::text FROM ledger.purchase AS t WHERE program_id = $1 ORDER BY member_id, order_id
)
UNION ALL (
    SELECT 'award', row_to_json(t)::text FROM ledger.award AS t WHERE program_id = $1 ORDER BY member_id, award_id
)
UNION ALL (
    SELECT 'lot', row_to_json(t)::text FROM ledger.lot AS t WHERE program_id = $1 ORDER BY member_id, asset, lot_no
)
UNION ALL (
    SELECT 'hold', row_to_json(t)::text FROM ledger.hold AS t WHERE program_id = $1 ORDER BY member_id, hold_id
)
UNION ALL (
    SELECT 'usage', row_to_json(t)::text FROM ledger.usage AS t WHERE program_id = $1 ORDER BY member_id, rule, bucket
)
UNION ALL (
    -- what is not folded yet is folded on the way
    SELECT 'account', row_to_json(t)::text FROM (
        SELECT program_id, asset, account, sum(amount) AS amount FROM (
            SELECT program_id, asset, account, amount FROM ledger.account WHERE program_id = $1
            UNION ALL SELECT program_id, asset, account, amount FROM ledger.movement WHERE program_id = $1
        ) AS both_of_them GROUP BY 1, 2, 3 ORDER BY 2, 3
    ) AS t
)
UNION ALL (
    SELECT 'goal_part', row_to_json(t)::text FROM ledger.goal_part AS t WHERE program_id = $1 ORDER BY member_id, rule, period, order_id
)
UNION ALL (
    SELECT 'goal_reached', row_to_json(t)::text FROM ledger.goal_reached AS t WHERE program_id = $1 ORDER BY member_id, rule, period
)
UNION ALL (
    SELECT 'reward', row_to_json(t)::text FROM ledger.reward AS t WHERE program_id = $1 ORDER BY member_id, reward_id
)
UNION ALL (
    SELECT 'reward_stock', row_to_json(t)::text FROM ledger.reward_stock AS t WHERE program_id = $1 ORDER BY reward
)
UNION ALL (
    SELECT 'coupon', row_to_json(t)::text FROM ledger.coupon AS t WHERE program_id = $1 ORDER BY code
)
UNION ALL (
    SELECT 'coupon_pool', row_to_json(t)::text FROM ledger.coupon_pool AS t WHERE program_id = $1 ORDER BY pool
)
UNION ALL (
    SELECT 'coupon_use', row_to_json(t)::text FROM ledger.coupon_use AS t WHERE program_id = $1 ORDER BY code, use_id
)
UNION ALL (
    SELECT 'budget_slot', row_to_json(t)::text FROM ledger.budget_slot AS t WHERE program_id = $1 ORDER BY budget, bucket, slot
)
UNION ALL (
    SELECT 'person', row_to_json(t)::text FROM ledger.person AS t WHERE program_id = $1 ORDER BY member_id
)
UNION ALL (
    SELECT 'occasion_sweep', row_to_json(t)::text FROM ledger.occasion_sweep AS t WHERE program_id = $1
)
UNION ALL (
    SELECT 'adjustment', row_to_json(t)::text FROM ledger.adjustment AS t WHERE program_id = $1 ORDER BY adjustment_id
)
UNION ALL (
    SELECT 'guest_address', row_to_json(t)::text FROM ledger.guest_address AS t WHERE program_id = $1 ORDER BY address
)
UNION ALL (
    SELECT 'guest_order', row_to_json(t)::text FROM ledger.guest_order AS t WHERE program_id = $1 ORDER BY order_id
)
UNION ALL (
    SELECT 'gift', row_to_json(t)::text FROM ledger.gift AS t WHERE program_id = $1 ORDER BY member_id, transfer_id
)
UNION ALL (
    SELECT 'partner_credit', row_to_json(t)::text FROM ledger.partner_credit AS t WHERE program_id = $1 ORDER BY partner, transaction_id
)
UNION ALL (
    SELECT 'partner_reversal', row_to_json(t)::text FROM ledger.partner_reversal AS t WHERE program_id = $1 ORDER BY partner, transaction_id, reversed_in_all
)
UNION ALL (
    SELECT 'imported_row', row_to_json(t)::text FROM ledger.imported_row AS t WHERE program_id = $1 ORDER BY member_id, row_id
)
UNION ALL (
    SELECT 'imported_usage', row_to_json(t)::text FROM ledger.imported_usage AS t WHERE program_id = $1 ORDER BY member_id, row_id, rule, bucket
)
UNION ALL (
    SELECT 'imported_budget', row_to_json(t)::text FROM ledger.imported_budget AS t WHERE program_id = $1 ORDER BY row_id, budget, bucket
)
UNION ALL (
    SELECT 'erasure', row_to_json(t)::text FROM ledger.erasure AS t WHERE program_id = $1 ORDER BY member_id
)
UNION ALL (
    SELECT 'pool', row_to_json(t)::text FROM ledger.pool AS t WHERE program_id = $1 ORDER BY pool_id
)
UNION ALL (
    SELECT 'pool_member', row_to_json(t)::text FROM ledger.pool_member AS t WHERE program_id = $1 ORDER BY member_id, pool_id
)
UNION ALL (
    SELECT 'pool_lot', row_to_json(t)::text FROM ledger.pool_lot AS t WHERE program_id = $1 ORDER BY member_id, asset, lot_no
)
UNION ALL (
    SELECT 'merge', row_to_json(t)::text FROM ledger.merge AS t WHERE program_id = $1 ORDER BY member_id
)

-- name: no_time_limit
-- A whole program takes longer than a request may.
SET LOCAL statement_timeout = 0

-- name: book_columns
-- The columns of every table, to see whether two installations are of one version.
SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) AS columns
FROM information_schema.columns WHERE table_schema = 'ledger' AND table_name = ANY ($1::text[])
GROUP BY table_name

-- name: book_here
-- The tables in which there is anything of a program.
SELECT 'program' AS part WHERE EXISTS (SELECT FROM ledger.program WHERE program_id = $1)
UNION ALL SELECT 'member' WHERE EXISTS (SELECT FROM ledger.member WHERE program_id = $1)
UNION ALL SELECT 'balance' WHERE EXISTS (SELECT FROM ledger.balance WHERE program_id = $1)
UNION ALL SELECT 'transfer' WHERE EXISTS (SELECT FROM ledger.transfer WHERE program_id = $1)
UNION ALL SELECT 'purchase' WHERE EXISTS (SELECT FROM ledger.purchase WHERE program_id = $1)
UNION ALL SELECT 'award' WHERE EXISTS (SELECT FROM ledger.award WHERE program_id = $1)
UNION ALL SELECT 'lot' WHERE EXISTS (SELECT FROM ledger.lot WHERE program_id = $1)
UNION ALL SELECT 'hold' WHERE EXISTS (SELECT FROM ledger.hold WHERE program_id = $1)
UNION ALL SELECT 'usage' WHERE EXISTS (SELECT FROM ledger.usage WHERE program_id = $1)
UNION ALL SELECT 'account' WHERE EXISTS (SELECT FROM ledger.account WHERE program_id = $1)
UNION ALL SELECT 'goal_part' WHERE EXISTS (SELECT FROM ledger.goal_part WHERE program_id = $1)
UNION ALL SELECT 'goal_reached' WHERE EXISTS (SELECT FROM ledger.goal_reached WHERE program_id = $1)
UNION ALL SELECT 'reward' WHERE EXISTS (SELECT FROM ledger.reward WHERE program_id = $1)
UNION ALL SELECT 'reward_stock' WHERE EXISTS (SELECT FROM ledger.reward_stock WHERE program_id = $1)
UNION ALL SELECT 'coupon' WHERE EXISTS (SELECT FROM ledger.coupon WHERE program_id = $1)
UNION ALL SELECT 'coupon_pool' WHERE EXISTS (SELECT FROM ledger.coupon_pool WHERE program_id = $1)
UNION ALL SELECT 'coupon_use' WHERE EXISTS (SELECT FROM ledger.coupon_use WHERE program_id = $1)
UNION ALL SELECT 'budget_slot' WHERE EXISTS (SELECT FROM ledger.budget_slot WHERE program_id = $1)
UNION ALL SELECT 'person' WHERE EXISTS (SELECT FROM ledger.person WHERE program_id = $1)
UNION ALL SELECT 'occasion_sweep' WHERE EXISTS (SELECT FROM ledger.occasion_sweep WHERE program_id = $1)
UNION ALL SELECT 'adjustment' WHERE EXISTS (SELECT FROM ledger.adjustment WHERE program_id = $1)
UNION ALL SELECT 'guest_address' WHERE EXISTS (SELECT FROM ledger.guest_address WHERE program_id = $1)
UNION ALL SELECT 'guest_order' WHERE EXISTS (SELECT FROM ledger.guest_order WHERE program_id = $1)
UNION ALL SELECT 'gift' WHERE EXISTS (SELECT FROM ledger.gift WHERE program_id = $1)
UNION ALL SELECT 'partner_credit' WHERE EXISTS (SELECT FROM ledger.partner_credit WHERE program_id = $1)
UNION ALL SELECT 'partner_reversal' WHERE EXISTS (SELECT FROM ledger.partner_reversal WHERE program_id = $1)
UNION ALL SELECT 'imported_row' WHERE EXISTS (SELECT FROM ledger.imported_row WHERE program_id = $1)
UNION ALL SELECT 'imported_usage' WHERE EXISTS (SELECT FROM ledger.imported_usage WHERE program_id = $1)
UNION ALL SELECT 'imported_budget' WHERE EXISTS (SELECT FROM ledger.imported_budget WHERE program_id = $1)
UNION ALL SELECT 'erasure' WHERE EXISTS (SELECT FROM ledger.erasure WHERE program_id = $1)
UNION ALL SELECT 'pool' WHERE EXISTS (SELECT FROM ledger.pool WHERE program_id = $1)
UNION ALL SELECT 'pool_member' WHERE EXISTS (SELECT FROM ledger.pool_member WHERE program_id = $1)
UNION ALL SELECT 'pool_lot' WHERE EXISTS (SELECT FROM ledger.pool_lot WHERE program_id = $1)
UNION ALL SELECT 'merge' WHERE EXISTS (SELECT FROM ledger.merge WHERE program_id = $1)
UNION ALL SELECT 'movement' WHERE EXISTS (SELECT FROM ledger.movement WHERE program_id = $1)

-- name: book_lock
SELECT pg_advisory_xact_lock(hashtextextended($1, 0))

-- name: book_known
SELECT true FROM ledger.book_brought WHERE program_id = $1 AND digest = $2

-- name: book_keep
INSERT INTO ledger.book_brought (program_id, digest, row_count, brought_at) VALUES ($1, $2, $3, $4)

-- name: book_into_program
INSERT INTO ledger.program SELECT * FROM json_populate_recordset(NULL::ledger.program, $1::json)

-- name: book_into_member
INSERT INTO ledger.member SELECT * FROM json_populate_recordset(NULL::ledger.member, $1::json)

-- name: book_into_balance
INSERT INTO ledger.balance SELECT * FROM json_populate_recordset(NULL::ledger.balance, $1::json)

-- name: book_into_transfer
INSERT INTO ledger.transfer SELECT * FROM json_populate_recordset(NULL::ledger.transfer, $1::json)

-- name: book_into_purchase
INSERT INTO ledger.purchase SELECT * FROM json_populate_recordset(NULL::ledger.purchase, $1::json)

-- name: book_into_award
INSERT INTO ledger.award SELECT * FROM json_populate_recordset(NULL::ledger.award, $1::json)

-- name: book_into_lot
INSERT INTO ledger.lot SELECT * FROM json_populate_recordset(NULL::ledger.lot, $1::json)

-- name: book_into_hold
INSERT INTO ledger.hold SELECT * FROM json_populate_recordset(NULL::ledger.hold, $1::json)

-- name: book_into_usage
INSERT INTO ledger.usage SELECT * FROM json_populate_recordset(NULL::ledger.usage, $1::json)

-- name: book_into_account
INSERT INTO ledger.account SELECT * FROM json_populate_recordset(NULL::ledger.account, $1::json)

-- name: book_into_goal_part
INSERT INTO ledger.goal_part SELECT * FROM json_populate_recordset(NULL::ledger.goal_part, $1::json)

-- name: book_into_goal_reached
INSERT INTO ledger.goal_reached SELECT * FROM json_populate_recordset(NULL::ledger.goal_reached, $1::json)

-- name: book_into_reward
INSERT INTO ledger.reward SELECT * FROM json_populate_recordset(NULL::ledger.reward, $1::json)

-- name: book_into_reward_stock
INSERT INTO ledger.reward_stock SELECT * FROM json_populate_recordset(NULL::ledger.reward_stock, $1::json)

-- name: book_into_coupon
INSERT INTO ledger.coupon SELECT * FROM json_populate_recordset(NULL::ledger.coupon, $1::json)

-- name: book_into_coupon_pool
INSERT INTO ledger.coupon_pool SELECT * FROM json_populate_recordset(NULL::ledger.coupon_pool, $1::json)

-- name: book_into_coupon_use
INSERT INTO ledger.coupon_use SELECT * FROM json_populate_recordset(NULL::ledger.coupon_use, $1::json)

-- name: book_into_budget_slot
INSERT INTO ledger.budget_slot SELECT * FROM json_populate_recordset(NULL::ledger.budget_slot, $1::json)

-- name: book_into_person
INSERT INTO ledger.person SELECT * FROM json_populate_recordset(NULL::ledger.person, $1::json)

-- name: book_into_occasion_sweep
INSERT INTO ledger.occasion_sweep SELECT * FROM json_populate_recordset(NULL::ledger.occasion_sweep, $1::json)

-- name: book_into_adjustment
INSERT INTO ledger.adjustment SELECT * FROM json_populate_recordset(NULL::ledger.adjustment, $1::json)

-- name: book_into_guest_address
INSERT INTO ledger.guest_address SELECT * FROM json_populate_recordset(NULL::ledger.guest_address, $1::json)

-- name: book_into_guest_order
INSERT INTO ledger.guest_order SELECT * FROM json_populate_recordset(NULL::ledger.guest_order, $1::json)

-- name: book_into_gift
INSERT INTO ledger.gift SELECT * FROM json_populate_recordset(NULL::ledger.gift, $1::json)

-- name: book_into_partner_credit
INSERT INTO ledger.partner_credit SELECT * FROM json_populate_recordset(NULL::ledger.partner_credit, $1::json)

-- name: book_into_partner_reversal
INSERT INTO ledger.partner_reversal SELECT * FROM json_populate_recordset(NULL::ledger.partner_reversal, $1::json)

-- name: book_into_imported_row
INSERT INTO ledger.imported_row SELECT * FROM json_populate_recordset(NULL::ledger.imported_row, $1::json)

-- name: book_into_imported_usage
INSERT INTO ledger.imported_usage SELECT * FROM json_populate_recordset(NULL::ledger.imported_usage, $1::json)

-- name: book_into_imported_budget
INSERT INTO ledger.imported_budget SELECT * FROM json_populate_recordset(NULL::ledger.imported_budget, $1::json)

-- name: book_into_erasure
INSERT INTO ledger.erasure SELECT * FROM json_populate_recordset(NULL::ledger.erasure, $1::json)

-- name: book_into_pool
INSERT INTO ledger.pool SELECT * FROM json_populate_recordset(NULL::ledger.pool, $1::json)

-- name: book_into_pool_member
INSERT INTO ledger.pool_member SELECT * FROM json_populate_recordset(NULL::ledger.pool_member, $1::json)

-- name: book_into_pool_lot
INSERT INTO ledger.pool_lot SELECT * FROM json_populate_recordset(NULL::ledger.pool_lot, $1::json)

-- name: book_into_merge
INSERT INTO ledger.merge SELECT * FROM json_populate_recordset(NULL::ledger.merge, $1::json)
