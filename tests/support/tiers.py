"""Builders for tests of the tiers service: a program, events of one member, and a house without a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.tiers.domain.auditing import differences
from services.tiers.domain.book import Book, Member, MemberKey
from services.tiers.domain.course import Course
from services.tiers.domain.judging import settle
from services.tiers.handlers import on
from services.tiers.program import parse
from shared.errors import ServiceError
from shared.events import (
    CustomerDeleted,
    CustomerSignedUp,
    Event,
    OrderCancelled,
    OrderPaid,
    OrderRefunded,
    event_type,
)
from shared.programs import BEGINNING_OF_TIME

PROGRAM = "demo"
ANNA: MemberKey = (PROGRAM, "anna")
NOW = datetime(2030, 6, 1, tzinfo=UTC)


def a_program(**ladder: str) -> dict[str, Any]:
    """The program of the rules page, as its file says it; `ladder` replaces words of the ladder."""
    words = {
        "by": "spend",
        "window": "calendar year",
        "keep_until": "end of next year",
        "step_down": "one level",
    }
    return {
        "program": PROGRAM,
        "name": "Tea & Cup Club",
        "currency": "EUR",
        "time_zone": "Europe/Paris",
        "languages": ["fr", "en"],
        "tiers": {
            "ladder": words | ladder,
            "levels": [
                {"level": "Guest", "from": "0.00 EUR"},
                {
                    "level": "Regular",
                    "from": "350.00 EUR",
                    "earn_times": "1.25",
                    "entitles": {"free_shipping": {"order_at_least": "30.00 EUR"}},
                    "on_entry": {"points": "100"},
                },
                {
                    "level": "Habitué",
                    "from": "1000.00 EUR",
                    "earn_times": "1.5",
                    "entitles": {"free_shipping": "true", "priority_support": "true"},
                    "on_entry": {"points": "500"},
                },
            ],
        },
    }


def at(text: str) -> datetime:
    """A moment in UTC: `2026-03-01`, or with a time behind it."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def an_event(data: Any, time: str, event_id: str | None = None, **more: Any) -> Event[Any]:
    """An event of the shop; its id follows from what it says, unless one is given."""
    about = f"{data.member_id}:{getattr(data, 'order_id', '')}"
    name = event_id or f"{type(data).__name__}:{about}:{time}"
    return Event(
        id=name,
        source="shop",
        type=event_type(type(data)),
        program_id=PROGRAM,
        time=at(time),
        data=data,
        **more,
    )


def paid(order_id: str, total: str, time: str, member: str | None = "anna", **more: Any) -> Event[Any]:
    """An order was paid."""
    return an_event(OrderPaid(order_id=order_id, customer_id=member, total=total, **more), time)


def refunded(
    order_id: str, amount: str | None, time: str, member: str | None = "anna", **more: Any
) -> Event[Any]:
    """An order was refunded."""
    refund_id = more.pop("refund_id", f"{order_id}@{time}")
    data = OrderRefunded(order_id=order_id, customer_id=member, refund_id=refund_id, amount=amount, **more)
    return an_event(data, time)


def cancelled(order_id: str, time: str, member: str | None = "anna") -> Event[Any]:
    """An order was called off."""
    return an_event(OrderCancelled(order_id=order_id, customer_id=member), time)


def signed_up(time: str, member: str = "anna") -> Event[Any]:
    """Somebody opened an account."""
    return an_event(CustomerSignedUp(customer_id=member), time)


def deleted(time: str, member: str = "anna") -> Event[Any]:
    """Somebody asked to be forgotten."""
    return an_event(CustomerDeleted(customer_id=member), time)


@dataclass
class House:
    """The service without a database: one member's rows in memory, events in, announcements out."""

    documents: Sequence[tuple[datetime, dict[str, Any]]] = field(
        default_factory=lambda: [(BEGINNING_OF_TIME, a_program())]
    )
    now: datetime = NOW
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        course = Course([(since, parse(document)) for since, document in self.documents])
        self.book = Book({PROGRAM: course}, self.now)
        self.book.members.load(ANNA, "", Member(program_id=PROGRAM, member_id="anna"))

    def receives(self, *events: Event[Any]) -> House:
        """Handle events that must all be accepted."""
        refused = self.tries(*events)
        assert not refused, refused
        return self

    def tries(self, *events: Event[Any]) -> dict[int, ServiceError]:
        """Handle events; what was refused."""
        return on.run(events, self.book)

    def reaches(self, time: str) -> House:
        """Let the clock's job do all that is due up to a moment."""
        settle(self.book, ANNA, at(time))
        return self

    @property
    def member(self) -> Member:
        return self.book.member(ANNA)

    @property
    def standing(self) -> tuple[str | None, str | None]:
        """The level, and the last day on which it is valid."""
        return self.member.level, last_day(self.member.valid_until)

    @property
    def spent(self) -> dict[int, int]:
        """Minor units by year, without empty years."""
        return {year: minor for year, minor in self.book.spent(ANNA).items() if minor}

    @property
    def told(self) -> list[str]:
        """The announcements, in short: `raised Regular`."""
        return [short(event) for event in self.book.outgoing]

    def audit(self) -> list[str]:
        """What a recount of the orders finds wrong."""
        return differences(self.book, ANNA)


def last_day(until: datetime | None) -> str | None:
    """The last day of a validity in Paris; None for one that never ends."""
    return None if until is None else f"{until:%Y-%m-%d}"  # midnight in Paris is 23:00 UTC of the day before


def short(event: Event[Any]) -> str:
    """An announcement as `raised Regular`."""
    return f"{event.type.split('.')[1]} {event.data.level}"


def points(grants: Iterable[Any]) -> list[int]:
    """The points of grants, in their order."""
    return [grant.points for grant in grants]
