"""Past orders, played once more under one version of the program, on a book that nobody saves.

Example: `at_most: 500 per month` on a rule, and a member whose orders of May are worth 480, 60 and 30 points under it.
Asked about the last two, the first one is played before them: they get 20 and nothing.

What a newcomer would get wrong: there is no second reckoning for trials. An order is awarded, and given back, by the
functions that workers run; what is special is only where its book begins (`Start`). What of members was told otherwise
(levels, segments, birthdays) is what is known today, as of the time of each order.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter

from services.ledger.domain.allowances import Allowances
from services.ledger.domain.awards import state_at
from services.ledger.domain.book import Book
from services.ledger.domain.budgets import Budget, Portion, Slot
from services.ledger.domain.conditions import Facts
from services.ledger.domain.goal_awards import follow_goals
from services.ledger.domain.keeping import kept_of, order_of_purchase
from services.ledger.domain.orders import PAID, award_purchase, follow_refunds
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import CANCELLED, Award, MemberKey, Purchase, RefundAt
from shared.calendar import day_of
from shared.orders import Share
from shared.programs import Versions
from shared.rows import Row, replace

BudgetOfDays = tuple[str, str]
"""A budget by its name, and one of its buckets."""


class Start(Row, frozen=True, gc=False):
    """What was there before the orders that are tried, the same for every version.

    `earlier` are orders of the same members, played only so that caps and goals have counted them; `order_counts` how
    many each member had paid before the first that is played. `otherwise` is what rules gave them for other things than
    orders, which caps of the program count. `used` is what was given out of budgets before.
    """

    earlier: tuple[Purchase, ...] = ()
    order_counts: Mapping[MemberKey, int] = {}
    otherwise: tuple[Award, ...] = ()
    used: Mapping[BudgetOfDays, Share] = {}


FROM_NOTHING = Start()

_Deed = tuple[datetime, int, bool, str, str, int, Purchase | RefundAt | Award | None]
"""When; at one moment payments before what comes back; orders that are tried last; whose, which one, and what of it."""
_PAID, _CAME_BACK, _OTHERWISE = 0, 1, 2
_in_turn = itemgetter(slice(0, 6))


def replaying(
    known: Book, program: LedgerProgram, orders: Sequence[Purchase], start: Start = FROM_NOTHING
) -> Generator[None, None, list[Award]]:
    """What these orders earn under the program, goals that they reach included, and hold after what came back of them.

    It stops after each step, so that whoever drives it can do something else meanwhile. `known` has the members and
    persons of the orders, and is not changed.
    """
    if not orders:
        return []
    program_id = orders[0].program_id
    book = _book_of(known, program_id, program, [*start.earlier, *orders], start)
    began = False
    for deed in _deeds(orders, start):
        if deed[2] and not began:
            _begin_budgets(book, program_id, program, orders, start.used)
            began = True
        _do(book, program, (program_id, deed[3]), deed)
        yield
    own = {((each.program_id, each.member_id), each.order_id) for each in orders}
    found = [award for award in book.awards.changed() if _is_of(award, own)]
    book.journal.mark()  # nothing is taken back any more; without this, the book would outlive its reading
    return found


def held_at(award: Award, moment: datetime) -> int:
    """What an award that was replayed holds, if nothing more comes back: nothing once its deadline is over."""
    state, _ = state_at((award.state, award.due_at), moment)
    return 0 if state == CANCELLED else award.held_points


def budgets_met(program: LedgerProgram, times: Iterable[datetime]) -> dict[BudgetOfDays, Budget]:
    """The budgets that orders of these times may take from."""
    days = sorted({day_of(time, program.zone) for time in times})
    of_rules = [rule.budget for rule in program.capped.get(PAID, ()) if rule.budget is not None]
    of_all = [budget for asset in sorted(program.budgets) for budget in program.budgets[asset]]
    return {(budget.name, budget.bucket(day)): budget for budget in (*of_rules, *of_all) for day in days}


def _book_of(
    known: Book, program_id: str, program: LedgerProgram, orders: Iterable[Purchase], start: Start
) -> Book:
    """The members of these orders as they are known, without anything that they ever earned."""
    book = Book({program_id: Versions.only(program_id, program)})
    for key in sorted({(order.program_id, order.member_id) for order in orders}):
        book.members.load(key, "", replace(known.member(key), next_due=None))
        book.persons.load(key, "", known.person(key))
        book.order_counts.load(key, "", start.order_counts.get(key, 0))
        book.stored_due[key] = None
        book.detailed.add(key)
    return book


def _deeds(orders: Iterable[Purchase], start: Start) -> list[_Deed]:
    """All that happened, in the order of time."""
    deeds = [deed for order in start.earlier for deed in _deeds_of(order, is_own=False)]
    deeds += [deed for order in orders for deed in _deeds_of(order, is_own=True)]
    for award in start.otherwise:
        deeds.append((award.asked_at, _OTHERWISE, False, award.member_id, award.award_id, 0, award))
    return sorted(deeds, key=_in_turn)


def _deeds_of(order: Purchase, *, is_own: bool) -> Iterator[_Deed]:
    """The payment, and what came back after it; what came back before it stands on the order when it is paid."""
    paid_at = order.paid_at
    assert paid_at is not None, "an order that is played was paid"
    early = tuple([each for each in order.refunds if each.at < paid_at])
    called_off = order.cancelled_at
    bare = replace(
        order,
        program_version=1,
        refunds=early,
        cancelled_at=called_off if called_off is not None and called_off < paid_at else None,
    )
    yield paid_at, _PAID, is_own, order.member_id, order.order_id, 0, bare
    for number, refund in enumerate(order.refunds):
        if refund.at >= paid_at:
            yield refund.at, _CAME_BACK, is_own, order.member_id, order.order_id, number, refund
    if called_off is not None and called_off >= paid_at:
        yield called_off, _CAME_BACK, is_own, order.member_id, order.order_id, len(order.refunds), None


def _do(book: Book, program: LedgerProgram, key: MemberKey, deed: _Deed) -> None:
    at, _, _, _, name, _, what = deed
    match what:
        case Purchase():
            assert what.paid_at is not None, "a payment has its moment"
            award_purchase(book, key, what, cause=name, at=what.paid_at)
            follow_goals(book, key, name, cause=name, at=at)
        case Award():
            facts = Facts(trigger="", at=at.astimezone(program.zone))
            Allowances(book, key, program, facts).count_caps(what.asset, what.points)
        case _:
            _come_back(book, key, name, what, at)


def _come_back(book: Book, key: MemberKey, order_id: str, refund: RefundAt | None, at: datetime) -> None:
    """A refund, or where it is None a cancellation."""
    before = book.purchases.get(key, order_id)
    assert before is not None, f"{order_id} was paid before it came back"
    if refund is None:
        purchase = replace(before, cancelled_at=at)
    else:
        purchase = replace(before, refunds=(*before.refunds, refund))
    order = order_of_purchase(purchase, book.versions_of(key[0]))
    assert order is not None, f"{order_id} was paid"
    book.put_purchase(purchase)
    if kept_of(purchase, order) is not None:  # what does not fit the order counts nothing
        follow_refunds(book, key, purchase, cause=order_id, at=at)
        follow_goals(book, key, order_id, cause=order_id, at=at)


def _begin_budgets(
    book: Book,
    program_id: str,
    program: LedgerProgram,
    orders: Iterable[Purchase],
    used: Mapping[BudgetOfDays, Share],
) -> None:
    """The budgets have what others left, whatever the earlier orders took: these are in `used` already."""
    times = [order.paid_at for order in orders if order.paid_at is not None]
    for (name, bucket), budget in budgets_met(program, times).items():
        given = used.get((name, bucket), 0)
        slot = Slot(0, max(0, budget.amount - given), given)
        book.portions.put(program_id, (name, bucket), Portion(program_id, name, bucket, (slot,)))


def _is_of(award: Award, orders: set[tuple[MemberKey, str]]) -> bool:
    """Whether one of these orders earned it, or reached the goal."""
    order_id = award.order_id or award.breakdown["goal"]["order_id"]
    return ((award.program_id, award.member_id), order_id) in orders
