"""Builders for tests of the ledger's rules: a program, and a book in memory that events and commands write into.

What a newcomer would get wrong: there is no database here. Everything is decided by the functions of production; what
the store would load is simply all there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Self

from services.ledger.domain import checkout, holds
from services.ledger.domain.book import Book
from services.ledger.domain.imported import IMPORT
from services.ledger.domain.lots import open_lots
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.quotes import Quote
from services.ledger.domain.records import MEMBER_ACCOUNTS, Award, Hold, Lot, Member, MemberKey
from services.ledger.domain.settling import settle
from services.ledger.domain.switching import switches_of
from services.ledger.handlers import on
from services.ledger.program import parse
from shared.errors import ServiceError
from shared.events import Event, Grant, OrderPaid, TierRaised
from shared.programs import BEGINNING_OF_TIME, Version, Versions
from tests.support.events import MEMBER, NOON, PROGRAM, an_event

PER_EURO: dict[str, Any] = {"rule": "base", "on": "order.paid", "points": "1", "per": "1.00 EUR"}


def a_document(*earn: Mapping[str, Any], zone: str = "Europe/Paris", **ledger: Any) -> dict[str, Any]:
    """A program file with these earning rules; `ledger` says further words of its section."""
    return {
        "program": PROGRAM,
        "currency": "EUR",
        "time_zone": zone,
        "ledger": {"earn": [dict(rule) for rule in earn], **ledger},
    }


def a_rule(name: str = "rule", on: str = "order.paid", **words: Any) -> dict[str, Any]:
    """One earning rule; `if_` stands for the word `if`."""
    conditions = words.pop("if_", None)
    return {"rule": name, "on": on, **words} | ({"if": conditions} if conditions else {})


def a_program(*earn: Mapping[str, Any], zone: str = "Europe/Paris", **ledger: Any) -> LedgerProgram:
    """What the ledger reads in such a file."""
    return parse(a_document(*earn, zone=zone, **ledger))


def a_rise(
    level: str = "Gold", *, times: str = "1", since: datetime, points: int | None = None
) -> Event[TierRaised]:
    """The tiers service says that the member rose, perhaps with points on entry."""
    rewards = (Grant(kind="points", points=points),) if points else ()
    data = TierRaised(
        member_id=MEMBER, ladder="main", level=level, earn_times=times, since=since, rewards=rewards
    )
    return an_event(data, at=since)


def at(text: str) -> datetime:
    """A moment in UTC: `2026-03-01`, or with a time behind it."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass
