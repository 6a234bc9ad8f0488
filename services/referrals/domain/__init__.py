"""The rules of referrals as pure functions on a book in memory: no I/O, no clock, no randomness.

| module | its subject |
|---|---|
| `hashes` | codes and keyed hashes of what is compared between people |
| `program` | the merchant's offer, as values |
| `model` | members, touches, papers of orders, referrals |
| `book` | the rows of a batch |
| `purchases` | what the papers of an order come to |
| `attribution` | which touch counts, and what speaks against the others |
| `judging` | where a referral stands by all that is known |
| `referring` | what changed, and what is announced about it |
| `intake` | what an event tells, written down |
| `forgetting` | what remains of an erased member |
"""
