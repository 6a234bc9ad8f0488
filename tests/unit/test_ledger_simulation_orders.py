"""Past orders from a CSV file: what is read, and what is said of a file that makes no sense."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from services.ledger.simulation.orders import MAX_FAULTS, OrdersInvalid, PastLine, PastOrder, read_orders
from tests.support.simulation import a_history


def test_a_row_is_an_order_where_the_file_has_no_order_ids(tmp_path: Path) -> None:
    history = a_history(tmp_path, "customer_id,date,quantity,amount_usd\n00004,1997-01-18,2,29.73\n")
    line = PastLine(2973, "2")
    assert history.orders == (PastOrder("row-2", "00004", date(1997, 1, 18), "USD", (line,)),)
    assert not history.has_times


def test_rows_of_one_order_are_its_lines_wherever_they_stand(tmp_path: Path) -> None:
    history = a_history(
        tmp_path,
        """
        order_id,customer_id,date,total,currency,category,sku,quantity,discount,channel
        1001,ann,2026-01-10 09:30,25.00,EUR,tea|gifts,T-1,1.5,1.92,web
        1002,,2026-01-11 10:00,9.00,CHF,,,,,
        1001,ann,2026-01-10 09:30,40.00,EUR,cups,C-1,,3.08,web
        """,
    )
    first, second = history.orders
    assert first == PastOrder(
        "1001",
        "ann",
        datetime(2026, 1, 10, 9, 30),  # noqa: DTZ001 - as the file says it: of the shop's zone
        "EUR",
        (
            PastLine(2308, "1.5", "T-1", categories=("tea", "gifts")),
            PastLine(3692, "1", "C-1", categories=("cups",)),
        ),
        channel="web",
    )
    assert first.total_minor == 6000
    assert (second.customer_id, second.currency) == (None, "CHF")
    assert history.has_times


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_spreadsheets_of_other_countries_separate_otherwise(tmp_path: Path, delimiter: str) -> None:
    text = "customer_id,date,total\nann,2026-01-10,25.00".replace(",", delimiter)
    assert a_history(tmp_path, text).orders[0].total_minor == 2500


def test_what_nobody_reads_is_named(tmp_path: Path) -> None:
    history = a_history(tmp_path, "Customer_ID, Date ,total,catgory\nann,2026-01-10,25.00,tea")
    assert history.unread == ("catgory",)


HEAD = "order_id,customer_id,date,total,currency,quantity,discount"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "date,total\n2026-01-10,5",
            "orders.csv:1: the column customer_id is missing; there are: date, total",
        ),
        ("customer_id,date,amount_usd,total\n", "orders.csv:1: keep one of the columns amount_usd and total"),
        ("customer_id,date,total_xxx\n", "orders.csv:1: total_xxx: 'XXX' is no currency of ISO 4217"),
        ("customer_id,date,date,total\n", "orders.csv:1: the column date stands there twice"),
        ("customer_id,date,total\n", "orders.csv has no orders, only a header"),
        ("", "orders.csv:1: the column customer_id is missing; there are: none"),
        ("customer_id,date,total\nann,2026-01-10", "orders.csv:2: 2 fields, where 3 should be"),
        (
            f"{HEAD}\n1,ann,10/01/2026,5,EUR,,",
            "orders.csv:2: date: '10/01/2026' is no date; write 2026-01-31, or 2026-01-31 14:05",
        ),
        (
            f"{HEAD}\n1,ann,1066-10-14,5,EUR,,",
            "orders.csv:2: date: '1066-10-14' is not between 1971 and 2199",
        ),
        (
            f'{HEAD}\n1,ann,2026-01-10,"12,50",EUR,,',
            "orders.csv:2: total: '12,50' is no amount of money, such as 12.50.",
        ),
        (
            f"{HEAD}\n1,ann,2026-01-10,12.505,EUR,,",
            "orders.csv:2: total: 12.505 EUR is finer than the currency: it has 2 decimals.",
        ),
        (
            f"{HEAD}\n1,ann,2026-01-10,-5.00,EUR,,",
            "orders.csv:2: total: -5.00 is below zero; refunds are not read, so leave their rows out",
        ),
        (f"{HEAD}\n1,ann,2026-01-10,5,euro,,", "orders.csv:2: currency: 'euro' is no currency of ISO 4217"),
        (
            f"{HEAD}\n1,ann,2026-01-10,5,EUR,two,",
            "orders.csv:2: quantity: 'two' is no quantity; write 2, or 1.5",
        ),
        (
            f"{HEAD}\n1,ann,2026-01-10,5.00,EUR,1,6.00",
            "orders.csv:2: discount: 6.00 is more than the total of 5.00",
        ),
        (f"{HEAD}\n,ann,2026-01-10,5,EUR,,", "orders.csv:2: order_id: this is empty; write the shop's id"),
        (
            f"{HEAD}\n1,ann,2026-01-10,5,EUR,,\n\n1,bob,2026-01-10,5,EUR,,",
            "orders.csv:4: customer_id: order 1 says bob here and ann on line 2",
        ),
        ('customer_id,date,total\nann,2026-01-10,5\n"ann', "orders.csv:3: unexpected end of data"),
    ],
)
def test_a_fault_is_told_with_its_line_its_column_and_what_would_be_right(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(OrdersInvalid) as refused:
        a_history(tmp_path, text)
    assert refused.value.message.startswith(told)


def test_all_faults_are_told_at_once_but_no_more_than_people_read(tmp_path: Path) -> None:
    rows = "\n".join("ann,2026-01-10,free" for _ in range(MAX_FAULTS + 5))
    with pytest.raises(OrdersInvalid) as refused:
        a_history(tmp_path, f"customer_id,date,total\n{rows}")
    lines = refused.value.message.splitlines()
    assert lines[0].startswith("orders.csv:2: total: 'free' is no amount")
    assert lines[MAX_FAULTS - 1].startswith(f"orders.csv:{MAX_FAULTS + 1}: ")
    assert lines[-1] == "… and 5 more"


def test_a_file_that_is_not_there_or_is_no_text_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OrdersInvalid, match=r"nowhere.csv cannot be read: No such file"):
        read_orders(tmp_path / "nowhere.csv", "EUR")
    (tmp_path / "latin.csv").write_bytes("customer_id,date,total\nRenée,2026-01-10,5".encode("latin-1"))
    with pytest.raises(OrdersInvalid, match=r"latin.csv is not text in UTF-8; save it as `CSV UTF-8`"):
        read_orders(tmp_path / "latin.csv", "EUR")