class Desk:
    """The ledger without a database: the rows of some members in memory, settled up to each event."""

    document: dict[str, Any]
    members: Sequence[str] = (MEMBER,)
    later: Sequence[tuple[datetime, dict[str, Any]]] = ()
    """Further versions of the program, each with the moment from which it holds."""
    now: datetime = NOON
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        found = [(BEGINNING_OF_TIME, self.document), *self.later]
        versions = [
            Version(PROGRAM, number, since, since, document, parse(document))
            for number, (since, document) in enumerate(found, 1)
        ]
        self.book = Book({PROGRAM: Versions(tuple(versions))})
        self.book.shelf.draw_number = Random(7).randrange  # the same codes in every run
        for member in self.members:
            key = (PROGRAM, member)
            self.book.members.load(key, "", Member(*key))
            self.book.stored_due[key] = None
            self.book.detailed.add(key)

    def receives(self, *events: Event[Any]) -> Self:
        """Handle events that must all be accepted."""
        refused = self.tries(*events)
        assert not refused, refused
        return self

    def tries(self, *events: Event[Any]) -> dict[int, ServiceError]:
        """Handle events; what was refused, by its place."""
        refused = on.run(events, self.book)
        assert differences(self.book) == []
        return refused

    def applies(self, document: dict[str, Any]) -> Self:
        """A further version of the program, from now on."""
        versions = self.book.versions_of(PROGRAM)
        assert versions.newest.since < self.now, "two versions cannot begin at one moment"
        number = versions.newest.number + 1
        version = Version(PROGRAM, number, self.now, self.now, document, parse(document))
        self.book.programs = {PROGRAM: Versions((*versions.all, version))}
        book = self.book
        for known in (
            book.occasions,
            book.announced_days,
            book.striving,
            book.sharing,
            book.switches,
            book._counting,
        ):
            known.clear()  # what a book of the next batch would find out anew
        book.agendas.clear()
        for switch in switches_of(book.versions_of(PROGRAM)):
            if switch.version == number:
                for member in self.members:
                    book.schedule((PROGRAM, member), switch.at)  # as the sweep does
        return self

    def reaches(self, moment: datetime) -> Self:
        """Let the clock's job do all that is due up to a moment, for everybody."""
        self.now = max(self.now, moment)
        for member in self.members:
            settle(self.book, (PROGRAM, member), moment)
        assert differences(self.book) == []
        return self

    def holds(
        self,
        points: int,
        hold_id: str = "h",
        *,
        minutes: int | None = 30,
        member: str = MEMBER,
        asset: str = "points",
        order_id: str | None = None,
        cart: OrderPaid | None = None,
    ) -> Hold:
        """Set points aside, as the HTTP door does."""
        key, now = self._settled(member)
        return self._checked(
            checkout.hold_for_checkout(
                self.book,
                key,
                hold_id=hold_id,
                points=points,
                now=now,
                minutes=minutes,
                asset=asset,
                order_id=order_id,
                cart=cart,
            )
        )

    def captures(
        self,
        hold_id: str = "h",
        points: int | None = None,
        *,
        member: str = MEMBER,
        order_id: str | None = None,
    ) -> Hold:
        """Spend a hold."""
        key, now = self._settled(member)
        return self._checked(
            checkout.capture_hold(
                self.book, key, hold_id, points=points, cause="test", at=now, order_id=order_id
            )
        )

    def pays(
        self,
        points: int,
        spend_id: str = "s",
        *,
        member: str = MEMBER,
        asset: str = "points",
        order_id: str | None = None,
        cart: OrderPaid | None = None,
    ) -> Hold:
        """Spend points at once, as the HTTP door does."""
        key, now = self._settled(member)
        return self._checked(
            checkout.spend_at_once(
                self.book,
                key,
                spend_id=spend_id,
                points=points,
                now=now,
                asset=asset,
                order_id=order_id,
                cart=cart,
            )
        )

    def quotes(self, cart: OrderPaid, *, member: str = MEMBER, asset: str = "points") -> Quote:
        """What a cart could use."""
        key, now = self._settled(member)
        return checkout.quote_cart(self.book, key, cart, asset=asset, now=now)

    def spent_on(self, order_id: str, *, member: str = MEMBER, asset: str = "points") -> int:
        """What is spent on an order now."""
        return holds.spent_on(self.book, (PROGRAM, member), order_id, asset) or 0

    def releases(self, hold_id: str = "h", *, member: str = MEMBER) -> Hold:
        """Set a hold free."""
        key, now = self._settled(member)
        return self._checked(holds.release(self.book, key, hold_id, cause="test", at=now))

    def spends(self, points: int, *, member: str = MEMBER) -> None:
        """Hold and capture at once."""
        name = f"spend-{len(self.book.transfers)}"
        self.holds(points, name, member=member)
        self.captures(name, member=member)

    def balance(self, member: str = MEMBER, *, asset: str = "points") -> tuple[int, int, int]:
        """Pending, available, held."""
        found = self.book.balance((PROGRAM, member), asset)
        return found.pending, found.available, found.held

    def award(self, order: Event[Any], *, asset: str = "points") -> Award:
        """What an order earned."""
        found = self.book.awards.get((PROGRAM, order.member_id or ""), f"order:{order.data.order_id}:{asset}")
        assert found is not None, f"{order.data.order_id} earned nothing"
        return found

    def lots(self, member: str = MEMBER, *, asset: str = "points") -> list[Lot]:
        """The lots that hold something, oldest first."""
        return open_lots(self.book, (PROGRAM, member), asset)

    @property
    def kinds(self) -> list[str]:
        """What was booked, in short."""
        return [transfer.kind for transfer in self.book.transfers]

    @property
    def told(self) -> list[str]:
        """What was announced, in short: `earned 42`."""
        return [f"{event.type.split('.')[1]} {event.data.points}" for event in self.book.outgoing]

    def _settled(self, member: str) -> tuple[MemberKey, datetime]:
        key = (PROGRAM, member)
        settle(self.book, key, self.now)
        return key, self.now

    def _checked(self, hold: Hold) -> Hold:
        assert differences(self.book) == []
        return hold


