"""What a paid order earns, and what it holds after refunds or a cancellation; `edits` has what an edit makes of it.

By target, never by delta: `points to hold = min(award, f(what the customer keeps))`, under the rules stored with the
award; the transfer is the difference to what the order holds now. Hence the result does not depend on the order of
arrival, a full refund ends at exactly 0, and editing a rule later changes no old order.

Worked example, continued from `earning`: the cup comes back (36.92): kept 23.08 of tea, below 60.00, so no bonus:
floor(23.08 x 2) = 46, so 133 - 46 = 87 are taken. Then the tea: 0 kept, 46 taken. In the other order: tea back,
36 kept, 97 taken; then 36. Both end at 0.

What a newcomer would get wrong: a refund that overtakes its order is kept on the purchase's row. When the order comes,
it is awarded less what its refunds already took back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from services.ledger.domain.allowances import usages_of
from services.ledger.domain.awards import AWARD, Origin, explanation, frozen_of, grant, state_at, state_of
from services.ledger.domain.book import Book
from services.ledger.domain.conditions import Facts
from services.ledger.domain.earned import NOT_FROZEN, Earned, Frozen
from services.ledger.domain.earning import earn
from services.ledger.domain.imported import IMPORT, imported_target
from services.ledger.domain.keeping import kept_of
from services.ledger.domain.occasions import note_purchase
from services.ledger.domain.persons import kept_facts, person_facts
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import AVAILABLE, CANCELLED, PENDING, Award, Member, MemberKey, Purchase
from services.ledger.domain.refunds import hold_target
from services.ledger.domain.returns import return_spent
from shared.events import Event, OrderPaid
from shared.orders import Kept, Order, items_after_discounts, order_of
from shared.rows import replace

PAID = "order.paid"
OF_ORDER = (AWARD, IMPORT)
"""The kinds of what an order itself earned, here or in another system."""


def award_id_of(order_id: str, asset: str) -> str:
    """The id of what an order earned in one asset."""
    return f"order:{order_id}:{asset}"


def award_order(event: Event[OrderPaid], book: Book, key: MemberKey) -> None:
    """A paid order earns, unless refunds that overtook it already took everything back."""
    before = book.purchases.get(key, event.data.order_id)
    assert before is None or before.paid is None, "an order that was stated before is edited"
    version = book.versions_of(event.program_id).at(event.time)
    paid = without_contact(event.data)
    purchase = (
        Purchase(*key, paid.order_id, paid, event.time, version.number, event.time)
        if before is None
        else replace(
            before, paid=paid, paid_at=event.time, program_version=version.number, stated_at=event.time
        )
    )
    award_purchase(book, key, purchase, cause=event.id, at=event.time)


def award_purchase(book: Book, key: MemberKey, purchase: Purchase, *, cause: str, at: datetime) -> None:
    """A purchase that is paid earns by the rules of its own time; it is booked at `at`, which may be later.

    What came back of it meanwhile is taken off at once, and a wait that ended meanwhile has ended.
    """
    paid, paid_at, number = purchase.paid, purchase.paid_at, purchase.program_version
    assert paid is not None and paid_at is not None and number is not None  # noqa: PT018 - all or none
    program = book.versions_of(key[0]).numbered(number).rules
    order = order_of(paid, program.currency, purchase.removed_lines)
    nth = book.nth_order(key)
    facts, frozen = facts_when_paid(program, paid, order, paid_at, book.member(key), nth)
    facts = with_person(facts, program, book, key, paid_at)
    book.put_purchase(purchase)
    note_purchase(book, key, paid_at)
    came_back = purchase.refunds or purchase.cancelled_at is not None
    left = kept_of(purchase, order) if came_back else None
    usages = usages_of(book, key, program, facts)
    for earned in earn(program, facts, frozen, caps=usages):
        room = usages.room_left(program.capped.get(PAID, ()), earned)
        usages.count(earned)
        allowed = replace(frozen, room=room) if room else frozen
        holding = target_of(program, facts, allowed, earned.points, earned.asset, left)
        breakdown = explanation(facts, earned, allowed, usages.cuts)
        if at is not paid_at:
            breakdown["asked_at"] = paid_at.isoformat()
        grant_order(book, key, program, purchase, facts, earned, breakdown, holding, cause=cause, at=at)


def grant_order(
    book: Book,
    key: MemberKey,
    program: LedgerProgram,
    purchase: Purchase,
    facts: Facts,
    earned: Earned,
    breakdown: dict[str, Any],
    holding: int,
    *,
    cause: str,
    at: datetime,
) -> None:
    """Write what an order earned of one asset, booked at `at`, and what it holds of that already."""
    award_id = award_id_of(purchase.order_id, earned.asset)
    version = purchase.program_version or 1
    # `facts.at` is the time of payment in the program's zone already, in which days are counted.
    state = state_of(program.wait_for(PAID, earned.asset), facts.at, purchase.fulfilled_at, program)
    if at is not purchase.paid_at:
        state = state_at(state, at)
    grant(
        book,
        key,
        program,
        Origin(award_id, cause, at, version, AWARD, purchase.order_id),
        earned,
        breakdown=breakdown,
        state=state,
        holding=holding if state[0] != CANCELLED else 0,
    )


def without_contact(paid: OrderPaid) -> OrderPaid:
    """The order as it may be kept here: without an e-mail address and what referrals compare."""
    if paid.email is None and paid.signals is None:
        return paid
    return replace(paid, email=None, signals=None)


def follow_refunds(book: Book, key: MemberKey, purchase: Purchase, *, cause: str, at: datetime) -> None:
    """Move what an order holds to what the customer keeps of it now; first spent points come back.

    Refund policies are those of the refund's time, the rules those of the award.
    """
    return_spent(book, key, purchase.order_id, cause=cause, at=at)
    if purchase.paid is None:
        return
    versions = book.versions_of(key[0])
    program = versions.numbered(purchase.program_version or 1).rules
    order = order_of(purchase.paid, program.currency, purchase.removed_lines)
    left = kept_of(purchase, order)
    assert left is not None, "a refund leaves less than everything"
    for award in awards_of_order(book, key, purchase.order_id):
        target = award_target(program, purchase, order, award, left)
        hold_target(book, award, versions.at(at).rules, target, cause=cause, at=at)


def fulfil(book: Book, key: MemberKey, purchase: Purchase, *, cause: str, at: datetime) -> None:
    """The first fulfilment, by its time, starts the wait; one that was in time revives an award that was cancelled."""
    for award in awards_of_order(book, key, purchase.order_id):
        program = book.versions_of(key[0]).numbered(award.program_version).rules
        waiting = waiting_anew(book, award, program, purchase)
        if waiting is award:
            continue
        book.put_award(waiting)
        if award.state == CANCELLED and purchase.paid is not None:
            order = order_of(purchase.paid, program.currency, purchase.removed_lines)
            target = award_target(program, purchase, order, award, kept_of(purchase, order))
            hold_target(book, waiting, program, target, cause=cause, at=at)


def waiting_anew(book: Book, award: Award, program: LedgerProgram, purchase: Purchase) -> Award:
    """The award with the state and the due moment that the times of its order give; what is available stays so.

    Where the order turns out to be of a version that lets nothing wait, what waits falls due when it was paid.
    """
    assert purchase.paid_at is not None, "an award has an order that was paid"
    wait = program.wait_for(PAID, award.asset)
    state, due_at = state_of(wait, purchase.paid_at, purchase.fulfilled_at, program)
    if state == AVAILABLE:
        state, due_at = PENDING, purchase.paid_at
    if award.state == AVAILABLE or (award.state == CANCELLED and state != PENDING):
        return award
    if award.kind == IMPORT and (award.state == PENDING or state != PENDING):
        return award  # until when it is pending was said with it
    if (award.state, award.due_at) == (state, due_at):
        return award
    book.schedule((award.program_id, award.member_id), due_at)
    return replace(award, state=state, due_at=due_at)


def bought(book: Book, key: MemberKey, product_id: str) -> bool:
    """Whether one of the member's own orders had this product."""
    return any(
        line.product_id == product_id
        for purchase in book.purchases.of(key).values()
        if purchase.paid is not None
        for line in purchase.paid.lines
    )


