"""What partners ask: credit purchases, take credits back, and settle. Many at once, each with an outcome of its own.

What a newcomer would get wrong: the members are locked first, in the order of their keys, and the partner's budget
last, as everywhere. What a transaction of the partner became is looked at under these locks; where two requests credit
the same one to different members, the key of its row decides, and the later request is told to try again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from services.ledger.actions import Actions
from services.ledger.domain import partners
from services.ledger.domain.agreements import Line
from services.ledger.domain.book import Book
from services.ledger.domain.budgets import BudgetKey
from services.ledger.domain.needs import Needs
from services.ledger.domain.partners import Credit, Purchase
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey
from services.ledger.errors import (
    CreditedElsewhere,
    MemberErased,
    MergedMeanwhile,
    UnknownCredit,
    UnknownMember,
    UnknownPartner,
)
from services.ledger.store import budgets
from services.ledger.store import partners as rows
from services.ledger.store.reports import of_partner, report_on
from shared.calendar import Period, start_of
from shared.database import AnyConnection
from shared.errors import InvalidInput, ServiceError
from shared.programs import Versions
from shared.rows import replace


@dataclass(frozen=True, slots=True)
class Reversal:
    """How much of a purchase the partner's customer keeps; nothing, where neither is told."""

    transaction_id: str
    amount: str | None = None
    points: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A credit as it is now, and whether this request made it or took something of it."""

    credit: Credit
    changed: bool


Outcome = Made | ServiceError
Asked = TypeVar("Asked", Purchase, Reversal)


async def known_partner(
    actions: Actions, connection: AnyConnection, program_id: str, partner: str
) -> Versions[LedgerProgram]:
    """The versions of the program, one of which has an agreement with this partner.

    Raises:
        UnknownProgram: nobody applied it.
        UnknownPartner: none has.
    """
    versions = await actions.programs.one(connection, program_id)
    if not any(partner in version.rules.partners for version in versions.all):
        raise UnknownPartner(f"the program has no agreement with {partner!r}")
    return versions


async def credit(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    partner: str,
    purchases: Sequence[Purchase],
    now: datetime,
) -> list[Outcome]:
    """Credit purchases, by place what became of each; a transaction that was credited before is the same again.

    Raises:
        UnknownProgram, UnknownPartner: see `known_partner`.
        CreditedElsewhere: another request credits one of them to another member at this moment.
    """
    versions = await known_partner(actions, connection, program_id, partner)
    keys = {(program_id, purchase.member_id) for purchase in purchases}
    homes = await actions.store.known_members(connection, keys)
    purchases = [_at_home(each, homes.get((program_id, each.member_id))) for each in purchases]
    known = set(homes.values())
    wanted = _budgets(versions, program_id, partner, purchases, now)
    book = await _book(actions, connection, program_id, versions, known, budgets=wanted, now=now)
    before = await rows.read(
        connection, actions.sql, program_id, partner, [each.transaction_id for each in purchases]
    )

    def decide(book: Book, found: dict[str, Credit], purchase: Purchase) -> Credit:
        key = (program_id, purchase.member_id)
        if purchase.transaction_id in found:
            return partners.check_same(found[purchase.transaction_id], key[1], purchase)
        _check_member(book, key)
        return partners.credit(book, key, partner, purchase, at=now)

    outcomes, after = _each(book, before, purchases, decide)
    if book.short and (more := budgets.more_wanted(book)):
        book = await _book(actions, connection, program_id, versions, known, budgets=wanted | more, now=now)
        outcomes, after = _each(book, before, purchases, decide)
    await actions.finish(connection, book)
    new = [made for name, made in after.items() if name not in before]
    if not await rows.add(connection, actions.sql, new):
        raise CreditedElsewhere("one of these transactions was credited to another member just now")
    return outcomes


async def reverse(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    partner: str,
    reversals: Sequence[Reversal],
    now: datetime,
) -> list[Outcome]:
    """Take credits back down to what is kept, by place what became of each; done once, it is done.

    Raises:
        UnknownProgram, UnknownPartner: see `known_partner`.
    """
    versions = await known_partner(actions, connection, program_id, partner)
    ids = [each.transaction_id for each in reversals]
    seen = await rows.read(connection, actions.sql, program_id, partner, ids)
    keys = {(program_id, made.member_id) for made in seen.values()}
    awards = {((program_id, made.member_id), made.award_id) for made in seen.values()}
    book = await _book(actions, connection, program_id, versions, keys, awards=awards, now=now)
    before = await rows.read(connection, actions.sql, program_id, partner, seen)

    def decide(book: Book, found: dict[str, Credit], reversal: Reversal) -> Credit:
        made = found.get(reversal.transaction_id)
        if made is None:
            raise UnknownCredit(f"{partner} has credited no transaction {reversal.transaction_id!r}")
        return partners.reverse(
            book,
            made,
            amount=reversal.amount,
            points=reversal.points,
            cause=f"reversal:{made.award_id}",
            at=now,
        )

    outcomes, after = _each(book, before, reversals, decide)
    await actions.finish(connection, book)
    await rows.take_back(connection, actions.sql, before, after, now)
    return outcomes


async def settlement(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    partner: str,
    start: datetime | None,
    end: datetime | None,
    now: datetime,
) -> tuple[datetime, datetime, list[Line]]:
    """What was booked from `start` (absent: of this month, in the program's zone) to before `end` (absent: now).

    Raises:
        UnknownProgram, UnknownPartner: see `known_partner`.
        InvalidInput: the span ends before it begins.
        ReportRunning, ReportTookTooLong: see `report_on`.
    """
    versions = await known_partner(actions, connection, program_id, partner)
    begin = start or start_of(Period.MONTH, now, versions.newest.rules.zone)
    until = end or now
    if until < begin:
        raise InvalidInput(f"`to` is {until.isoformat()}, which is before `from`, {begin.isoformat()}")
    async with report_on(connection, actions.sql, of_partner(program_id, partner)):
        lines = await rows.lines(connection, actions.sql, program_id, partner, begin, until)
    return begin, until, lines


async def listed(
    actions: Actions, connection: AnyConnection, program_id: str, partner: str, after: str, limit: int
) -> list[Credit]:
    """What the partner credited behind `after`, by its own ids.

    Raises:
        UnknownProgram, UnknownPartner: see `known_partner`.
    """
    await known_partner(actions, connection, program_id, partner)
    return await rows.behind(connection, actions.sql, program_id, partner, after, limit)


async def _book(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    versions: Versions[LedgerProgram],
    keys: Iterable[MemberKey],
    *,
    now: datetime,
    awards: Iterable[tuple[MemberKey, str]] = (),
    budgets: Mapping[BudgetKey, int] | None = None,
) -> Book:
    members = dict.fromkeys(keys, now)
    needs = Needs(members=members, detailed=set(members), awards=set(awards), budgets=dict(budgets or {}))
    book = await actions.settled(connection, needs, {program_id: versions})
    if book.homes:
        raise MergedMeanwhile("one of these members was merged into another just now; try again")
    return book


def _at_home(purchase: Purchase, home: MemberKey | None) -> Purchase:
    """The purchase of the member into whom whoever the partner names was merged, if that was done."""
    return purchase if home is None else replace(purchase, member_id=home[1])


def _budgets(
    versions: Versions[LedgerProgram],
    program_id: str,
    partner: str,
    purchases: Sequence[Purchase],
    now: datetime,
) -> dict[BudgetKey, int]:
    """The budgets of the partner's that the purchases may take from; each has one slot, so how much is no matter.

    A purchase that lies in the future will be refused, and should leave no budget of that time behind.
    """
    wanted: dict[BudgetKey, int] = {}
    for purchase in purchases:
        at = purchase.happened_at or now
        if at > now + partners.CLOCKS_DIFFER:
            continue
        program = versions.at(at).rules
        agreement = program.partners.get(partner)
        if agreement is not None and agreement.budget is not None:
            budget = agreement.budget
            wanted[(program_id, budget.name, budget.bucket(at.astimezone(program.zone).date()))] = 1
    return wanted


def _each(
    book: Book,
    before: Mapping[str, Credit],
    asked: Sequence[Asked],
    decide: Callable[[Book, dict[str, Credit], Asked], Credit],
) -> tuple[list[Outcome], dict[str, Credit]]:
    """Decide one after the other; what is refused leaves no trace. The outcomes by place, and all credits after it."""
    found = dict(before)
    outcomes: list[Outcome] = []
    for each in asked:
        book.journal.mark()
        try:
            made = decide(book, found, each)
        except ServiceError as refusal:
            book.journal.undo()
            outcomes.append(refusal)
        else:
            outcomes.append(Made(made, made != found.get(each.transaction_id)))
            found[each.transaction_id] = made
    return outcomes, found


def _check_member(book: Book, key: MemberKey) -> None:
    member = book.members.get(key, "")
    if member is None:
        raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")
    if member.erased_at is not None:
        raise MemberErased(f"member {key[1]!r} asked to be forgotten")
