"""Past orders out of a CSV file: one row a line of an order, or one row an order.

The columns `customer_id`, `date` and `total` (or `amount_usd`, `total_eur`, …, which say the currency too) have to be
there; those in `OPTIONAL` may. Rows that share an `order_id` are the lines of one order.

What a newcomer would get wrong: a `total` is what the line costs before the `discount` of its row, with tax and without
shipping, and a row without a customer is the order of a guest, who earns nothing but did bring revenue.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from sys import intern
from typing import TypeVar

from shared.errors import Kind, ServiceError
from shared.money import digits_of, minor_units
from shared.rows import Row

REQUIRED = ("customer_id", "date")
OPTIONAL = (
    "order_id",
    "currency",
    "quantity",
    "discount",
    "sku",
    "product_id",
    "category",
    "brand",
    "channel",
    "payment_method",
)
MAX_FAULTS = 20  # nobody reads the hundredth; the first ones tell what kind of file it is
MAX_ID = 200  # as in the event contract
FIRST_YEAR, LAST_YEAR = 1970, 2200  # older ones precede every program; later ones are slips
DELIMITERS = ",;\t"  # as spreadsheets of different countries write them

_AMOUNT_IN = re.compile(r"(?:amount|total)_([a-z]{3})")
_QUANTITY = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_ABSENT = -1

T = TypeVar("T")


class OrdersInvalid(ServiceError):
    """The file of orders cannot be read; each fault is named with its line and column."""

    kind = Kind.INVALID
    code = "orders_invalid"


class PastLine(Row, frozen=True, gc=False):
    """One line: what it cost, its discount taken off, in minor units, and by what a rule may name it."""

    total_minor: int
    quantity: str = "1"
    sku: str | None = None
    product_id: str | None = None
    brand: str | None = None
    categories: tuple[str, ...] = ()


class PastOrder(Row, frozen=True, gc=False):
    """One order. `when` is as written: a day, a time of no zone (the shop's), or a moment; no customer = a guest."""

    order_id: str
    customer_id: str | None
    when: date | datetime
    currency: str
    lines: tuple[PastLine, ...]
    channel: str | None = None
    payment_method: str | None = None

    @property
    def total_minor(self) -> int:
        """What was paid for it, in minor units."""
        return sum([line.total_minor for line in self.lines])

    @property
    def day(self) -> date:
        """The day as written."""
        return self.when.date() if isinstance(self.when, datetime) else self.when


class History(Row, frozen=True, gc=False):
    """All orders of a file, in its order, and the names of columns that were not read."""

    orders: tuple[PastOrder, ...]
    unread: tuple[str, ...] = ()

    @property
    def has_times(self) -> bool:
        """Whether any order says its time of day."""
        return any(isinstance(order.when, datetime) for order in self.orders)

    @property
    def last_day(self) -> date:
        """The day of the last order."""
        return max(order.day for order in self.orders)


def read_orders(path: Path, currency: str) -> History:
    """The orders of the file; `currency` is that of amounts which say none.

    Raises:
        OrdersInvalid: it cannot be read, lacks a column, or has rows that make no sense; each is named.
    """
    reader = _Reader(path.name, currency)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return reader.read(file)
    except UnicodeDecodeError:
        raise OrdersInvalid(f"{path} is not text in UTF-8; save it as `CSV UTF-8`") from None
    except OSError as error:
        raise OrdersInvalid(f"{path} cannot be read: {error.strerror}") from None


class _Fault(Exception):
    """What is wrong in one column of a row."""


class _Reader:
    """Reads one file, and collects the faults on the way."""

    def __init__(self, name: str, currency: str) -> None:
        self._name = name
        self._currency = currency
        self._place: dict[str, int] = {}
        self._total = ""
        self._line = 1
        self._faults: list[str] = []
        self._orders: dict[str, tuple[PastOrder, int, list[PastLine]]] = {}

    def read(self, file: Iterable[str]) -> History:
        lines = iter(file)
        first = next(lines, "")
        delimiter = max(DELIMITERS, key=first.count)
        unread = self._header(next(csv.reader([first], delimiter=delimiter), []))
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for fields in rows:
                self._line += 1
                if any(fields):
                    self._row([field.strip() for field in fields])
                self._line = rows.line_num + 1
        except csv.Error as error:
            self._faults.append(f"{self._name}:{rows.line_num + 1}: {error}")
        self._refuse_faults()
        return History(tuple([_whole(order, lines) for order, _, lines in self._orders.values()]), unread)

    def _header(self, fields: list[str]) -> tuple[str, ...]:
        """Find the columns; the names of those that nobody reads."""
        names = [field.strip().lower() for field in fields]
        for twice in sorted({name for name in names if name and names.count(name) > 1}):
            self._faults.append(f"{self._name}:1: the column {twice} stands there twice")
        totals = [name for name in names if name == "total" or _AMOUNT_IN.fullmatch(name)]
        missing = [name for name in REQUIRED if name not in names] + ([] if totals else ["total"])
        for name in missing:
            there = ", ".join(name for name in names if name) or "none"
            self._faults.append(f"{self._name}:1: the column {name} is missing; there are: {there}")
        if len(totals) > 1:
            self._faults.append(f"{self._name}:1: keep one of the columns {' and '.join(totals)}")
        self._refuse_faults(empty=False)
        self._total = totals[0]
        found = _AMOUNT_IN.fullmatch(self._total)
        if found:
            self._currency = self._currency_of(found[1].upper(), self._total)
        known = {*REQUIRED, *OPTIONAL, self._total}
        self._place = {name: place for place, name in enumerate(names) if name in known}
        return tuple(name for name in names if name and name not in known)

    def _currency_of(self, code: str, column: str) -> str:
        try:
            digits_of(code)
        except ServiceError as error:
            raise OrdersInvalid(f"{self._name}:1: {column}: {error.message}") from None
        return code

    def _row(self, fields: list[str]) -> None:
        width = max(self._place.values()) + 1
        if len(fields) < width:
            self._faults.append(f"{self._name}:{self._line}: {len(fields)} fields, where {width} should be")
            return
        said = {name: fields[place] for name, place in self._place.items()}
        before = len(self._faults)
        order = self._order(said)
        line = self._past_line(said, order.currency if order else self._currency)
        if order is not None and line is not None and len(self._faults) == before:
            self._add(order, line)

    def _order(self, said: Mapping[str, str]) -> PastOrder | None:
        order_id = self._column("order_id", said, _name) if "order_id" in said else f"row-{self._line}"
        customer_id = self._column("customer_id", said, _name_or_none)
        when = self._column("date", said, _when)
        currency = self._column("currency", said, self._code) if said.get("currency") else self._currency
        if order_id is None or when is None or currency is None:
            return None
        channel, payment = (said.get(name) or None for name in ("channel", "payment_method"))
        return PastOrder(
            order_id,
            customer_id,
            when,
            currency,
            (),
            channel and intern(channel),
            payment and intern(payment),
        )

    def _past_line(self, said: Mapping[str, str], currency: str) -> PastLine | None:
        total = self._column(self._total, said, lambda text: _amount(text, currency))
        discount = (
            self._column("discount", said, lambda text: _amount(text, currency))
            if said.get("discount")
            else 0
        )
        quantity = self._column("quantity", said, _quantity) if said.get("quantity") else "1"
        if total is None or discount is None or quantity is None:
            return None
        if discount > total:
            self._fault(
                "discount", f"{said['discount']} is more than the {self._total} of {said[self._total]}"
            )
        sku, product, brand = (said.get(name) or None for name in ("sku", "product_id", "brand"))
        categories = tuple(
            [intern(name) for part in said.get("category", "").split("|") if (name := part.strip())]
        )
        return PastLine(
            total - discount,
            intern(quantity),
            sku and intern(sku),
            product and intern(product),
            brand and intern(brand),
            categories,
        )

    def _add(self, order: PastOrder, line: PastLine) -> None:
        """Put the line to its order; all rows of an order must say the same of it."""
        known = self._orders.get(order.order_id)
        if known is None:
            self._orders[order.order_id] = (order, self._line, [line])
            return
        first, at, lines = known
        lines.append(line)
        for column, before, now in (
            ("customer_id", first.customer_id, order.customer_id),
            ("date", first.when, order.when),
            ("currency", first.currency, order.currency),
        ):
            if before != now:
                self._fault(
                    column,
                    f"order {order.order_id} says {now or 'nobody'} here and {before or 'nobody'} on line {at}",
                )

    def _column(self, column: str, said: Mapping[str, str], read: Callable[[str], T]) -> T | None:
        try:
            return read(said[column])
        except _Fault as fault:
            self._fault(column, str(fault))
            return None

    def _code(self, text: str) -> str:
        try:
            digits_of(text)
        except ServiceError as error:
            raise _Fault(error.message) from None
        return intern(text)

    def _fault(self, column: str, message: str) -> None:
        self._faults.append(f"{self._name}:{self._line}: {column}: {message}")

    def _refuse_faults(self, *, empty: bool = True) -> None:
        if not self._faults and empty and not self._orders:
            self._faults.append(f"{self._name} has no orders, only a header")
        if self._faults:
            more = len(self._faults) - MAX_FAULTS
            told = [*self._faults[:MAX_FAULTS], *([f"… and {more} more"] if more > 0 else [])]
            raise OrdersInvalid("\n".join(told))


def _whole(order: PastOrder, lines: list[PastLine]) -> PastOrder:
    return PastOrder(
        order.order_id,
        order.customer_id,
        order.when,
        order.currency,
        tuple(lines),
        order.channel,
        order.payment_method,
    )


def _name(text: str) -> str:
    if not text:
        raise _Fault("this is empty; write the shop's id")
    if len(text) > MAX_ID:
        raise _Fault(f"an id has at most {MAX_ID} characters, not {len(text)}")
    return text


def _name_or_none(text: str) -> str | None:
    return _name(text) if text else None


def _when(text: str) -> date | datetime:
    try:
        found = date.fromisoformat(text) if len(text) <= len("2026-01-31") else datetime.fromisoformat(text)
    except ValueError:
        raise _Fault(f"{text[:40]!r} is no date; write 2026-01-31, or 2026-01-31 14:05") from None
    if not FIRST_YEAR < found.year < LAST_YEAR:
        raise _Fault(f"{text[:40]!r} is not between {FIRST_YEAR + 1} and {LAST_YEAR - 1}")
    return found


def _amount(text: str, currency: str) -> int:
    try:
        minor = minor_units(text, currency)
    except ServiceError as error:
        raise _Fault(error.message) from None
    if minor < 0:
        raise _Fault(f"{text} is below zero; refunds are not read, so leave their rows out")
    return minor


def _quantity(text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise _Fault(f"{text[:40]!r} is no quantity; write 2, or 1.5")
    return text
