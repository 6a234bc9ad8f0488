"""The ledger: points and every other asset of the members, from earning to expiry.

Owns the book: transfers, lots, balances, holds, and what each order or event earned, with the reason; and the rewards
and coupons of the members. Of a person it keeps birth month and day, time zone and segments, of
guests keyed hashes of e-mail addresses.
Listens to orders, sign-ups, updates, shares, reviews and activities of the shop; to levels (which multiply what an
order earns, and whose entry rewards it pays), segments, and referrals (whose rewards it pays).
Announces points pending, earned, held, released, spent, restored, donated, transferred, reversed and expired; rewards
issued, used, voided and expired; members who were merged, and who joined or left a household.
"""