def facts_of(program: LedgerProgram, purchase: Purchase, order: Order, breakdown: Mapping[str, Any]) -> Facts:
    """The facts of an order as they were when it was decided."""
    assert purchase.paid is not None and purchase.paid_at is not None  # noqa: PT018 - both or neither
    paid = purchase.paid
    return Facts(
        trigger=PAID,
        at=purchase.paid_at.astimezone(program.zone),
        order=order,
        items=items_after_discounts(order),
        nth_order=breakdown.get("nth_order"),
        level=breakdown.get("level"),
        channel=paid.channel,
        payment_method=paid.payment_method,
        card_partner=paid.card_partner,
        data=paid if program.looks_at_data else None,
        **(kept_facts(breakdown) if program.asks_of_persons else {}),
    )


def with_person(facts: Facts, program: LedgerProgram, book: Book, key: MemberKey, at: datetime) -> Facts:
    """The facts with what the rules ask about the person, as it is known now and was at that time."""
    if not program.asks_of_persons:
        return facts
    return replace(facts, **person_facts(program, book.member(key), book.person(key), at))


def facts_when_paid(
    program: LedgerProgram, paid: OrderPaid, order: Order, at: datetime, member: Member, nth: int
) -> tuple[Facts, Frozen]:
    """What is known of an order at the moment of its payment, and what is frozen then; `nth` is which one it is."""
    level = member.level_before(at)
    facts = Facts(
        trigger=PAID,
        at=at.astimezone(program.zone),
        utc=at,
        order=order,
        items=items_after_discounts(order),
        nth_order=nth if program.counts_orders else None,
        level=level.name if level else None,
        channel=paid.channel,
        payment_method=paid.payment_method,
        card_partner=paid.card_partner,
        data=paid if program.looks_at_data else None,
    )
    return facts, Frozen(Fraction(level.earn_times)) if level else NOT_FROZEN


