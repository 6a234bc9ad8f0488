"""What a batch needs of guests: which addresses and orders, and which members may get what was kept.

What a newcomer would get wrong: whose a guest's order is turns out only while the batch is handled: a sign-up in it may
claim an order that comes after it. So everybody who may get an order is brought in, with all that the order would need
if it had been told of them (`further_events`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.ledger.domain.guests import Address, GuestOrder, Secret, keep_guests, statements_of
from services.ledger.domain.needs import OF_ORDERS
from services.ledger.domain.program import LedgerProgram
from shared.events import (
    CustomerSignedUp,
    CustomerUpdated,
    Event,
    OrderPaid,
)
from shared.programs import Versions
from shared.rows import replace

TELL_ADDRESS = (CustomerSignedUp, CustomerUpdated)

Place = tuple[str, UUID]
"""Program and hash of an address."""


@dataclass(slots=True)
class GuestNeeds:
    """Keys of rows, sorted by who asks: orders by program and id, addresses with the members who tell them."""

    orders: dict[tuple[str, str], set[Place]] = field(default_factory=dict)
    """The orders that events of guests are about, with the addresses that these events name."""
    told: dict[Place, set[str]] = field(default_factory=dict)
    """Every address that the batch names, with the members who tell it."""
    events: list[Event[Any]] = field(default_factory=list)
    """The events of guests."""


def guest_needs_of(
    events: Sequence[Event[Any]], programs: Mapping[str, Versions[LedgerProgram]], secret: Secret
) -> GuestNeeds | None:
    """What these events need of guests; None where no program keeps their orders."""
    keeping = {program_id for program_id, versions in programs.items() if keep_guests(versions)}
    if not keeping:
        return None
    needs = GuestNeeds()
    for event in events:
        if event.program_id not in keeping:
            continue
        if isinstance(event.data, TELL_ADDRESS):
            told = secret.address(event.program_id, event.data.email)
            if told is not None:
                needs.told.setdefault((event.program_id, told), set()).add(event.data.customer_id)
        elif type(event.data) in OF_ORDERS and event.data.customer_id is None:
            _add_order(needs, event, secret)
    return needs


def _add_order(needs: GuestNeeds, event: Event[Any], secret: Secret) -> None:
    needs.events.append(event)
    named = needs.orders.setdefault((event.program_id, event.data.order_id), set())
    address = (
        secret.address(event.program_id, event.data.email) if isinstance(event.data, OrderPaid) else None
    )
    if address is not None:
        named.add((event.program_id, address))
        needs.told.setdefault((event.program_id, address), set())


def further_events(
    needs: GuestNeeds, addresses: Iterable[Address], orders: Iterable[GuestOrder]
) -> Iterator[Event[Any]]:
    """What the batch would be about if each order of a guest were told of whoever may get it."""
    tellers = {place: set(members) for place, members in needs.told.items()}
    for address in addresses:
        if address.member_id is not None:
            tellers.setdefault((address.program_id, address.address), set()).add(address.member_id)
    owners: dict[tuple[str, str], set[str]] = {}
    for order in orders:
        mine = owners.setdefault((order.program_id, order.order_id), set())
        if order.member_id is not None:
            mine.add(order.member_id)
        elif order.address is not None:
            mine |= tellers.get((order.program_id, order.address), set())
        for member_id in sorted(mine):
            yield from statements_of(order, member_id)
    for event in needs.events:
        key = (event.program_id, event.data.order_id)
        named = [tellers[place] for place in needs.orders[key]]
        for member_id in sorted(owners.get(key, set()).union(*named)):
            yield replace(event, data=replace(event.data, customer_id=member_id))
