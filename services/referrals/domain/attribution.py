"""Which touch counts, and what speaks against the others.

What a newcomer would get wrong: a touch that is blocked does not count at all. The first of those that nothing speaks
against wins, so nobody can spoil a friend's referral by sending their own code first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.referrals.domain.book import Book
from services.referrals.domain.model import Member, MemberKey, Reason, Referral, State, Touch, Via
from services.referrals.domain.purchases import Purchase
from shared.calendar import due_in_days

AFTER_APPROVAL = frozenset({Reason.ORDERED_BEFORE, Reason.ACCOUNT_TOO_OLD, Reason.CODE_UNKNOWN})
"""What may speak against a referral even after it was approved: papers of orders that came in late, or that whoever had
the code is gone from the books (which `verify` would find)."""
MAY_BE_SETTLED_LATER = frozenset({Reason.CODE_UNKNOWN, Reason.CODE_TOO_YOUNG})


@dataclass(frozen=True, slots=True)
class Weighed:
    """A touch with what speaks against it by itself, and the referral that was made of it, if any."""

    touch: Touch
    reasons: tuple[Reason, ...]
    referral: Referral | None


def weigh(book: Book, key: MemberKey, purchases: Sequence[Purchase]) -> list[Weighed]:
    """All touches of a friend, first touch first, each weighed by itself."""
    held = {referral.touch_id: referral for referral in book.referrals.of(key).values()}
    touches = sorted(book.touches.of(key).values(), key=lambda touch: touch.rank)
    weighed = []
    for touch in touches:
        referral = held.get(touch.touch_id)
        reasons = _against(book, touch, purchases, referral)
        if referral is not None and referral.state is State.APPROVED:
            reasons = tuple(reason for reason in reasons if reason in AFTER_APPROVAL)
        weighed.append(Weighed(touch, reasons, referral))
    return weighed


def winner(weighed: Sequence[Weighed]) -> Weighed | None:
    """The touch that counts: the one already fixed by a qualifying order, else the first that nothing blocks."""
    free = [each for each in weighed if not each.reasons]
    fixed = (each for each in free if each.referral is not None and each.referral.is_fixed)
    return next(fixed, None) or next(iter(free), None)


def settled(each: Weighed, won: Weighed | None, state: State | None) -> Touch:
    """The touch with what became of it, the winner's referral being in `state`."""
    reasons = each.reasons
    if not reasons and won is not None and won is not each:
        taken = state in (State.PENDING, State.APPROVED)
        reasons = (Reason.ALREADY_REFERRED if taken else Reason.NOT_FIRST_TOUCH,)
    waits = bool(MAY_BE_SETTLED_LATER.intersection(reasons))
    undecided = each is won and state is not State.APPROVED
    after = replace(each.touch, reasons=reasons, open=waits or undecided)
    return each.touch if after == each.touch else after


def _against(
    book: Book, touch: Touch, purchases: Sequence[Purchase], referral: Referral | None
) -> tuple[Reason, ...]:
    """Everything that speaks against a touch, whatever the other touches are."""
    rules = book.rules_at(touch.program_id, touch.at)
    if rules.offer is None:
        return (Reason.NOT_OFFERED,)
    advocate = book.owner(touch)
    if advocate is None:
        return (Reason.CODE_UNREADABLE if touch.code is None else Reason.CODE_UNKNOWN,)
    friend = book.member((touch.program_id, touch.member_id))
    found = []
    if advocate.first_seen_at >= due_in_days(rules.offer.window_days, touch.at, rules.zone):
        found.append(Reason.CODE_TOO_YOUNG)
    if advocate.erased_at is not None and referral is None:
        found.append(Reason.ADVOCATE_ERASED)
    found += _is_self(book, friend, advocate)
    if purchases:
        first = purchases[0]
        if _came_before(first, touch):
            found.append(Reason.ORDERED_BEFORE)
        if friend.signed_up_at is not None and first.paid_at >= due_in_days(
            rules.offer.window_days, friend.signed_up_at, rules.zone
        ):
            found.append(Reason.ACCOUNT_TOO_OLD)
    return tuple(found)


def _is_self(book: Book, friend: Member, advocate: Member) -> list[Reason]:
    if friend.member_id == advocate.member_id:
        return [Reason.SAME_MEMBER]
    same = book.emails(friend.key) & book.emails(advocate.key)
    return [Reason.SAME_EMAIL] if same else []


def _came_before(purchase: Purchase, touch: Touch) -> bool:
    """Whether an order was paid before a touch. At one instant a sign-up is before any order."""
    if touch.via is Via.SIGN_UP:
        return purchase.paid_at < touch.at
    return purchase.order_id != touch.order_id and purchase.paid_at <= touch.at