def differences(book: Book) -> list[str]:
    """Where balances, lots, holds and awards do not follow from the transfers; empty = the book is sound."""
    found = []
    moved: Counter[tuple[str, str, str]] = Counter()
    of_award: Counter[tuple[str, str]] = Counter()
    for each in book.transfers:
        moved[(each.member_id, each.asset, each.to_account)] += each.amount
        moved[(each.member_id, each.asset, each.from_account)] -= each.amount
        if each.award_id is not None and _gives_awards(each.from_account):
            of_award[(each.member_id, each.award_id)] += each.amount
        if each.award_id is not None and _gives_awards(each.to_account):
            of_award[(each.member_id, each.award_id)] -= each.amount
    for program_id, member_id in book.detailed:
        key = (program_id, member_id)
        for asset in _assets_of(book, key):
            found += _asset_off(book, key, asset, moved)
        found += [
            f"{member_id}: {lot} is out of bounds" for lot in book.lots.of(key).values() if not _is_sound(lot)
        ]
        found += _spends_off(book, key)
        if book.member(key).erased_at is None:
            found += _awards_off(book, key, of_award)
    return found


def _gives_awards(account: str) -> bool:
    return account in ("issued", "reversed") or account.startswith("partner:")


def _assets_of(book: Book, key: MemberKey) -> set[str]:
    """Everything that a row of the member is about."""
    tables = (book.balances, book.awards, book.lots, book.holds)
    return {row.asset for table in tables for row in table.of(key).values()}


def _asset_off(
    book: Book, key: MemberKey, asset: str, moved: Mapping[tuple[str, str, str], int]
) -> list[str]:
    found = []
    who, balance = f"{key[1]}'s {asset}", book.balance(key, asset)
    has = {"pending": balance.pending, "available": balance.available, "held": balance.held}
    if has != {account: moved.get((key[1], asset, account), 0) for account in MEMBER_ACCOUNTS}:
        found.append(f"{who} are {has}, the transfers say otherwise")
    lots = sum(lot.remaining for lot in book.lots.of(key).values() if lot.asset == asset)
    if lots != max(0, balance.available):
        found.append(f"{who}: {balance.available} available and {lots} in lots")
    held = sum(
        hold.points for hold in book.holds.of(key).values() if (hold.state, hold.asset) == ("open", asset)
    )
    if held != balance.held:
        found.append(f"{who}: {balance.held} held and {held} in open holds")
    waiting = sum(
        award.held_points
        for award in book.awards.of(key).values()
        if award.state in ("pending", "waiting") and award.asset == asset
    )
    if waiting != balance.pending and book.member(key).erased_at is None:
        found.append(f"{who}: {balance.pending} pending, awards wait with {waiting}")
    return found


def _is_sound(lot: Lot) -> bool:
    return 0 <= lot.remaining <= lot.amount and 0 <= lot.expired <= lot.amount


def _spends_off(book: Book, key: MemberKey) -> list[str]:
    found = []
    spent: Counter[str | None] = Counter()
    for each in book.transfers:
        if each.member_id == key[1]:
            spent[each.hold_id] += each.amount * (
                (each.to_account == "redeemed") - (each.from_account == "redeemed")
            )
    for hold in book.holds.of(key).values():
        if not (0 <= hold.borne <= hold.returned <= hold.captured <= hold.points):
            found.append(f"{hold.hold_id} is out of bounds: {hold}")
        if sum(each.points for each in hold.draws) != hold.points:
            found.append(f"{hold.hold_id} is not what was drawn: {hold}")
        if spent[hold.hold_id] != hold.captured - hold.returned:
            found.append(f"{hold.hold_id} should have spent {hold.captured - hold.returned}")
    return found


def _awards_off(book: Book, key: MemberKey, moved: Mapping[tuple[str, str], int]) -> list[str]:
    found = []
    for award in book.awards.of(key).values():
        if not (0 <= award.reversed <= award.points and award.written_off >= 0):
            found.append(f"{award.award_id} is out of bounds: {award}")
        if award.state in ("pending", "waiting") and award.held_points and award.due_at is None:
            found.append(f"{award.award_id} would wait for ever")
        should = award.held_points + award.written_off - (award.points if award.kind == IMPORT else 0)
        if should != moved.get((key[1], award.award_id), 0):
            found.append(f"{award.award_id} should have moved {should}")
    return found
