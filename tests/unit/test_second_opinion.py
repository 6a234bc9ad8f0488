"""The ledger and a second opinion agree on every order: what it earned, how that splits, what refunds leave of it.

Ten thousand orders of members who shop by chance under a dozen programs, and all orders of the CDNOW sample.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from shared.program_documents import read_yaml
from tests.support import second_opinion
from tests.support.events import PROGRAM
from tests.support.ledger import Desk
from tests.support.shopping import PROGRAMS, Shopper, Told, as_event

EXAMPLES = Path(__file__).parents[2] / "examples"
SLICES = 4
MEMBERS = 40
"""Of each slice; with the slices, programs and orders of a member it makes more than ten thousand orders."""
ORDERS = 5


def agree(program: dict[str, Any], told: list[Told]) -> int:
    """Tell both the same, and compare what every order has after every word; how many orders there were."""
    member = told[0]["member"]
    desk, ledger = Desk(program, members=(member,)), second_opinion.a_ledger(program)
    for number, each in enumerate(told):
        refused = desk.tries(as_event(each))
        assert second_opinion.hear(ledger, each) is not bool(refused), said(told[: number + 1], refused)
        if (member, each.get("order_id")) in ledger["orders"]:
            compare(desk, ledger, member, each["order_id"], told[: number + 1])
    for _, order_id in ledger["orders"]:
        compare(desk, ledger, member, order_id, told)
    expired = sum(each.amount for each in desk.book.transfers if each.to_account == "expired")
    assert sum(desk.balance(member)) + expired == second_opinion.member_sum(ledger, member), said(told)
    return len(ledger["orders"])


def compare(desk: Desk, ledger: second_opinion.Facts, member: str, order_id: str, told: list[Told]) -> None:
    """Award, split and points held of one order."""
    award = desk.book.awards.get((PROGRAM, member), f"order:{order_id}:points")
    ours = [second_opinion.award(ledger, member, order_id), second_opinion.held(ledger, member, order_id)]
    if award is None:
        theirs = [0, 0]
    else:
        theirs = [award.points, award.held_points, *award.breakdown["lines"], award.breakdown["bonus"]]
        ours += second_opinion.split(ledger, member, order_id)
    assert theirs == ours, said([each for each in told if each.get("order_id", order_id) == order_id])


def said(told: list[Told], *more: Any) -> str:
    """What led here, to be read."""
    return "\n".join(str(each) for each in (*told, *more))


@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("name", PROGRAMS)
def test_ledger_and_second_opinion_agree(name: str, part: int) -> None:
    program = PROGRAMS[name]
    orders = 0
    for number in range(part * MEMBERS, (part + 1) * MEMBERS):
        shopper = Shopper(Random(f"{name} {number}"), program, f"m{number}", edits="caps" not in name)
        orders += agree(program, shopper.life(ORDERS))
    assert orders == MEMBERS * ORDERS


@pytest.mark.parametrize("name", [name for name in PROGRAMS if "caps" in name])
def test_ledger_and_second_opinion_agree_on_edits_under_caps(name: str) -> None:
    for number in range(MEMBERS):
        agree(PROGRAMS[name], Shopper(Random(f"{name} {number}"), PROGRAMS[name], f"m{number}").life(ORDERS))


@pytest.mark.parametrize("part", range(SLICES))
def test_ledger_and_second_opinion_agree_on_the_whole_cdnow_sample(part: int) -> None:
    program = read_yaml((EXAMPLES / "programs" / "starter.yaml").read_text(encoding="utf-8")).document
    with (EXAMPLES / "data" / "cdnow_sample.csv").open(encoding="utf-8") as file:
        customers = [list(rows) for _, rows in groupby(csv.DictReader(file), key=itemgetter("customer_id"))]
    assert sum(len(rows) for rows in customers) == 6_919
    for rows in customers[part::SLICES]:
        agree(program, [order_of(row, number) for number, row in enumerate(rows)])


def order_of(row: dict[str, str], number: int) -> Told:
    """One purchase of the sample as the shop's event."""
    return {
        "type": "order.paid",
        "time": datetime.fromisoformat(row["date"]).replace(tzinfo=UTC),
        "member": row["customer_id"],
        "order_id": f"{row['customer_id']}-{number}",
        "total": row["amount_usd"],
    }
