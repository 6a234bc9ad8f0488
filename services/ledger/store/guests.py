"""Orders of guests as rows: loaded and locked before the members, since whose they are is read in them.

What a newcomer would get wrong: the order of locks. Addresses first, then orders, then members, each sorted by key;
whoever wants more of one kind than before takes it in that order again. So nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from services.ledger.domain.book import Book
from services.ledger.domain.guest_needs import GuestNeeds, further_events, guest_needs_of
from services.ledger.domain.guests import Address, GuestOrder, Guests, Secret
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey, Purchase
from shared.database import AnyConnection
from shared.events import Event
from shared.programs import Versions
from shared.queries import Queries
from shared.rows import replace

FORGOTTEN_AT_ONCE = 1_000

R = TypeVar("R", Address, GuestOrder)

_json = msgspec.json.Encoder()
_purchase = msgspec.json.Decoder(Purchase)


@dataclass(frozen=True, slots=True)
class Found:
    """The guests' rows of a batch, locked. `further` says what the batch needs for those who may get the orders."""

    addresses: Sequence[Address]
    orders: Sequence[GuestOrder]
    further: Sequence[Event[Any]]
    secret: Secret

    @property
    def holders(self) -> Iterator[tuple[MemberKey, datetime]]:
        """Who has one of the addresses, and since when: what they get is booked then, or later."""
        for each in self.addresses:
            if each.member_id is not None and each.since is not None:
                yield (each.program_id, each.member_id), each.since

    def put_into(self, book: Book, homes: Mapping[MemberKey, MemberKey]) -> None:
        """Give the book its guests; what belongs to a member who was merged into another is that one's."""
        guests = book.guests = Guests(book.journal, self.secret)
        for address in self.addresses:
            guests.addresses.load(address.program_id, address.address, _at_home(address, homes))
        for order in self.orders:
            guests.orders.load(order.program_id, order.order_id, _at_home(order, homes))


async def load_guests(
    connection: AnyConnection,
    sql: Queries,
    events: Sequence[Event[Any]],
    programs: Mapping[str, Versions[LedgerProgram]],
    secret: Secret,
) -> Found | None:
    """The guests of these events; None where no program of theirs keeps any, or no event is about one."""
    needs = guest_needs_of(events, programs, secret)
    if needs is None or not (needs.orders or needs.told):
        return None
    addresses = await _lock_addresses(connection, sql, needs)
    orders = await _lock_orders(connection, sql, needs)
    return Found(addresses, orders, list(further_events(needs, addresses, orders)), secret)


async def save_guests(connection: AnyConnection, sql: Queries, book: Book) -> None:
    """Write what changed; all of these rows are there and locked."""
    if book.guests is None:
        return
    addresses = sorted(book.guests.addresses.changed(), key=lambda each: (each.program_id, each.address))
    if addresses:
        rows = [(each.program_id, each.address, each.member_id, each.since) for each in addresses]
        await connection.execute(sql.save_guest_addresses, *zip(*rows, strict=True))
    orders = sorted(book.guests.orders.changed(), key=lambda each: (each.program_id, each.order_id))
    if orders:
        await connection.execute(sql.save_guest_orders, *zip(*map(_order_row, orders), strict=True))


async def forget_guests(connection: AnyConnection, sql: Queries, now: datetime) -> int:
    """Forget some of the orders that nobody came for, and addresses of nobody or of the erased; how many there were."""
    orders = await connection.fetch(sql.forget_guest_orders, now, FORGOTTEN_AT_ONCE)
    addresses = await connection.fetch(sql.forget_guest_addresses, now, FORGOTTEN_AT_ONCE)
    erased = await connection.fetch(sql.forget_erased_addresses, FORGOTTEN_AT_ONCE)
    return len(orders) + len(addresses) + len(erased)


def _at_home(row: R, homes: Mapping[MemberKey, MemberKey]) -> R:
    home = homes.get((row.program_id, row.member_id or ""))
    return row if home is None else replace(row, member_id=home[1])


async def _lock_addresses(connection: AnyConnection, sql: Queries, needs: GuestNeeds) -> list[Address]:
    keys = sorted(needs.told)
    if not keys:
        return []
    rows: list[Any] = []
    while len(rows) < len(keys):  # one that was forgotten between the two statements is made again
        await connection.execute(sql.insert_guest_addresses, *zip(*keys, strict=True))
        rows = await connection.fetch(sql.lock_guest_addresses, *zip(*keys, strict=True))
    return [Address(*row) for row in rows]


async def _lock_orders(connection: AnyConnection, sql: Queries, needs: GuestNeeds) -> list[GuestOrder]:
    keys = set(needs.orders)
    told: list[tuple[str, UUID]] = sorted(place for place, members in needs.told.items() if members)
    if told:
        rows = await connection.fetch(sql.guest_orders_of_addresses, *zip(*told, strict=True))
        keys.update((row["program_id"], row["order_id"]) for row in rows)
    while keys:
        if needs.orders:
            await connection.execute(sql.insert_guest_orders, *zip(*sorted(needs.orders), strict=True))
        rows = await connection.fetch(sql.lock_guest_orders, *zip(*sorted(keys), strict=True))
        if needs.orders.keys() <= {(row["program_id"], row["order_id"]) for row in rows}:
            return [_order(row) for row in rows]
    return []


def _order(row: Any) -> GuestOrder:
    program_id, order_id, address, member_id, cause, kept, forget_at = row
    read = _purchase.decode(kept) if kept is not None else None
    return GuestOrder(program_id, order_id, address, member_id, cause, read, forget_at)


def _order_row(order: GuestOrder) -> tuple[Any, ...]:
    kept = _json.encode(order.kept).decode() if order.kept is not None else None
    return (
        order.program_id,
        order.order_id,
        order.address,
        order.member_id,
        order.cause,
        kept,
        order.forget_at,
    )
