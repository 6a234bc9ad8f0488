"""Rows in memory: an undo goes back to the last mark, whatever was done since."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from shared.rows import Entries, Journal, Row, Rows, replace

GROUPS, KEYS = ("a", "b"), (1, 2, 3)

steps = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(GROUPS), st.sampled_from(KEYS), st.integers()),
    st.tuples(st.just("append"), st.integers()),
    st.tuples(st.just("mark")),
    st.tuples(st.just("undo")),
)


@dataclass
class Tables:
    """Two tables and two lists with one journal, and a plain model of them."""

    journal: Journal = field(default_factory=Journal)

    def __post_init__(self) -> None:
        self.rows: Rows[str, int, int] = Rows(self.journal)
        self.others: Rows[str, int, int] = Rows(self.journal)
        self.entries: Entries[int] = Entries(self.journal)
        self.rows.load("a", 1, -1)
        self.others.load("b", 3, -3)

    @property
    def state(self) -> object:
        """All that a reader, or the store, could see of them; a row that is written as it was is no change."""
        return (
            [dict(self.rows.of(group)) for group in GROUPS],
            [dict(self.others.of(group)) for group in GROUPS],
            [table.new() for table in (self.rows, self.others)],
            [row for row in self.rows.updated() if row != -1],
            [row for row in self.others.updated() if row != -3],
            list(self.entries),
            len(self.entries),
        )


def replayed(done: list[tuple[object, ...]]) -> object:
    """The state after these steps alone, none of them an undo."""
    tables = Tables()
    for step in done:
        act(tables, step)
    return tables.state


def act(tables: Tables, step: tuple[object, ...]) -> None:
    match step:
        case ("put", str(group), int(key), int(value)):
            tables.rows.put(group, key, value)
            tables.others.put(group, key, -value)
        case ("append", int(value)):
            tables.entries.append(value)
        case ("mark",):
            tables.journal.mark()
        case ("undo",):
            tables.journal.undo()


@given(st.lists(steps, max_size=40))
def test_an_undo_leaves_no_trace_of_what_was_done_since_the_mark(walk: list[tuple[object, ...]]) -> None:
    tables, kept, since = Tables(), list[tuple[object, ...]](), list[tuple[object, ...]]()
    for step in walk:
        act(tables, step)
        if step == ("mark",):
            kept, since = kept + since, []
        elif step == ("undo",):
            since = []
        else:
            since.append(step)
        assert tables.state == replayed(kept + since)


def test_rows_tell_what_is_new_and_what_has_changed() -> None:
    rows: Rows[str, int, str] = Rows(Journal())
    for key in (2, 1):
        rows.load("b", key, "loaded")
    rows.put("b", 2, "changed")
    rows.put("b", 1, "changed too")
    rows.put("a", 9, "new")
    assert (rows.new(), rows.updated()) == (["new"], ["changed too", "changed"])
    assert rows.get("b", 3) is rows.get("nobody", 1) is None


def test_a_group_that_was_asked_for_before_it_was_loaded_is_there_afterwards() -> None:
    rows: Rows[tuple[str, str], int, str] = Rows(Journal())
    anna = ("demo", "anna")
    assert rows.get(anna, 1) is None
    rows.load(("demo", "anna"), 1, "loaded")
    assert rows.get(anna, 1) == "loaded"
    rows.put(anna, 2, "new")
    assert rows.of(("demo", "anna")) == {1: "loaded", 2: "new"}


def test_a_new_row_of_a_refused_event_is_not_written() -> None:
    journal = Journal()
    rows: Rows[str, int, str] = Rows(journal)
    rows.put("a", 1, "refused")
    journal.undo()
    assert (rows.of("a"), rows.changed()) == ({}, [])


def test_a_changed_row_is_another_row() -> None:
    class Lot(Row, frozen=True, gc=False):
        remaining: int

    lot = Lot(30)
    assert (replace(lot, remaining=10), lot) == (Lot(10), Lot(30))
