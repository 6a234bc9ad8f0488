"""Events around a merge of two members: where a batch is cut, and an event told of the member whose it is now.

What a newcomer would get wrong: topics overtake each other. What was told of the old id may come long after the merge,
and before it in the same batch; so a batch is handled in parts, in its order, and each part looks up whose it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from shared.events import Event, MemberMerged
from shared.rows import replace


def cut_at_merges(events: Sequence[Event[Any]]) -> Iterator[tuple[int, Sequence[Event[Any]]]]:
    """The batch in parts, each with the place of its first event: every merge is a part of its own."""
    start = 0
    for place, event in enumerate(events):
        if isinstance(event.data, MemberMerged):
            if start < place:
                yield start, events[start:place]
            yield place, events[place : place + 1]
            start = place + 1
    if start < len(events):
        yield start, events[start:]


def about(event: Event[Any], member_id: str) -> Event[Any]:
    """The same event, of another name of the member."""
    name = "customer_id" if "customer_id" in event.data.__struct_fields__ else "member_id"
    return replace(event, data=replace(event.data, **{name: member_id}))
