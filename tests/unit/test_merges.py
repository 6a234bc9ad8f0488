"""Events around a merge of two members: where a batch is cut, and whose an event is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.events import MemberMerged, TierKept
from shared.merges import about, cut_at_merges
from tests.support.events import NOON, an_event, an_order_paid


@given(st.lists(st.booleans(), max_size=8))
def test_every_merge_is_a_part_of_its_own_and_the_order_stays(are_merges: list[bool]) -> None:
    merge, order = an_event(MemberMerged(member_id="a", merged_id="b")), an_order_paid("1.00")
    events = [merge if is_merge else order for is_merge in are_merges]
    parts = list(cut_at_merges(events))
    assert [event for _, part in parts for event in part] == events
    assert [start for start, _ in parts] == [sum(len(p) for _, p in parts[:n]) for n in range(len(parts))]
    assert all(len(part) == 1 or merge not in part for _, part in parts)


def test_an_event_about_another_name_says_the_same() -> None:
    order, level = (
        an_order_paid("1.00", member="old"),
        an_event(TierKept(member_id="old", level="x", since=NOON)),
    )
    assert [about(each, "new").member_id for each in (order, level)] == ["new", "new"]
    assert about(order, "old") == order
