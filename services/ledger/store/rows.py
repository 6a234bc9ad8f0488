"""Rows of Postgres, and the frozen rows of the book that they become, one function for each way.

What a newcomer would get wrong: a breakdown is not read when its award is loaded. Few awards of a batch are looked
into, and reading them all would be the dearest thing of loading them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import asyncpg
import msgspec
from msgspec.structs import astuple

from services.ledger.domain.records import Award, Hold, Member, Purchase, RefundAt, Usage
from services.ledger.store.levels import text_of
from shared.events import OrderPaid
from shared.rows import replace

Row = asyncpg.Record

_json = msgspec.json.Encoder()
_paid = msgspec.json.Decoder(OrderPaid)
_refunds = msgspec.json.Decoder(tuple[RefundAt, ...])
_BREAKDOWN = Award.__struct_fields__.index("breakdown")


class Stored(Mapping[str, Any]):
    """A breakdown as Postgres has it: read only where somebody looks into it, and not written again."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._text)
        return found

    def __getitem__(self, name: str) -> Any:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def purchase_of(row: Iterable[Any]) -> Purchase:
    """What is known of an order."""
    program_id, member_id, order_id, paid, *moments, refunds, removed_lines = row
    read = _paid.decode(paid) if paid is not None else None
    facts = (read, *moments, _refunds.decode(refunds), tuple(json.loads(removed_lines)))
    return Purchase(program_id, member_id, order_id, *facts)


def award_of(row: Iterable[Any]) -> Award:
    """An award; its breakdown is read only where somebody looks into it."""
    values = list(row)
    values[_BREAKDOWN] = Stored(values[_BREAKDOWN])
    return Award(*values)


def member_row(member: Member) -> tuple[Any, ...]:
    """A member as the columns of the update have it."""
    program_id, member_id, joined_at, levels, *moments = astuple(member)
    return (program_id, member_id, joined_at, text_of(levels) if levels else "[]", *moments)


def usage_row(usage: Usage) -> tuple[Any, ...]:
    """A usage as its columns have it."""
    *counted, points = astuple(usage)
    return (*counted, str(points))


def purchase_row(purchase: Purchase) -> tuple[Any, ...]:
    """A purchase as its columns have it."""
    program_id, member_id, order_id, paid, *moments, refunds, removed_lines = astuple(purchase)
    return (
        program_id,
        member_id,
        order_id,
        _json.encode(paid).decode() if paid is not None else None,
        *moments,
        _json.encode(refunds).decode() if refunds else "[]",
        json.dumps(removed_lines) if removed_lines else "[]",
    )


def award_row(award: Award) -> tuple[Any, ...]:
    """An award as its columns have it; null stands for a breakdown that did not change."""
    breakdown = award.breakdown
    row = list(astuple(award))
    # `type`, not `isinstance`, which asks the abstract Mapping and takes ten times as long.
    row[_BREAKDOWN] = None if type(breakdown) is Stored else _json.encode(breakdown).decode()
    return tuple(row)


def hold_row(hold: Hold) -> tuple[Any, ...]:
    """A hold as its columns have it."""
    draws = json.dumps([[each.lot_no, each.points] for each in hold.draws])
    return astuple(replace(hold, draws=draws))
