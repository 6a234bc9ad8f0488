"""The rules of loyalty as pure functions on a book in memory: no I/O, no clock, no randomness.

| module | its subject |
|---|---|
| `book` | the rows of a batch, and `post`, the only way a point moves |
| `lots` | which points are spent first, and when they expire |
| `rules` | one earning rule, as a value |
| `prepared` | what of the rules can be told before an event comes |
| `program` | the merchant's program, as values |
| `conditions` | when a rule holds, and why it does not |
| `when` | what a `when` expression may look at |
| `persons` | what is known of a person: birthday, time zone, segments |
| `occasions` | what the calendar earns |
| `guests` | orders without a customer: kept, and credited later |
| `earning` | what the rules make of an order or another event |
| `earned` | the shapes of that: points by rule and by line, what is frozen |
| `caps` | how often and how much a rule may give |
| `awards` | what an event earned: written, waiting, activated |
| `refunds` | what an order still holds after refunds |
| `holds` | points set aside for a checkout |
| `catalogue` | what can be had for points, and why somebody cannot have it |
| `obtaining` | how a member gets a reward: bought, given, promised |
| `issuing` | how it comes into being: paid, with its code, told |
| `rewards` | what becomes of it: used, voided, expired, come back |
| `coupons` | codes, who may use them, and the last use |
| `using` | codes at checkouts and in orders |
| `issued` | the rows of rewards and coupons |
| `settling` | what falls due by itself, in its order |
"""
