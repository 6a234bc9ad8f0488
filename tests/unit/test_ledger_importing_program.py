"""Import of what is about more than one member's points: segments and levels, codes of nobody, budgets, households."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.actions.imports import Entry, Fault
from services.ledger.domain.budgets import SLOTS, divided
from services.ledger.domain.erasure import erase
from services.ledger.domain.exporting import rows_of
from services.ledger.domain.exporting_program import budget_rows, code_row, pool_row
from services.ledger.domain.households import Pool
from services.ledger.domain.imported_budgets import OldBudget, budget_places, used_before
from services.ledger.domain.importing import OfProgram, bring_in, bring_to_program
from services.ledger.domain.lending import send_home
from services.ledger.errors import CouponRefused, ImportFault, PoolFull
from services.ledger.importing import entries_of, entry_of
from shared.errors import ServiceError
from shared.events import RefundLine
from tests.support.events import MEMBER, NOON, PROGRAM, a_refund, an_order_paid
from tests.support.ledger import PER_EURO, a_document, a_program, a_rule, at, differences
from tests.support.rewards import RewardDesk, a_shop, shelf_differences

PAID = "2026-03-03T09:00:00Z"
ANA, BEN, CEM = "ana", "ben", "cem"
SUMMER = {"row": "c", "kind": "coupon", "code": "Summer-10", "gives": {"kind": "coupon", "percent": "10"}}


def brings(desk: RewardDesk, *rows: dict[str, Any]) -> RewardDesk:
    for row in rows:
        entry = entry_of(1, row)
        assert isinstance(entry, Entry), entry
        if isinstance(entry.brought, OfProgram):
            if row["kind"] == "pool" and desk.book.pools.get(PROGRAM, row["pool_id"]) is None:
                desk.book.pools.load(PROGRAM, row["pool_id"], Pool(PROGRAM, row["pool_id"], ()))
            bring_to_program(desk.book, PROGRAM, entry.brought, desk.now)
        else:
            bring_in(desk.book, (PROGRAM, entry.member_id), entry.brought, desk.now)
    assert differences(desk.book) == []
    assert shelf_differences(desk.book) == []
    return desk


def a_member(**said: Any) -> dict[str, Any]:
    return {"row": "m", "kind": "member", "member_id": MEMBER, **said}


def test_a_segment_of_before_earns_from_its_old_date_on() -> None:
    document = a_document(a_rule("tea", points="50", if_={"segment": "tea lovers"}))
    since = a_member(segments=[{"segment": "tea lovers", "since": PAID}])
    desk = brings(RewardDesk(document), since)
    assert desk.receives(an_order_paid("10.00", order_id="late", at=at("2026-03-02"))).balance() == (0, 0, 0)
    assert desk.receives(an_order_paid("10.00", order_id="new", at=NOON)).balance() == (0, 50, 0)


def test_a_segment_may_be_a_name_alone_and_be_left_again() -> None:
    desk = brings(RewardDesk(a_shop()), a_member(segments=["vip", {"segment": "new", "is_in": False}]))
    assert desk.book.person((PROGRAM, MEMBER)).segments_at(desk.now) == {"vip"}
    assert desk.book.person((PROGRAM, MEMBER)).segments_at(desk.now - timedelta(seconds=1)) == set()


def test_a_level_of_before_multiplies_until_another_is_told() -> None:
    gold = a_member(levels=[{"level": "Gold", "since": PAID, "earn_times": "1.5"}])
    assert brings(RewardDesk(a_shop()), gold).receives(an_order_paid("10.00")).balance() == (0, 15, 0)


@pytest.mark.parametrize(
    "said",
    [
        {"segments": [{"segment": "vip", "since": "2027-01-01T00:00:00Z"}]},
        {"levels": [{"level": "Gold", "since": "2027-01-01T00:00:00Z"}]},
        {"first_paid_at": "2027-01-01T00:00:00Z"},
    ],
)
def test_what_is_said_of_a_member_has_happened(said: dict[str, Any]) -> None:
    with pytest.raises(ImportFault, match="future"):
        brings(RewardDesk(a_shop()), a_member(**said))


def test_a_code_of_nobody_has_the_uses_left_that_it_had_there() -> None:
    used_by = [{"member_id": ANA, "order_id": "o-1"}, {"member_id": BEN}]
    desk = RewardDesk(a_shop(), members=(ANA, BEN, CEM, MEMBER))
    brings(desk, SUMMER | {"uses": 4, "used": 3, "used_by": used_by, "per_member": 1})
    with pytest.raises(CouponRefused, match="had as many"):
        desk.uses("SUMMER 10", "o-9", member=ANA)
    assert desk.uses("summer10", "o-1", member=ANA).use_id == "o-1", "the same order is the same use"
    desk.uses("summer10", "o-2", member=CEM)
    with pytest.raises(CouponRefused, match="all 4 uses"):
        desk.uses("summer10", "o-3", member=MEMBER)


def test_a_code_without_worth_waits_in_its_pool_for_a_reward() -> None:
    desk = RewardDesk(a_shop())
    brings(desk, {"row": "p", "kind": "coupon", "code": "SUN-1", "pool": "summer"})
    coupon = desk.book.shelf.coupons.get(PROGRAM, "SUN1")
    assert coupon is not None
    assert (coupon.state, coupon.pool, coupon.shown) == ("pooled", "summer", "SUN-1")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"code": "summer 10"}, "another coupon's"),
        ({"code": "x", "valid_until": PAID}, "it was good until"),
        ({"code": "x", "made_at": "2027-01-01T00:00:00Z"}, "future"),
        ({"code": "x", "gives": {"kind": "points", "points": 5}}, "no coupon"),
    ],
)
def test_a_code_that_does_not_fit_is_a_fault(said: dict[str, Any], why: str) -> None:
    desk = brings(RewardDesk(a_shop()), SUMMER)
    with pytest.raises(ImportFault, match=why):
        brings(desk, SUMMER | said)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"row": "c", "kind": "coupon", "code": "x"}, "which `pool`"),
        ({"row": "c", "kind": "coupon", "code": "x", "pool": "p", "used": 1}, "waits in a pool"),
        (SUMMER | {"used": 2}, "used 2 times, of 1"),
        ({"row": "b", "kind": "budget", "rule": "r", "partner": "p", "used": 1}, "not of both"),
        ({"row": "b", "kind": "budget", "used": 0}, "leave it out"),
        ({"row": "p", "kind": "pool", "pool_id": "home", "members": ["ana", "ana"]}, "twice"),
        ({"row": "l", "kind": "points", "member_id": "a", "points": 1, "belongs_to": "b"}, "come together"),
    ],
)
def test_a_row_that_makes_no_sense_is_a_fault(row: dict[str, Any], why: str) -> None:
    fault = entry_of(7, row)
    assert isinstance(fault, Fault), fault
    assert fault.line == 7
    assert why in fault.message


BUDGETS = a_program(
    a_rule("welcome", "customer.signed_up", points="100", budget="1000 points"),
    a_rule("monthly", points="5", budget="100 times per month"),
    PER_EURO,
)


def an_old_budget(**said: Any) -> OldBudget:
    return OldBudget(**{"row": "b", "used": 300, **said})


def test_what_a_budget_had_given_counts_where_its_rule_counts() -> None:
    assert budget_places(BUDGETS, an_old_budget(rule="welcome"), NOON) == (("rule:welcome", "points:ever"),)
    may = an_old_budget(rule="monthly", at=at("2026-04-30T23:00"))  # 1 May in Paris
    assert budget_places(BUDGETS, may, NOON) == (("rule:monthly", "times:month:2026-05-01"),)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"rule": "base"}, "has no budget"),
        ({"rule": "welcom"}, "is not there"),
        ({"partner": "airline"}, "is not there"),
        ({}, "no budget on points"),
        ({"rule": "monthly"}, "per month; say `at`"),
        ({"rule": "welcome", "bucket": "times:ever"}, "counts points:ever"),
        ({"rule": "monthly", "at": at("2027-01-01")}, "future"),
    ],
)
def test_what_no_budget_would_count_is_a_fault(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ImportFault, match=why):
        budget_places(BUDGETS, an_old_budget(**said), NOON)


@given(
    amount=st.integers(1, 10**6),
    used=st.lists(st.fractions(0, 10**6, max_denominator=100), min_size=1, max_size=4),
)
def test_what_was_given_and_what_is_left_are_the_budget(amount: int, used: list[Fraction]) -> None:
    slots = divided(amount)
    for points in used:
        slots = used_before(slots, amount, points)
    assert len(slots) <= SLOTS
    assert sum(slot.used for slot in slots) == sum(used)
    assert sum(slot.left for slot in slots) == max(0, amount - sum(used))


def test_only_budgets_that_the_program_still_has_are_exported() -> None:
    used = [
        ("rule:welcome", "points:ever", 300),
        ("rule:gone", "points:ever", 7),
        ("rule:monthly", "times:ever", 1),
    ]
    assert list(budget_rows(BUDGETS, used)) == [
        {"row": "budget:rule:welcome:points:ever", "kind": "budget", "rule": "welcome", "bucket": "points:ever",
         "used": "300"}
    ]  # fmt: skip


HOME = {"row": "p", "kind": "pool", "pool_id": "home", "members": [ANA, BEN]}


def a_house(**pools: Any) -> RewardDesk:
    return RewardDesk(a_document(PER_EURO, pools=pools), members=(ANA, BEN, CEM))


def a_lot(member: str, points: int, **said: Any) -> dict[str, Any]:
    return {"row": "l", "kind": "points", "member_id": member, "points": points, "earned_at": PAID} | said


def test_a_household_moves_in_as_it_was_and_nobody_is_written_to() -> None:
    desk = brings(a_house(), HOME, a_lot(ANA, 80))
    pool = desk.book.pools.get(PROGRAM, "home")
    assert pool is not None
    assert pool.members == (ANA, BEN)
    assert {(event.type, event.replayed) for event in desk.book.outgoing} == {
        ("pool.joined.v1", True),
        ("points.earned.v1", True),
    }


def test_what_is_anothers_goes_home() -> None:
    desk = brings(a_house(), HOME, a_lot(BEN, 30), a_lot(BEN, 70, row="k", belongs_to=ANA, pool_id="home"))
    assert [lot[1] for lot in desk.book.borrowed.of((PROGRAM, BEN))] == [desk.lots(BEN)[-1].lot_no]
    send_home(desk.book, (PROGRAM, BEN), cause="home", at=desk.now)
    assert (desk.balance(ANA), desk.balance(BEN)) == ((0, 70, 0), (0, 30, 0))
    assert desk.lots(ANA)[0].opened_at == at("2026-03-03T09:00")


def test_what_a_forgotten_member_lent_is_exported_as_its_holders() -> None:
    desk = brings(a_house(), HOME, a_lot(BEN, 70, belongs_to=ANA, pool_id="home"))
    erase(desk.book, (PROGRAM, ANA), cause="erasure", at=desk.now)
    (lot,) = [row for row in rows_of(desk.book, (PROGRAM, BEN), desk.now) if row["kind"] == "points"]
    assert "belongs_to" not in lot


def test_what_is_held_of_an_expired_lot_is_exported_as_less_debt() -> None:
    """A release would fill what the member owes: 40 points, 10 held, 45 owed takes the other 30 and leaves 15."""
    tomorrow = (NOON + timedelta(days=1)).isoformat()
    desk = brings(RewardDesk(a_shop()), a_lot(MEMBER, 40, expires_at=tomorrow))
    desk.holds(10, minutes=60_000)
    brings(desk, {"row": "o", "kind": "points", "member_id": MEMBER, "points": -45})
    desk.reaches(NOON + timedelta(days=2))
    rows = rows_of(desk.book, (PROGRAM, MEMBER), desk.now)
    assert [row["points"] for row in rows if row["kind"] == "points"] == [-5]
    desk.releases()
    assert desk.balance() == (0, -5, 0)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([HOME, HOME], "there is, or was, a pool"),
        ([HOME, HOME | {"pool_id": "other"}], "is in pool 'home'"),
        ([a_lot(BEN, 7, belongs_to=BEN, pool_id="home")], "themselves"),
    ],
)
def test_a_household_that_does_not_fit_is_a_fault(rows: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ServiceError, match=why):
        brings(a_house(), *rows)
    with pytest.raises(PoolFull):
        brings(a_house(members=2), HOME | {"members": [ANA, BEN, CEM]})


TABLE = """row,kind,member_id,order_id,total,points,paid_at,line_id,product_id,quantity,members,pool_id,segments
o,order,ana,order-1,80.00,100,2026-03-03T09:00:00Z,,,,,,
,line,,,25.00,,,1,tea,2,,,
,line,,order-1,55.00,,,2,cup,,,,
p,pool,,,,,,,,,ana | ben,home,
m,member,ana,,,,,,,,,,vip|tea lovers
"""


def test_a_table_says_the_lines_of_an_order_below_it() -> None:
    rows: list[Any] = list(entries_of(TABLE.splitlines(keepends=True), is_csv=True))
    assert [row.said for row in rows] == [
        {"row": "o", "member_id": "ana", "kind": "order", "order_id": "order-1", "total": "80.00", "points": 100,
         "paid_at": "2026-03-03T09:00:00Z",
         "lines": [{"line_id": "1", "total": "25.00", "product_id": "tea", "quantity": "2"},
                   {"line_id": "2", "total": "55.00", "product_id": "cup"}]},
        {"row": "p", "kind": "pool", "pool_id": "home", "members": ["ana", "ben"]},
        {"row": "m", "member_id": "ana", "kind": "member", "segments": [{"segment": "vip"}, {"segment": "tea lovers"}]},
    ]  # fmt: skip


def test_a_refund_that_names_a_line_finds_it_in_an_order_of_a_table() -> None:
    order, *_ = entries_of(TABLE.splitlines(keepends=True), is_csv=True)
    assert isinstance(order, Entry)
    desk = RewardDesk(a_shop(), members=(ANA,))
    bring_in(desk.book, (PROGRAM, ANA), order.brought, NOON)  # type: ignore[arg-type]
    brings(desk, a_lot(ANA, 100))
    back = a_refund(an_order_paid("80.00", order_id="order-1", member=ANA), lines=(RefundLine(line_id="2"),))
    assert desk.receives(back).balance(ANA) == (0, 31, 0)  # floor(100 x 25 / 80)


@pytest.mark.parametrize(
    ("below", "place", "why"),
    [
        (",line,,,25.00,,,1,,,,,\n", (3, ""), "`total` says 80.00"),
        (",line,,order-2,80.00,,,1,,,,,\n", (3, "order_id"), "'order-1'"),
        (",line,,,many,,,1,,,,,\n", (3, "total"), "pattern"),
        ("p,pool,,,,,,,,,ana,home,\n,line,,,80.00,,,1,,,,,\n", (4, "kind"), "stands below"),
    ],
)
def test_a_line_that_is_wrong_is_told_where_it_stands(below: str, place: tuple[int, str], why: str) -> None:
    text = "".join(TABLE.splitlines(keepends=True)[:2]) + below
    (fault,) = [
        row for row in entries_of(text.splitlines(keepends=True), is_csv=True) if isinstance(row, Fault)
    ]
    assert (max(fault.line, 3), fault.path) == place
    assert why in fault.message


def test_an_export_of_the_program_imported_into_an_empty_one_gives_the_same() -> None:
    used_by = [{"member_id": ANA, "order_id": "o-1", "at": PAID, "named": True}]
    desk = brings(
        a_house(),
        HOME,
        a_lot(BEN, 70, belongs_to=ANA, pool_id="home", expires_at="never"),
        a_member(segments=["vip"], levels=[{"level": "Gold", "since": PAID}]) | {"member_id": CEM},
        SUMMER | {"uses": 4, "used": 3, "used_by": used_by, "per_member": 1, "made_at": PAID},
        {"row": "a", "kind": "coupon", "code": "ANY", "gives": {"kind": "free_shipping"}, "uses": "any"},
        {"row": "w", "kind": "coupon", "code": "SUN-1", "pool": "summer", "made_at": PAID},
    )
    rows = everything(desk)
    other = brings(a_house(), *rows)
    assert everything(other) == rows
    assert other.book.shelf.coupons.of(PROGRAM) == desk.book.shelf.coupons.of(PROGRAM)
    assert other.book.person((PROGRAM, CEM)) == desk.book.person((PROGRAM, CEM))


def everything(desk: RewardDesk) -> list[dict[str, Any]]:
    """All rows of an export, as the command writes them."""
    shelf = desk.book.shelf
    rows = [
        code_row(coupon, shelf.uses.of((PROGRAM, code)).values())
        for code, coupon in sorted(shelf.coupons.of(PROGRAM).items())
    ]
    for member in desk.members:
        rows += rows_of(desk.book, (PROGRAM, member), desk.now)
    return rows + [pool_row(pool) for pool in desk.book.pools.of(PROGRAM).values()]
