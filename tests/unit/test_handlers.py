"""Handlers over a batch: a refused event leaves nothing behind, and "not now" stops the batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.errors import InvalidInput, Unavailable
from shared.events import ContentShared, CustomerSignedUp, Event, OrderPaid
from shared.handlers import HandlerFailed, Handlers
from shared.rows import Entries, Journal, Rows
from tests.support.events import a_share, a_sign_up, an_order_paid

REFUSED, BROKEN, AWAY, FINE = "66.00", "99.00", "77.00", "1.00"


@dataclass
class Book:
    """One table and one list."""

    journal: Journal = field(default_factory=Journal)

    def __post_init__(self) -> None:
        self.totals: Rows[str, str, int] = Rows(self.journal)
        self.entries: Entries[str] = Entries(self.journal)


on = Handlers[Book]()


@on(OrderPaid, CustomerSignedUp)
def count(event: Event[Any], book: Book) -> None:
    """Writes first and refuses afterwards, as late as it can."""
    book.totals.put("all", "events", (book.totals.get("all", "events") or 0) + 1)
    book.entries.append(event.id)
    match getattr(event.data, "total", None):
        case "66.00":  # REFUSED
            raise InvalidInput("sixty-six is not liked")
        case "99.00":  # BROKEN
            raise ZeroDivisionError
        case "77.00":  # AWAY
            raise Unavailable("the moon is away")


@given(st.lists(st.sampled_from([REFUSED, FINE]), max_size=20))
def test_a_batch_comes_out_as_if_refused_events_had_never_come(totals: list[str]) -> None:
    events = [an_order_paid(total) for total in totals]
    book = Book()
    refused = on.run(events, book)
    good = [event.id for event in events if event.data.total == FINE]
    assert list(book.entries) == good
    assert book.totals.get("all", "events") == (len(good) or None)
    assert [*refused] == [place for place, total in enumerate(totals) if total != FINE]


def test_a_refusal_keeps_its_code_and_a_fault_gets_one() -> None:
    book, fine = Book(), an_order_paid(FINE)
    with capture_logs() as logs:
        refused = on.run([an_order_paid(REFUSED), an_order_paid(BROKEN), fine], book)
    assert [type(error) for error in refused.values()] == [InvalidInput, HandlerFailed]
    assert refused[1].message == "ZeroDivisionError: "
    assert [each["event"] for each in logs] == ["handler_failed"], "a bug is told, a refusal is not"
    assert list(book.entries) == [fine.id]


def test_not_now_is_raised_so_that_nothing_of_the_batch_is_written() -> None:
    with pytest.raises(Unavailable):
        on.run([an_order_paid(FINE), an_order_paid(AWAY), an_order_paid(FINE)], Book())


def test_an_event_without_a_handler_has_no_effect_and_is_no_refusal() -> None:
    book = Book()
    assert on.run([a_share()], book) == {}
    assert list(book.entries) == []


def test_a_service_listens_to_what_it_handles_and_each_event_has_one_handler() -> None:
    assert on.classes == (OrderPaid, CustomerSignedUp)
    with pytest.raises(AssertionError, match="two handlers for OrderPaid"):
        on(ContentShared, OrderPaid)(count)


def test_one_function_may_handle_several_types() -> None:
    book, order, sign_up = Book(), an_order_paid(FINE), a_sign_up()
    assert on.run([order, sign_up], book) == {}
    assert list(book.entries) == [order.id, sign_up.id]
