"""A purchase history from a CSV file, and the events that a shop would have published about it.

The orders are real: customer, day, quantity and amount are those of the file; only the dates are moved, by whole days,
so that the last order was yesterday. What the file does not tell (time of day, which CDs) is drawn from the seed, as is
all that `invention` adds.

What a newcomer would get wrong: each customer and each order draws from a generator of its own, seeded by its name. So
one more line in the file changes nothing about the other orders.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from shared.events import Event, OrderLine, OrderPaid, event_type

COLUMNS = ("customer_id", "date", "quantity", "amount_usd")
CURRENCY = "USD"
MAX_FAULTS = 20  # nobody reads the hundredth; the first ones tell what kind of file it is
MAX_LINES_OF_AN_ORDER = 3
CATALOGUE = 400  # so many made-up CDs; enough that two reviews of the same one are rare
OPENS, CLOSES = 8 * 3600, 22 * 3600  # orders fall between these seconds of the day
_CUSTOMER = re.compile(r"[^/\x00-\x1f]{1,100}")
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")
_QUANTITY = re.compile(r"[1-9][0-9]{0,5}")


class HistoryInvalid(Exception):
    """The file cannot be replayed; the message names each faulty line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: an order. `amount_minor` is in cents; `line` is its number, the header being 1."""

    line: int
    customer_id: str
    day: date
    quantity: int
    amount_minor: int

    @property
    def order_id(self) -> str:
        """The id of the order, which the file does not have."""
        return f"order-{self.line:06}"


@dataclass(frozen=True, slots=True)
class Placed:
    """An order on its moment of the moved calendar, with its lines."""

    order_id: str
    customer_id: str
    at: datetime
    amount_minor: int
    lines: tuple[OrderLine, ...]


def read_history(path: Path) -> list[Row]:
    """The orders of the file.

    Raises:
        HistoryInvalid: it cannot be read, has other columns, or lines that make no sense; each is named.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _rows(path.name, csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise HistoryInvalid(f"{path}: {error}") from None


def place(rows: Iterable[Row], *, last_day: date, zone: ZoneInfo, seed: int) -> list[Placed]:
    """The orders on the moved calendar, soonest first; the last one falls on `last_day`."""
    rows = list(rows)
    moved = last_day - max(row.day for row in rows)
    placed = [_placed(row, row.day + moved, zone, seed) for row in rows]
    return sorted(placed, key=lambda order: (order.at, order.order_id))


def paid(order: Placed, program_id: str, source: str) -> Event[OrderPaid]:
    """The event that the shop published when the order was paid."""
    return Event(
        id=f"{order.order_id}-paid",
        source=source,
        type=event_type(OrderPaid),
        program_id=program_id,
        time=order.at,
        data=OrderPaid(
            order_id=order.order_id,
            customer_id=order.customer_id,
            total=money(order.amount_minor),
            currency=CURRENCY,
            lines=order.lines,
            channel="web",
        ),
    )


def money(minor: int) -> str:
    """Cents as the decimal text of the contract."""
    return f"{minor // 100}.{minor % 100:02}"


def _rows(name: str, lines: Iterable[list[str]]) -> list[Row]:
    found: list[Row] = []
    faults: list[str] = []
    for number, fields in enumerate(lines, start=1):
        if number == 1:
            _check_header(name, fields)
        elif fields:
            row = _row(number, fields)
            if isinstance(row, Row):
                found.append(row)
            else:
                faults.append(f"{name}, line {number}: {row}")
    if not found and not faults:
        raise HistoryInvalid(f"{name} has no orders")
    if faults:
        more = [f"… and {len(faults) - MAX_FAULTS} more"] if len(faults) > MAX_FAULTS else []
        raise HistoryInvalid("\n".join([*faults[:MAX_FAULTS], *more]))
    return found


def _check_header(name: str, fields: list[str]) -> None:
    if tuple(field.strip() for field in fields) != COLUMNS:
        raise HistoryInvalid(
            f"{name}, line 1: the columns should be {','.join(COLUMNS)}; they are {','.join(fields)}"
        )


def _row(number: int, fields: list[str]) -> Row | str:
    """The order on this line, or what is wrong with it."""
    if len(fields) != len(COLUMNS):
        return f"{len(fields)} fields, where {len(COLUMNS)} should be"
    said: Mapping[str, str] = dict(zip(COLUMNS, (field.strip() for field in fields), strict=True))
    if not _CUSTOMER.fullmatch(said["customer_id"]):
        return "customer_id should have 1 to 100 characters, and no slash (it stands in addresses)"
    if not _QUANTITY.fullmatch(said["quantity"]):
        return f"quantity {said['quantity']!r} should be a whole number above 0"
    if not _AMOUNT.fullmatch(said["amount_usd"]):
        return f"amount_usd {said['amount_usd']!r} should be dollars and cents, such as 29.33"
    try:
        day = date.fromisoformat(said["date"])
    except ValueError:
        return f"date {said['date']!r} should be a day, such as 1997-01-18"
    dollars, _, cents = said["amount_usd"].partition(".")
    return Row(
        number, said["customer_id"], day, int(said["quantity"]), int(dollars) * 100 + int(cents.ljust(2, "0"))
    )


def _placed(row: Row, day: date, zone: ZoneInfo, seed: int) -> Placed:
    draw = Random(f"{seed}:{row.order_id}:{row.customer_id}")
    second = draw.randrange(OPENS, CLOSES)
    moment = datetime.combine(day, time(), tzinfo=zone) + timedelta(seconds=second)
    lines = _lines(row, draw)
    return Placed(row.order_id, row.customer_id, moment.astimezone(UTC), row.amount_minor, lines)


def _lines(row: Row, draw: Random) -> tuple[OrderLine, ...]:
    """The quantity and the amount of the file, spread over a few made-up CDs."""
    count = min(row.quantity, draw.randint(1, MAX_LINES_OF_AN_ORDER))
    quantities = _spread(row.quantity - count, count, draw)
    amounts = _spread(row.amount_minor, count, draw)
    products = draw.sample(range(1, CATALOGUE + 1), count)
    return tuple(
        OrderLine(
            line_id=str(number + 1),
            product_id=f"made-up-cd-{products[number]:03}",
            quantity=str(quantities[number] + 1),
            total=money(amounts[number]),
            categories=("music",),
        )
        for number in range(count)
    )


def _spread(whole: int, parts: int, draw: Random) -> list[int]:
    """`whole` cut at random into `parts` that sum to it."""
    cuts = sorted(draw.randint(0, whole) for _ in range(parts - 1))
    return [end - start for start, end in zip([0, *cuts], [*cuts, whole], strict=True)]
