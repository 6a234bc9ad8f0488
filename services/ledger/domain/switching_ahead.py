"""What a change of the expiry policy would do to the lots that are there, before it is applied.

Example: 12 months become 24. Of three lots two were opened in the last year and live a year longer; the third expires
tonight and does not: 2 lots would live longer, 1 as long as now. Only what never expired can live shorter: from `never`
to 12 months, it lives for 12 months from the switch.

What a newcomer would get wrong: a lot follows a switch when its member is looked at, so what its row says may still be
of a version before. Both sides are reckoned: as it lives under the versions that there are, and with the new one.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.ledger.domain.book import Book
from services.ledger.domain.records import Lot
from services.ledger.domain.switching import Switch, moved_by
from shared.rows import Row, replace

OpenLot = tuple[Lot, int]
"""A lot that holds something, and up to which version its member's lots have followed."""


class Moved(Row, frozen=True, gc=False):
    """How many lots and points of an asset would live longer, as long as now, or, where they never expired, shorter."""

    asset: str
    longer_lots: int = 0
    longer_points: int = 0
    same_lots: int = 0
    same_points: int = 0
    shorter_lots: int = 0
    shorter_points: int = 0


def moved_ahead(
    book: Book, lots: Iterable[OpenLot], switches: Iterable[Switch], wanted: int
) -> dict[str, Moved]:
    """By asset, what the switch to the version `wanted`, the last of `switches`, makes of these lots.

    `book` knows the versions, the wanted one too; nothing in it changes.
    """
    found: dict[str, Moved] = {}
    known = [switch for switch in switches if switch.version != wanted]
    ahead = [switch for switch in switches if switch.version == wanted]
    for lot, followed in lots:
        now = _followed(book, lot, [switch for switch in known if switch.version > followed])
        then = _followed(book, now, ahead)
        found[lot.asset] = _added(found.get(lot.asset) or Moved(lot.asset), lot.remaining, now, then)
    return found


def _followed(book: Book, lot: Lot, switches: Iterable[Switch]) -> Lot:
    for switch in switches:
        if lot.expires_at is None or switch.at < lot.expires_at:
            lot = moved_by(book, lot, switch)
    return lot


def _added(before: Moved, points: int, now: Lot, then: Lot) -> Moved:
    if then.expires_at == now.expires_at:
        return replace(before, same_lots=before.same_lots + 1, same_points=before.same_points + points)
    if now.expires_at is None:
        return replace(
            before, shorter_lots=before.shorter_lots + 1, shorter_points=before.shorter_points + points
        )
    return replace(before, longer_lots=before.longer_lots + 1, longer_points=before.longer_points + points)
