"""What reaching a spend in a period earns, held per member and period: threshold credit, written into the book.

Example, continued from `goals`: the first hundred of May gives 5.00 EUR, which wait like the order that reaches it; so
do the next 5.00 EUR. Then 35 of May come back: a member who kept 185 holds 5.00 EUR, and the last 5.00 EUR go back.

What a newcomer would get wrong: such an award belongs to no order. An order that comes late, is edited or given back
moves what the *period* holds to its target: the steps reached last are taken back first, and given again to the same
award when they are reached again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.ledger.domain.allowances import Allowances
from services.ledger.domain.awards import Origin, grant, state_of, stored_cuts
from services.ledger.domain.book import Book
from services.ledger.domain.conditions import Facts, unmet
from services.ledger.domain.counted import Counted, as_stored, counted_of
from services.ledger.domain.earned import PROGRAM, Answer, Earned
from services.ledger.domain.goals import Goal, Part, Reached, Step, reaching, steps_of, worth
from services.ledger.domain.keeping import kept_of
from services.ledger.domain.orders import PAID, facts_of, is_imported, with_person
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import AVAILABLE, CANCELLED, PENDING, WAITING, Award, MemberKey, Purchase
from services.ledger.domain.refunds import hold_target
from shared.calendar import day_of
from shared.orders import Order, Share, items_after_discounts, order_of
from shared.rows import replace


def goal_award_id(reached: Reached, first: int) -> str:
    """The id of the next award of a period, which begins with this step (from 0); none has it yet."""
    name = f"goal:{reached.rule}:{reached.period}:{first + 1}"
    return name if name not in reached.awards else f"{name}+{len(reached.awards)}"


def follow_goals(book: Book, key: MemberKey, order_id: str, *, cause: str, at: datetime) -> None:
    """Move what the periods of an order hold to what the member keeps of all their orders now."""
    if not book.strives(key[0]):
        return
    purchase = book.purchases.get(key, order_id)
    if purchase is None or purchase.paid is None or is_imported(book, key, order_id):
        return
    program = book.versions_of(key[0]).numbered(purchase.program_version or 1).rules
    known = book.goal_parts.of(key)
    before = [part for part in known.values() if part.order_id == order_id]
    parts = {
        (part.rule, part.period): part for part in _parts_of(book, key, purchase, program, before, cause)
    }
    for part in before:  # where an edit moved the order into another period, or under another version
        parts.setdefault((part.rule, part.period), replace(part, spent=0))
    for (rule, period), part in parts.items():
        old = known.get((rule, period, order_id))
        if old != part:
            book.goal_parts.put(key, (rule, period, order_id), part)
            is_less = old is not None and part.spent < old.spent
            _hold_period(book, key, rule, period, is_less=is_less, cause=cause, at=at)


def _parts_of(
    book: Book,
    key: MemberKey,
    purchase: Purchase,
    program: LedgerProgram,
    before: Sequence[Part],
    cause: str,
) -> list[Part]:
    """What the order counts towards each goal of its version; what was decided `before` of it stays decided."""
    assert purchase.paid is not None and purchase.paid_at is not None  # noqa: PT018 - both or neither
    order = order_of(purchase.paid, program.currency, purchase.removed_lines)
    day = day_of(purchase.paid_at, program.zone)
    decided = {part.rule: part for part in before}
    found = []
    for goal in program.goals:
        first = decided.get(goal.name)
        why_not = first.why_not if first else _against(book, key, goal, purchase, order, program)
        admitted = first.admitted if first else why_not is None
        spent = _spent(goal, purchase, order, program) if admitted else 0
        part = Part(
            *key,
            goal.name,
            goal.period_of(day),
            order.id,
            purchase.paid_at,
            purchase.program_version or 1,
            admitted,
            spent,
            purchase.fulfilled_at,
            first.cause if first else cause,
            why_not,
        )
        found.append(part)
    return found


def _against(
    book: Book, key: MemberKey, goal: Goal, purchase: Purchase, order: Order, program: LedgerProgram
) -> str | None:
    """Which conditions on person, time and history do not hold; None where all do. For good, as with every award."""
    assert purchase.paid_at is not None, "an order that counts was paid"
    level = book.member(key).level_before(purchase.paid_at)
    facts = replace(
        facts_of(program, purchase, order, {}),
        nth_order=book.order_counts.get(key, ""),
        level=level.name if level else None,
    )
    facts = with_person(facts, program, book, key, purchase.paid_at)
    lasting = goal.lasting_conditions
    return unmet([condition for condition in goal.conditions if condition not in lasting], facts)


def why_not_counted(goal: Goal, part: Part, purchase: Purchase, program: LedgerProgram) -> str | None:
    """Why an order does not count towards a goal, by what is kept of it now; None where it counts."""
    if not part.admitted or purchase.paid is None:
        return part.why_not
    order = order_of(purchase.paid, program.currency, purchase.removed_lines)
    return goal.uncounted(order) or unmet(goal.lasting_conditions, _facts_kept(purchase, order, program))


def _spent(goal: Goal, purchase: Purchase, order: Order, program: LedgerProgram) -> Share:
    if unmet(goal.lasting_conditions, _facts_kept(purchase, order, program)) is not None:
        return 0
    return goal.spent_on(order, kept_of(purchase, order))


def _facts_kept(purchase: Purchase, order: Order, program: LedgerProgram) -> Facts:
    left = kept_of(purchase, order)
    return replace(
        facts_of(program, purchase, order, {}), kept=left, items=items_after_discounts(order, left)
    )


def hold_reached(
    book: Book, key: MemberKey, rule: str, period: str, *, is_less: bool, cause: str, at: datetime
) -> tuple[Sequence[Step], int, Reached]:
    """Let the awards of a period hold what is reached of them; the steps, how many there are, and the awards.

    `is_less`: no order counts more than before. Then no award of a period that two members brought together rises.
    """
    versions = book.versions_of(key[0])
    parts = [part for part in book.goal_parts.of(key).values() if (part.rule, part.period) == (rule, period)]
    steps = steps_of(parts, lambda number: versions.numbered(number).rules.goal(rule))
    total = sum(step.count for step in steps)
    reached = book.goals_reached.get(key, (rule, period)) or Reached(*key, rule, period)
    may_rise = not (is_less and reached.joined)
    first = 0
    for award_id, end in zip(reached.awards, reached.ends, strict=True):
        award = book.awards.get(key, award_id)
        assert award is not None, f"the award {award_id} of {rule} in {period} was not loaded"
        _hold_steps(book, award, steps, first, min(end, total), may_rise=may_rise, cause=cause, at=at)
        first = end
    return steps, total, reached


def counted_and_gone(book: Book, key: MemberKey, reached: Reached) -> int:
    """What caps and budgets have counted of a period that two members brought together, and its awards do not hold.

    One member's award is given again without being counted again. Of two, a merge leaves only the steps that each held,
    and what is reached again is a new award: so much of it was counted before.
    """
    if not reached.joined:
        return 0
    awards = [book.awards.get(key, award_id) for award_id in reached.awards]
    bounded = [award for award in awards if award is not None and "room" in award.breakdown]
    return sum(_counted(book, award) - award.held_points for award in bounded)


def _counted(book: Book, award: Award) -> int:
    program = book.versions_of(award.program_id).numbered(award.program_version).rules
    return sum(int(each.points) for each in counted_of(award, program) if each.rule == PROGRAM)


def _hold_period(
    book: Book, key: MemberKey, rule: str, period: str, *, is_less: bool, cause: str, at: datetime
) -> None:
    """Let the awards of a period hold what is reached of them, and award what is reached for the first time."""
    steps, total, reached = hold_reached(book, key, rule, period, is_less=is_less, cause=cause, at=at)
    first = reached.ends[-1] if reached.ends else 0
    if total > first and not (is_less and reached.joined):
        award_id, paid = goal_award_id(reached, first), counted_and_gone(book, key, reached)
        _award_steps(book, key, rule, period, award_id, steps, first, total, paid=paid, cause=cause, at=at)
        book.goals_reached.put(key, (rule, period), reached.with_award(award_id, total))


def _hold_steps(
    book: Book,
    award: Award,
    steps: Sequence[Step],
    first: int,
    end: int,
    *,
    may_rise: bool,
    cause: str,
    at: datetime,
) -> None:
    """Let an award hold the steps from `first` to before `end`, or nothing where they are no longer reached."""
    program = book.versions_of(award.program_id).at(at).rules
    target = worth(steps, first, end)
    if may_rise and target > award.points and "room" not in award.breakdown:
        award = replace(award, points=target, reversed=target - award.held_points)
    target = min(target, award.points if may_rise else award.held_points)
    if target:
        award = _waiting_like(book, award, reaching(steps, end - 1), at)
    hold_target(book, award, program, target, cause=cause, at=at)


def _waiting_like(book: Book, award: Award, by: Part, at: datetime) -> Award:
    """The award with the wait of the order that reaches its last step; what is available and held stays so."""
    program = book.versions_of(award.program_id).numbered(by.program_version).rules
    state, due_at = _state(program, award.asset, by)
    if (award.state, award.due_at) == (state, due_at) or (award.state == AVAILABLE and award.held_points):
        return award
    if award.state == CANCELLED and state == WAITING and due_at is not None and due_at <= at:
        return award
    if award.state in (PENDING, WAITING) and state == AVAILABLE:
        state, due_at = PENDING, at  # it becomes available as a whole, the next time that somebody looks
    book.schedule((award.program_id, award.member_id), due_at)
    return replace(award, state=state, due_at=due_at, program_version=by.program_version)


def _award_steps(
    book: Book,
    key: MemberKey,
    rule: str,
    period: str,
    award_id: str,
    steps: Sequence[Step],
    first: int,
    end: int,
    *,
    paid: int,
    cause: str,
    at: datetime,
) -> None:
    """A new award of these steps; `paid` of it were counted against caps and budgets before."""
    by = reaching(steps, end - 1)
    program = book.versions_of(key[0]).numbered(by.program_version).rules
    goal = program.goal(rule)
    assert goal is not None, f"{by.order_id} reaches {rule}, which its version does not know"
    wanted = worth(steps, first, end)
    points, bounds = _allowed(book, key, goal.asset, wanted, paid, at)
    breakdown: dict[str, Any] = {
        "rules": [[rule, points, 1]],
        "lines": [],
        "bonus": points,
        "goal": {"period": period, "steps": [first + 1, end], "order_id": by.order_id},
    } | bounds
    if (
        at < by.paid_at
    ):  # a late order lets a later one reach it: it is awarded as of that, and was asked for now
        breakdown["asked_at"] = at.isoformat()
    earned = Earned(goal.asset, points, (), points, (Answer(rule, points),))
    origin = Origin(award_id, cause, max(at, by.paid_at), by.program_version, order_id=None)
    grant(book, key, program, origin, earned, breakdown=breakdown, state=_state(program, goal.asset, by))


def _allowed(
    book: Book, key: MemberKey, asset: str, wanted: int, paid: int, at: datetime
) -> tuple[int, dict[str, Any]]:
    """What the program's caps and budgets of the event's time leave of it, counted but for what was counted before;
    and what is stored about that."""
    version = book.versions_of(key[0]).at(at)
    program = version.rules
    if asset not in program.bounded:
        return wanted, as_stored(())
    again = max(0, min(wanted, paid))
    allowances = Allowances(book, key, program, Facts(trigger=PAID, at=at.astimezone(program.zone)))
    room = allowances.whole_room(asset, wanted - again)
    assert room is not None, f"the program bounds {asset}"
    points = min(wanted - again, room)
    if points:
        allowances.count_whole(asset, points)
    counted = [Counted(version.number, PROGRAM, 1, points, points)] if points else []
    stored = as_stored(counted) | stored_cuts(allowances.cuts, asset)
    return again + points, {"room": {PROGRAM: str(again + room)}} | stored


def _state(program: LedgerProgram, asset: str, by: Part) -> tuple[str, datetime | None]:
    return state_of(program.wait_for(PAID, asset), by.paid_at, by.fulfilled_at, program)
