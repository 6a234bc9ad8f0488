"""What of one member has to be in memory so that what is due can be done: that alone, and when the next thing is due.

Example: a member has 15,000 pending awards and 10,000 lots. Up to this midnight 300 of the awards come due, and nothing
is to be told of a lot: the 300 are brought, and of the rest only the moment of the soonest.

What a newcomer would get wrong: most of what falls due concerns its own row, but not all. A life by activity, or a new
expiry policy, moves every lot; a hold that times out gives back to the lots that it drew from: whoever has that due
needs everything. What is told of lots is told of a group, so a group is brought whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.ledger.domain.book import Book
from services.ledger.domain.expiring import days_in, first_step, next_told
from services.ledger.domain.records import Lot, MemberKey
from services.ledger.domain.switching import unfollowed
from shared.rows import Row

SPARE_DAYS = 2  # a day ends at a midnight of its own zone, and is not always 24 hours long

Group = tuple[str, datetime]
"""The lots of an asset that expire at one moment."""


class OpenLots(Row, frozen=True, gc=False):
    """The lots of a group in which something is left; `since` is the earliest from which one of them is to be told of.

    Without `since`, they expire beyond the horizon, and nobody looked when they were opened.
    """

    asset: str
    expires_at: datetime
    since: datetime | None


@dataclass(slots=True)
class Coming:
    """`told` are the groups of which something is told up to the moment asked for, `expiring` those that expire.

    `next_due` is when the soonest of all others falls due; it may be too early, never too late.
    """

    told: list[Group] = field(default_factory=list)
    expiring: list[Group] = field(default_factory=list)
    next_due: datetime | None = None


def moves_all_lots(book: Book, key: MemberKey, until: datetime) -> bool:
    """Whether what comes up to then, whatever it is, may move every lot of the member."""
    if any(version.rules.lives_by_activity for version in book.versions_of(key[0]).all):
        return True
    return any(switch.at <= until for switch in unfollowed(book, key))


def horizon_of(book: Book, key: MemberKey, asset: str, until: datetime) -> datetime:
    """Of lots that expire after it, nothing is told up to `until`."""
    return until + timedelta(days=max(days_in(book, key[0], asset), default=0) + SPARE_DAYS)


def coming_of(book: Book, key: MemberKey, until: datetime, groups: Iterable[OpenLots]) -> Coming:
    """What of these lots comes up to `until`; `next_due` also knows of the next switch of the expiry policy."""
    found = Coming()
    moments = [switch.at for switch in unfollowed(book, key)]
    for each in groups:
        at = _first_look(book, key, each)
        if at > until:
            moments.append(at)
        elif each.expires_at > at:
            found.told.append((each.asset, each.expires_at))
        else:
            found.expiring.append((each.asset, each.expires_at))
    found.next_due = min(moments, default=None)
    return found


def _first_look(book: Book, key: MemberKey, group: OpenLots) -> datetime:
    """When the first of these lots is to be told of, else their expiry."""
    if group.since is None:
        return first_step(book, key[0], group.asset, group.expires_at)
    oldest = Lot(*key, group.asset, 0, None, None, group.since, group.expires_at, 1, 1)
    told = next_told(book, oldest)
    return group.expires_at if told is None else told.at