def award_target(
    program: LedgerProgram, purchase: Purchase, order: Order, award: Award, left: Kept | None
) -> int:
    """What an award of this order may hold now: by the rules that are stored with it, or by its share of an import."""
    if award.kind == IMPORT:
        return imported_target(award.breakdown, award.points, order, left)
    facts = facts_of(program, purchase, order, award.breakdown)
    return target_of(program, facts, frozen_of(award.breakdown), award.points, award.asset, left)


def is_imported(book: Book, key: MemberKey, order_id: str) -> bool:
    """Whether the order came from another system: its rules are not known, and it counted there."""
    assets = book.versions_of(key[0]).newest.rules.assets
    found = (book.awards.get(key, award_id_of(order_id, asset)) for asset in assets)
    return any(award is not None and award.kind == IMPORT for award in found)


def target_of(
    program: LedgerProgram, facts: Facts, frozen: Frozen, points: int, asset: str, left: Kept | None
) -> int:
    """What an award of `points` may hold where this much is kept (None: all of it); nothing kept, nothing held."""
    if left is None:
        return points
    if not any(left.shares):
        return 0
    return min(points, of_asset(earn(program, of_kept(facts, left), frozen), asset).points)


def of_kept(facts: Facts, left: Kept) -> Facts:
    """The same order, of which only this much is kept."""
    assert facts.order is not None, "what is kept is of an order"
    return replace(facts, kept=left, items=items_after_discounts(facts.order, left))


def awards_of_order(book: Book, key: MemberKey, order_id: str) -> list[Award]:
    """What the order itself earned, an award for each asset."""
    return [
        award
        for award in book.awards.of(key).values()
        if award.order_id == order_id and award.kind in OF_ORDER
    ]


def of_asset(earned: tuple[Earned, ...], asset: str) -> Earned:
    """What was earned of one asset: nothing where the version has no rule that gives it."""
    return next((each for each in earned if each.asset == asset), None) or Earned(asset, 0, (), 0, ())
