"""Referrals: who brought whom, and what both get for it.

Owns: each member's code and link, the touches (a sign-up or an order that named a code), the referrals that came of
them with every decision and its reasons, clicks on links, and keyed hashes of e-mail addresses. No contact data.

Listens to: customer signed up, updated, deleted; order paid, fulfilled, refunded, cancelled; members merged.
Announces: referral started, qualified, approved, voided. Each as two events, one about the friend and one about the
advocate, with what that side gets (at approval) or gives back (where an approval turns out wrong). Nothing here pays:
the ledger grants the points that `rewards` names.

What a newcomer would get wrong: **a referral is a function of the friend's papers, not of the order in which they
came in.** Touches and orders are kept as they were told; after each of them the friend's referral is judged anew from
all of them, and what differs from the last judgement is announced. So a refund before its order, an order before its
sign-up and a friend before the advocate all end alike.

How it decides, where the rules leave room:

* **Codes.** A member's code is ten of Crockford's letters of a keyed hash of program and member id: nobody can guess
  it (50 bits) without the key, and it exists before the member was ever seen. It is kept at first sight (an event
  about the member, or somebody asking for their code) and never changes afterwards; where two members' codes
  collide, the later one gets the next hash.
* **A code that nobody has yet** leaves the touch open. It counts as soon as its member is seen, if that is within the
  attribution window of the touch. A code of an erased member is blocked; what such a code had started goes on, and the
  friend gets their part.
* **Attribution** is by the first touch that nothing blocks. A better (earlier) touch that arrives late replaces it as
  long as the referral is only started.
* **Which version of the program**: what was offered (rewards, conditions) is that of the touch, as it was promised
  then; how long it waits is that of the order, as the points of the order wait.
* **The first order** decides: where the program asks for `first_order` and the first order is too small, the referral
  is voided. Where it does not, the first order that qualifies decides. A later order never revives a voided referral.
* **An order of nothing** (all gift cards, or wholly discounted) never qualifies, whatever the minimum; neither does one
  in another currency than the minimum's, or than the program's where there is no minimum.
* **An account is too old** if the first order is paid on or after the midnight that follows the attribution window
  counted from the sign-up; also where the code came with the sign-up.
* **Late papers.** What happened before the approval counts against it even if it comes in after it: the referral is
  voided and both sides are told what to give back. What happened later never does. E-mail addresses that are learnt
  after the approval change nothing.
* **Merged members**: codes, touches and papers of both are the survivor's, and all of it is judged anew. So a person is
  brought once, and never by themselves; what was approved before the ids were known to be one stays, as with addresses
  that are learnt late, unless an earlier order or another referral of the same person speaks against it.
* **Erasure** of a friend voids what is not approved yet; what is approved stays counted, without a name on it.
"""
