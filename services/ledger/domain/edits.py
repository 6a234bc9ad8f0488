"""What an edit of a paid order makes of it: the shop states it once more, with other lines or another discount.

Example: an order of 50.00 earned 50 points, 10 of them were taken back by a refund of 10.00. The shop adds a line of
20.00: the award is 70 now, and with the refund the order holds 60.

What a newcomer would get wrong: the statements come in any order. First and newest are those by the time of the event;
the newest says what the order is, the first under which version of the program, and in which month its caps count.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from services.ledger.domain.allowances import usages_of
from services.ledger.domain.awards import explanation, frozen_of
from services.ledger.domain.book import Book
from services.ledger.domain.conditions import Facts
from services.ledger.domain.counted import COUNTED
from services.ledger.domain.earned import Earned, Frozen
from services.ledger.domain.earning import earn
from services.ledger.domain.imported import IMPORT
from services.ledger.domain.keeping import kept_of
from services.ledger.domain.orders import (
    PAID,
    award_target,
    awards_of_order,
    facts_of,
    grant_order,
    of_asset,
    target_of,
    waiting_anew,
    with_person,
    without_contact,
)
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.reasking import Reasked
from services.ledger.domain.records import Award, MemberKey, Purchase
from services.ledger.domain.refunds import BORNE, borne_of, hold_target
from services.ledger.domain.returns import return_spent
from shared.events import Event, OrderPaid
from shared.orders import Order, order_of
from shared.rows import replace


def edit_order(event: Event[OrderPaid], book: Book, key: MemberKey, before: Purchase) -> None:
    """The shop edited a paid order: it moves to the target of its new lines, under the version of the first."""
    purchase = with_statement(event, book, before)
    assert purchase.paid is not None and purchase.paid_at is not None  # noqa: PT018 - both or neither
    program = book.versions_of(key[0]).numbered(purchase.program_version or 1).rules
    order = order_of(purchase.paid, program.currency, purchase.removed_lines)
    book.put_purchase(purchase)
    return_spent(book, key, purchase.order_id, cause=event.id, at=event.time)
    awards = awards_of_order(book, key, purchase.order_id)
    if any(award.kind == IMPORT for award in awards):
        _follow_statement(event, book, program, purchase, order, awards)
        return
    if purchase.program_version != before.program_version:
        _decide_anew(event, book, key, purchase, order, awards)
        return
    left = kept_of(purchase, order)
    for award in awards:
        facts = facts_of(program, purchase, order, award.breakdown)
        earned, frozen, breakdown = _earned_again(book, key, purchase, program, facts, award)
        target = target_of(program, facts, frozen, earned.points, earned.asset, left)
        edited = _edited(book, award, program, purchase, earned, breakdown)
        hold_target(book, edited, program, target, cause=event.id, at=event.time)


def _follow_statement(
    event: Event[OrderPaid],
    book: Book,
    program: LedgerProgram,
    purchase: Purchase,
    order: Order,
    awards: list[Award],
) -> None:
    """An order of another system is stated here, too: it holds its share of what the statement leaves."""
    left = kept_of(purchase, order)
    for award in awards:
        target = award_target(program, purchase, order, award, left)
        hold_target(book, award, program, target, cause=event.id, at=event.time)


def _earned_again(
    book: Book, key: MemberKey, purchase: Purchase, program: LedgerProgram, facts: Facts, award: Award
) -> tuple[Earned, Frozen, dict[str, Any]]:
    """What an edited order earns of one asset: what is frozen of it, and its explanation.

    Where it has left a version whose caps counted it, it remembers so, also under one that has none.
    """
    frozen = frozen_of(award.breakdown)
    version = purchase.program_version or 1
    is_at_home = award.program_version == version and COUNTED not in award.breakdown
    if is_at_home and not program.capped.get(PAID) and award.asset not in program.bounded:
        earned = of_asset(earn(program, facts, frozen), award.asset)
        return earned, frozen, explanation(facts, earned, frozen)
    asked_at = replace(facts, at=award.asked_at.astimezone(program.zone))
    caps = Reasked(book, key, program, version, asked_at, award)
    earned = of_asset(earn(program, facts, frozen, caps=caps), award.asset)
    caps.count(earned)
    frozen = replace(frozen, room=caps.rooms(earned))
    return earned, frozen, explanation(facts, earned, frozen, caps.cuts) | caps.stored(earned)


def _decide_anew(
    event: Event[OrderPaid], book: Book, key: MemberKey, purchase: Purchase, order: Order, awards: list[Award]
) -> None:
    """The first statement came last: the order moves to what its own version gives, also where that is another asset.

    What the caps left for a rule stays so; what only this version's rules ask is asked and counted now.
    """
    assert purchase.paid_at is not None, "it was stated"
    program = book.versions_of(key[0]).numbered(purchase.program_version or 1).rules
    left, known = kept_of(purchase, order), {award.asset: award for award in awards}
    person: Mapping[str, Any] = awards[0].breakdown if awards else {}
    facts = with_person(facts_of(program, purchase, order, person), program, book, key, purchase.paid_at)
    for asset in dict.fromkeys([*known, *(rule.asset for rule in program.rules_for(PAID))]):
        award = known.get(asset)
        if award is not None:
            earned, frozen, breakdown = _earned_again(book, key, purchase, program, facts, award)
            target = target_of(program, facts, frozen, earned.points, asset, left)
            edited = _edited(book, award, program, purchase, earned, breakdown)
            hold_target(book, edited, program, target, cause=event.id, at=event.time)
            continue
        usages = usages_of(book, key, program, facts)
        frozen = Frozen(Fraction(person.get("earn_times", "1")))
        earned = of_asset(earn(program, facts, frozen, caps=usages), asset)
        rooms = usages.room_left(program.capped.get(PAID, ()), earned)
        usages.count(earned)
        frozen = replace(frozen, room=rooms)
        target = target_of(program, facts, frozen, earned.points, asset, left)
        breakdown = explanation(facts, earned, frozen, usages.cuts)
        grant_order(
            book, key, program, purchase, facts, earned, breakdown, target, cause=event.id, at=event.time
        )


def _edited(
    book: Book,
    award: Award,
    program: LedgerProgram,
    purchase: Purchase,
    earned: Earned,
    breakdown: dict[str, Any],
) -> Award:
    """The award as the edit makes it, still holding what it held."""
    if award.asked_at != award.happened_at:
        breakdown = breakdown | {"asked_at": award.asked_at.isoformat()}
    if borne_of(award):
        breakdown = breakdown | {BORNE: borne_of(award)}
    edited = replace(
        award,
        points=earned.points,
        reversed=earned.points - award.held_points,
        breakdown=breakdown,
        program_version=purchase.program_version or 1,
    )
    return waiting_anew(book, edited, program, purchase)


def with_statement(event: Event[OrderPaid], book: Book, before: Purchase) -> Purchase:
    """The purchase with one more statement of the shop about it."""
    assert before.paid is not None and before.paid_at is not None and before.stated_at is not None  # noqa: PT018
    is_newest = event.time >= before.stated_at
    said = without_contact(event.data)
    older, newest = (before.paid, said) if is_newest else (said, before.paid)
    first_at = min(before.paid_at, event.time)
    version = book.versions_of(event.program_id).at(first_at)
    gone = _lines(older, version.rules) - _lines(newest, version.rules)
    return replace(
        before,
        paid=newest,
        paid_at=first_at,
        stated_at=max(before.stated_at, event.time),
        program_version=version.number,
        removed_lines=tuple(sorted({*before.removed_lines, *gone})),
    )


def _lines(paid: OrderPaid, program: LedgerProgram) -> set[str]:
    return {line.id for line in order_of(paid, program.currency).lines}
