"""The rules of loyalty as pure functions on a book in memory: no I/O, no clock, no randomness.

**The book**

| module | its subject |
|---|---|
| `book` | the rows of a batch, and `post`, the only way a point moves |
| `records` | the rows: members, what they have, what became of their orders and awards |
| `lots` | which points are spent first, and where they go back to |
| `needs` | what a batch touches, so that all of it comes in a few queries |
| `coming` | of one member only what is due |
| `agenda` | what of a member falls due, soonest first |
| `settling` | what falls due by itself, in its order |

**The program**

| module | its subject |
|---|---|
| `program` | the merchant's program, as values |
| `rules` | one earning rule, as a value |
| `conditions` | when a rule holds, and why it does not |
| `when` | what a `when` expression may look at |
| `prepared` | what of the rules can be told before an event comes |

**Earning**

| module | its subject |
|---|---|
| `orders` | what an order earns, and holds after refunds |
| `edits` | a paid order is stated once more |
| `deeds` | what other events earn: sign-up, share, review, activity |
| `occasions` | what the calendar earns |
| `guests` | orders without a customer: kept, credited later |
| `guest_needs` | what a batch needs of guests |
| `persons` | what is known of a person: birthday, time zone, segments |
| `earning` | what the rules make of an event |
| `earned` | the shapes of that: points by rule and by line |
| `awards` | what an event earned: written, waiting, activated |
| `contributions` | what each rule gave of an award |
| `goals` | threshold credit: what a goal is, when it is reached |
| `goal_awards` | threshold credit, written into the book |
| `donations` | what a rule gives to a charity |

**Caps and budgets**

| module | its subject |
|---|---|
| `caps` | how often and how much a rule may give a member |
| `budgets` | what it may give all members together |
| `leasing` | how much of which budgets a batch takes along |
| `allowances` | what all of them together leave |
| `reasking` | the same for an edit |
| `counted` | what they have counted of an award |

**Refunds**

| module | its subject |
|---|---|
| `keeping` | what the customer keeps of a purchase |
| `refunds` | an award moves to its target |
| `returns` | spent points come back |
| `returned_shares` | what each rule has left of an order |

**Spending**

| module | its subject |
|---|---|
| `spending` | what members can pay with: the program's `spend` |
| `checkout` | a cart asks, holds and captures |
| `quotes` | what a cart could pay with points |
| `holds` | points set aside; captured or released |
| `catalogue` | what can be had for points, and why not |
| `obtaining` | how a member gets a reward: bought, given, promised |
| `issuing` | how it comes into being: paid, with its code, told |
| `rewards` | what becomes of it: used, voided, expired, come back |
| `issued` | the rows of rewards and coupons |
| `coupons` | codes, who may use them, how often |
| `using` | codes at checkouts and in orders |

**Expiry**

| module | its subject |
|---|---|
| `expiry` | when points expire |
| `expiring` | members are told in time |
| `activity` | what keeps the points of a member alive |
| `switching` | a new policy moves existing expiries later only |
| `switching_ahead` | what that would do, before it is applied |

**Between members**

| module | its subject |
|---|---|
| `gifts` | a gift from member to member |
| `gift_terms` | who may give how many |
| `transit` | the two transfers and lots of a gift |
| `pools` | households that share what they earn |
| `pool_terms` | how a household may share |
| `joining` | who is in a pool |
| `pooling` | buying with the help of the pool |
| `lending` | points that members of a pool have of each other |
| `households` | the rows of households |
| `merging` | two members who are one person |
| `aliases` | whose an event is after a merge |
| `joined_goals` | the goals of two who are one |

**By hand, by partners, from elsewhere**

| module | its subject |
|---|---|
| `adjusting` | a person gives or takes, with a reason |
| `agreements` | agreements with partners |
| `partners` | what partners credit and take back |
| `importing` | what a member had in another system |
| `imported` | an order of another system |
| `imported_members`, `imported_rewards`, `imported_codes` | what belongs to a member, and codes of nobody |
| `imported_usage`, `imported_budgets`, `imported_pools` | what caps and budgets had counted, and households |
| `exporting`, `exporting_program` | the same rows, going out |
| `erasure` | a member is forgotten, the books stay balanced |

**Looking ahead and back**

| module | its subject |
|---|---|
| `previews` | what a cart would earn |
| `trials` | what a change of the program would do |
| `trial_start`, `replaying` | where such a trial begins, and how it plays orders |
| `left_out` | what it does not reckon, in words |
| `told_changes` | a change of the program in sentences |
| `reports` | what a merchant's reports mean |
"""
