"""Pages and ETags: what callers pass back is either exactly what we gave them or refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ServiceError
from shared.http.etags import (
    PreconditionFailed,
    PreconditionRequired,
    etag_of,
    is_unchanged,
    require_match,
)
from shared.http.paging import CursorInvalid, Cursors

LOTS = Cursors("lots", tuple[datetime, str])
ENTRIES = Cursors("entries", tuple[datetime, str])
KEY = (datetime(2026, 3, 1, 12, tzinfo=UTC), "lot-1")


@given(st.datetimes(timezones=st.just(UTC)), st.text())
def test_a_cursor_comes_back_as_the_key_it_was_made_of(moment: datetime, name: str) -> None:
    assert LOTS.read(LOTS.write((moment, name))) == (moment, name)


@given(st.text(max_size=60))
def test_any_other_text_is_refused_and_never_a_fault_of_ours(text: str) -> None:
    with pytest.raises(CursorInvalid):
        LOTS.read(text)


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(CursorInvalid, match="another list"):
        LOTS.read(ENTRIES.write(KEY))


def test_without_a_cursor_the_first_page_is_meant() -> None:
    assert LOTS.read(None) is None


@pytest.mark.parametrize(("rows", "has_next"), [(0, False), (2, False), (3, True)])
def test_a_page_has_a_successor_only_if_there_is_one_more_row(rows: int, has_next: bool) -> None:
    numbers = Cursors("numbers", tuple[int])
    page, cursor = numbers.cut(list(range(rows)), 2, key=lambda row: (row,))
    assert list(page) == list(range(rows))[:2]
    assert numbers.read(cursor) == ((1,) if has_next else None)


@pytest.mark.parametrize(
    ("if_match", "version", "refusal"),
    [
        ('"3"', 3, None),
        ('"1", "3"', 3, None),
        ("*", 3, None),
        (None, None, None),
        ('"2"', 3, PreconditionFailed),
        ('W/"3"', 3, PreconditionFailed),
        ("3", 3, PreconditionFailed),
        ("*", None, PreconditionFailed),
        (None, 3, PreconditionRequired),
    ],
)
def test_a_write_goes_through_only_for_who_saw_what_it_replaces(
    if_match: str | None, version: int | None, refusal: type[ServiceError] | None
) -> None:
    if refusal is None:
        require_match(if_match, version)
    else:
        with pytest.raises(refusal):
            require_match(if_match, version)


@pytest.mark.parametrize(
    ("if_none_match", "unchanged"),
    [('"3"', True), ('W/"3"', True), ("*", True), ('"2"', False), (None, False)],
)
def test_a_reader_with_the_current_version_is_told_so(if_none_match: str | None, unchanged: bool) -> None:
    assert is_unchanged(if_none_match, 3) is unchanged
    assert etag_of(3) == '"3"'
