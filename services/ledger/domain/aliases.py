"""Whose an event is after a merge: what is told of an id that was merged into another member concerns that member.

Example: `old-7` was merged into `ana`. A refund of an order of `old-7` from last year takes back what `ana` got for it;
an order that the shop still files under `old-7` earns for `ana`.

What a newcomer would get wrong: three things mean the old id alone. Shops delete the account that they merged away:
that forgets nobody. And until the tiers service hears of the merge, it keeps levels of both ids: that the old one is
kept or lowered says nothing about the member, that it rose does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.ledger.domain.records import MemberKey
from shared.events import CustomerDeleted, Event, TierKept, TierLowered
from shared.rows import replace

OF_THE_ID_ALONE = (CustomerDeleted, TierKept, TierLowered)


def led_home(events: Sequence[Event[Any]], homes: Mapping[MemberKey, MemberKey]) -> Sequence[Event[Any]]:
    """The same events in the same order, each about the member whose it is."""
    return [_led_home(event, homes) for event in events] if homes else events


def _led_home(event: Event[Any], homes: Mapping[MemberKey, MemberKey]) -> Event[Any]:
    if event.member_id is None or isinstance(event.data, OF_THE_ID_ALONE):
        return event
    home = homes.get((event.program_id, event.member_id))
    if home is None:
        return event
    name = "customer_id" if "customer_id" in event.data.__struct_fields__ else "member_id"
    return replace(event, data=replace(event.data, **{name: home[1]}))
