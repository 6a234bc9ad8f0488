"""The agenda of a member names what falls due first, whatever was put, replaced or taken back meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.agenda import first_due
from services.ledger.domain.book import Book
from services.ledger.domain.records import Award
from shared.rows import replace
from tests.support.events import MEMBER, NOON, PROGRAM
from tests.support.ledger import PER_EURO, Desk, a_document

KEY = (PROGRAM, MEMBER)
NAMES = ("a", "b", "c")

steps = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(NAMES), st.one_of(st.none(), st.integers(0, 9))),
    st.tuples(st.just("look")),
    st.tuples(st.just("mark")),
    st.tuples(st.just("undo")),
)


def an_award(name: str, due_at: datetime | None) -> Award:
    return Award(*KEY, name, "points", "award", None, name, NOON, 1, 10, "pending", {}, due_at=due_at)


def soonest(book: Book) -> str | None:
    """The same by looking at everything."""
    dues = [(award.due_at, name) for name, award in book.awards.of(KEY).items() if award.due_at is not None]
    return min(dues)[1] if dues else None


@given(st.lists(steps, max_size=40))
def test_it_names_what_a_look_at_everything_finds(given_steps: list[tuple[object, ...]]) -> None:
    book = Desk(a_document(PER_EURO)).book
    for step in given_steps:
        match step:
            case ("put", str() as name, days):
                due_at = NOON + timedelta(days=days) if isinstance(days, int) else None
                book.put_award(an_award(name, due_at))
            case ("look",):
                due = first_due(book, KEY)
                assert (due[2] if due else None) == soonest(book)
            case ("mark",):
                book.journal.mark()
            case ("undo",):
                book.journal.undo()
    due = first_due(book, KEY)
    assert (due[2] if due else None) == soonest(book)


def test_what_is_looked_at_again_is_not_all_that_a_member_has() -> None:
    book = Desk(a_document(PER_EURO)).book
    book.members.put(KEY, "", replace(book.member(KEY), next_due=NOON))
    for number in range(100):
        book.put_award(an_award(f"{number:03}", NOON + timedelta(days=number)))
    first_due(book, KEY)
    book.put_award(an_award("000", None))
    assert book.awards.watch(KEY) == {"000": None}
    assert first_due(book, KEY) is not None
    assert not book.awards.watch(KEY)
