"""Awards: what an event earned, written into the book, waiting, and activated.

Example: an order of 133 points, pending 14 days after fulfilment. At payment 133 go to pending and wait; the first
fulfilment on 3 May sets the due moment to the midnight after 17 May; then they become available and their lot's
expiry clock starts. Without any fulfilment within 90 days the wait is cancelled and the points go back.

What a newcomer would get wrong: the program version, the wait and the frozen facts are stored with the award. A later
change of the program changes no award that was made before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from services.ledger.domain.activity import was_active
from services.ledger.domain.book import Book
from services.ledger.domain.caps import Cut
from services.ledger.domain.conditions import Facts
from services.ledger.domain.donations import donate, is_donation
from services.ledger.domain.earned import ONCE, Earned, Frozen
from services.ledger.domain.lots import open_lot
from services.ledger.domain.persons import kept_with_award
from services.ledger.domain.program import LedgerProgram, Wait
from services.ledger.domain.records import (
    AVAILABLE,
    CANCELLED,
    ISSUED,
    PENDING,
    REVERSED,
    WAITING,
    Award,
    MemberKey,
)
from services.ledger.domain.switching import expiry_when_opened
from shared.calendar import due_in_days
from shared.events import PointsEarned, PointsPending, PointsReversed, RulePoints
from shared.rows import Row, replace

AWARD = "award"
"""The kind of what an earning rule gave; other kinds (`referral`, `entry_reward`, ...) do not count for levels."""


class Origin(Row, frozen=True, gc=False):
    """What an award is made of besides its points: which event caused it, when, under which version."""

    award_id: str
    cause: str
    at: datetime
    program_version: int
    kind: str = AWARD
    order_id: str | None = None


def state_of(
    wait: Wait, at: datetime, fulfilled_at: datetime | None, program: LedgerProgram
) -> tuple[str, datetime | None]:
    """In which state an award begins, and when that changes by itself.

    `waiting` (for a fulfilment, until the deadline), `pending` (until due) or `available`.
    """
    if wait.is_none:
        return AVAILABLE, None
    if not wait.is_for_fulfilment:
        return PENDING, due_in_days(wait.days, at, program.zone)
    deadline = due_in_days(wait.deadline_days, at, program.zone)
    if fulfilled_at is not None and fulfilled_at < deadline:
        return PENDING, due_in_days(wait.days, max(at, fulfilled_at), program.zone)
    return WAITING, deadline


def state_at(state: tuple[str, datetime | None], at: datetime) -> tuple[str, datetime | None]:
    """The same for an award that is booked later than it began: what would have ended by itself meanwhile has ended."""
    name, due_at = state
    if due_at is None or at < due_at:
        return state
    return (AVAILABLE if name == PENDING else CANCELLED), None


def grant(
    book: Book,
    key: MemberKey,
    program: LedgerProgram,
    origin: Origin,
    earned: Earned,
    *,
    breakdown: Mapping[str, Any],
    state: tuple[str, datetime | None],
    holding: int | None = None,
) -> Award:
    """Write an award and what it puts into the book.

    `holding` is what the order holds already after refunds that overtook it (default: all of the award).
    """
    name, due_at = state
    held = earned.points if holding is None else holding
    program_id, member_id = key
    award = Award(
        program_id,
        member_id,
        origin.award_id,
        earned.asset,
        origin.kind,
        origin.order_id,
        origin.cause,
        origin.at,
        origin.program_version,
        earned.points,
        name,
        breakdown,
        reversed=earned.points - held,
        due_at=due_at,
    )
    book.awards.put(key, award.award_id, award)
    book.schedule(key, due_at)
    if held:
        rules = tuple(
            [
                RulePoints(rule=answer.rule, points=int(answer.points // answer.unit))
                for answer in earned.answers
                if answer.points
            ]
        )
        credit(book, award, program, held, kind=origin.kind, cause=origin.cause, at=origin.at, rules=rules)
        if program.lives_by_activity:
            was_active(book, key, origin.at)
    return award


def credit(
    book: Book,
    award: Award,
    program: LedgerProgram,
    points: int,
    *,
    kind: str,
    cause: str,
    at: datetime,
    from_account: str = ISSUED,
    rules: tuple[RulePoints, ...] = (),
) -> None:
    """Put points of an award where it stands: into pending, or into available with a lot."""
    if is_donation(award.asset):
        donate(book, award, points, kind=kind, from_account=from_account, cause=cause, at=at)
        return
    key = (award.program_id, award.member_id)
    account = AVAILABLE if award.state == AVAILABLE else PENDING
    transfer = book.post(
        key,
        award.asset,
        kind,
        from_account,
        account,
        points,
        cause=cause,
        at=at,
        award_id=award.award_id,
        order_id=award.order_id,
    )
    held = award.held_points if award.order_id else None
    if account == AVAILABLE:
        expires_at = expiry_when_opened(book, key[0], program, award.asset, at)
        lot = open_lot(book, transfer, expires_at)
        expires_at = (
            expires_at if lot is None else lot.expires_at
        )  # opened late, it may have lived on meanwhile
        book.announce(
            transfer, PointsEarned, expires_at=expires_at, kind=award.kind, rules=rules, order_points=held
        )
    else:
        due = award.due_at if award.state == PENDING else None
        book.announce(
            transfer, PointsPending, available_at=due, kind=award.kind, rules=rules, order_points=held
        )


def activate(book: Book, award: Award, program: LedgerProgram) -> None:
    """What is pending becomes available, as a whole, at the moment it was due; the expiry clock starts."""
    assert award.state == PENDING, f"{award.award_id} is {award.state}"
    assert award.due_at is not None, f"{award.award_id} has no due moment"
    book.put_award(replace(award, state=AVAILABLE, due_at=None))
    if not award.held_points:
        return
    key, at = (award.program_id, award.member_id), award.due_at
    transfer = book.post(
        key,
        award.asset,
        "activation",
        PENDING,
        AVAILABLE,
        award.held_points,
        cause=award.cause,
        at=at,
        award_id=award.award_id,
        order_id=award.order_id,
    )
    expires_at = expiry_when_opened(book, key[0], program, award.asset, at)
    lot = open_lot(book, transfer, expires_at)
    expires_at = expires_at if lot is None else lot.expires_at
    was_active(book, key, at)
    held = award.held_points if award.order_id else None
    book.announce(transfer, PointsEarned, kind=award.kind, order_points=held, expires_at=expires_at)


def cancel(book: Book, award: Award) -> None:
    """The deadline passed and nothing was fulfilled: what waited goes back, as a whole."""
    assert award.state == WAITING, f"{award.award_id} is {award.state}"
    assert award.due_at is not None, f"{award.award_id} has no due moment"
    held = award.held_points
    book.put_award(replace(award, state=CANCELLED, due_at=None, reversed=award.points))
    if not held:
        return
    transfer = book.post(
        (award.program_id, award.member_id),
        award.asset,
        "deadline",
        PENDING,
        REVERSED,
        held,
        cause=award.cause,
        at=award.due_at,
        award_id=award.award_id,
        order_id=award.order_id,
    )
    reason = "no fulfilment before the deadline"
    book.announce(
        transfer,
        PointsReversed,
        kind=award.kind,
        order_points=0 if award.order_id else None,
        taken_from_pending=held,
        reason=reason,
    )


def explanation(facts: Facts, earned: Earned, frozen: Frozen, cuts: Sequence[Cut] = ()) -> dict[str, Any]:
    """What is stored with an award: enough to explain it, and to reckon it again for a refund."""
    stored: dict[str, Any] = {
        "rules": [
            [answer.rule, answer.points.numerator, answer.points.denominator * answer.unit]
            for answer in earned.answers
            if answer.why_not is None
        ],
        "lines": list(earned.by_line),
        "bonus": earned.bonus,
    }
    if (
        frozen.earn_times is not ONCE and frozen.earn_times != 1
    ):  # `is` first: to compare fractions takes long
        stored["earn_times"] = str(frozen.earn_times)
    if frozen.room:
        stored["room"] = {rule: str(points) for rule, points in frozen.room.items()}
    if cuts:
        stored |= stored_cuts(cuts, earned.asset)
    if facts.nth_order is not None:
        stored["nth_order"] = facts.nth_order
    if facts.level is not None:
        stored["level"] = facts.level
    if facts.segments or facts.days_as_member is not None or facts.days_from_birthday is not None:
        stored["person"] = kept_with_award(facts)
    return stored


def stored_cuts(cuts: Sequence[Cut], asset: str) -> dict[str, Any]:
    """Which caps cut how much of one asset, as it is stored; empty where none did."""
    found = [
        [cut.rule, cut.by, cut.used, str(cut.wanted), str(cut.room)] for cut in cuts if cut.asset == asset
    ]
    return {"cuts": found} if found else {}


def frozen_of(breakdown: Mapping[str, Any]) -> Frozen:
    """The frozen part of a stored explanation."""
    room = {rule: Fraction(points) for rule, points in breakdown.get("room", {}).items()}
    return Frozen(Fraction(breakdown.get("earn_times", "1")), room)
