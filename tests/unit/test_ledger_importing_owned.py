"""Import of what members owned and had used up elsewhere: rewards with their codes, and what caps had counted."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.actions.imports import Entry, Fault
from services.ledger.domain.exporting import rows_of
from services.ledger.domain.importing import bring_in
from services.ledger.errors import CouponRefused, ImportFault
from services.ledger.importing import entries_of, entry_of
from shared.errors import ServiceError
from tests.support.events import (
    MEMBER,
    NOON,
    PROGRAM,
    a_refund,
    a_review,
    a_sign_up,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, a_document, a_rule, at, differences
from tests.support.rewards import RewardDesk, a_reward, a_shop, shelf_differences

KEY = (PROGRAM, MEMBER)
PAID = "2026-03-03T09:00:00Z"
WELCOME = a_rule("welcome", "customer.signed_up", points="100", limit="1 per lifetime")
MONTHLY = PER_EURO | {"at_most": "500 per month"}
REVIEW = a_rule("review", "review.published", points="20", limit="1 per product")
OWNED = {"row": "r", "kind": "reward", "member_id": MEMBER, "reward": "five off", "code": "tea-1234", "issued_at": PAID,
         "valid_until": "2026-07-03T22:00:00Z"}  # fmt: skip
HAD = {"row": "u", "kind": "usage", "member_id": MEMBER, "rule": "welcome", "points": 100, "at": PAID}


def brings(desk: RewardDesk, *rows: dict[str, Any]) -> RewardDesk:
    for row in rows:
        entry = entry_of(1, row)
        assert isinstance(entry, Entry), entry
        bring_in(desk.book, KEY, entry.brought, desk.now)
    assert differences(desk.book) == []
    assert shelf_differences(desk.book) == []
    return desk


def a_desk(*earn: dict[str, Any], **ledger: Any) -> RewardDesk:
    return RewardDesk(a_document(*(earn or (PER_EURO,)), **ledger))


def test_a_code_that_a_member_had_is_good_here_until_its_old_end() -> None:
    desk = brings(RewardDesk(a_shop(a_reward())), OWNED)
    coupon, reward = desk.coupon("TEA 1234"), desk.reward("import:r")
    assert (coupon.shown, coupon.valid_until) == ("tea-1234", at("2026-07-03T22:00"))
    assert (reward.state, reward.issued_at, reward.gives.amount) == ("issued", at("2026-03-03T09:00"), "5.00")
    desk.uses("TEA-1234")
    assert desk.reward("import:r").state == "used"
    assert [event.replayed for event in desk.book.outgoing if event.type == "reward.issued.v1"] == [True]


def test_it_expires_here_when_it_would_have_there() -> None:
    desk = brings(RewardDesk(a_shop(a_reward())), OWNED).reaches(at("2026-07-04"))
    assert desk.reward("import:r").state == "expired"


def test_what_it_cost_changes_no_balance_and_returns_where_it_is_voided() -> None:
    desk = brings(RewardDesk(a_shop(a_reward())), OWNED | {"points": 400})
    assert (desk.balance(), desk.lots()) == ((0, 0, 0), [])
    desk.voids("import:r")
    assert desk.balance() == (0, 400, 0)
    assert [event.replayed for event in desk.book.outgoing][:3] == [True] * 3


def test_what_it_cost_leaves_a_debt_as_it_is() -> None:
    owed = {"row": "owed", "kind": "points", "member_id": MEMBER, "points": -30}
    desk = brings(RewardDesk(a_shop(a_reward())), owed, OWNED | {"points": 400})
    assert (desk.balance(), desk.lots()) == ((0, -30, 0), [])
    desk.voids("import:r")
    assert desk.balance() == (0, 370, 0)


def test_what_was_bought_there_counts_towards_how_many_one_may_have() -> None:
    given_ = OWNED | {"row": "g", "code": "x", "source": "given"}
    desk = brings(RewardDesk(a_shop(a_reward(limit="1"))), OWNED | {"points": 400}, given_)
    desk.receives(an_order_paid("500.00"))
    with pytest.raises(ServiceError, match="1 for each member"):
        desk.buys()


def test_a_code_that_was_used_up_there_is_used_up_here_and_comes_back_with_its_order() -> None:
    said = {"state": "used", "closed_at": PAID, "order_id": "o-1", "valid_until": None}
    desk = brings(RewardDesk(a_shop(a_reward())), OWNED | said)
    with pytest.raises(CouponRefused, match="all 1 uses are used"):
        desk.uses("TEA-1234", "another")
    part = brings(RewardDesk(a_shop(a_reward())), OWNED | {"uses": 3, "used": 2})
    part.uses("TEA-1234")
    assert part.reward("import:r").state == "used"


def test_without_a_code_one_is_made_where_it_is_still_good() -> None:
    desk = brings(RewardDesk(a_shop(a_reward())), {**OWNED, "code": None})
    assert desk.reward("import:r").code is not None
    over = brings(RewardDesk(a_shop(a_reward())), {**OWNED, "code": None, "state": "expired"})
    assert over.reward("import:r").code is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"reward": "unknown"}, "say what it `gives`"),
        ({"valid_until": PAID}, "say `state: expired`"),
        ({"issued_at": "2027-01-01T00:00:00Z"}, "`issued_at` lies in the future"),
        ({"gives": {"kind": "credit", "amount": "5.00", "currency": "EUR"}}, "took effect at once"),
    ],
)
def test_a_reward_that_does_not_fit_is_a_fault(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ImportFault, match=why):
        brings(RewardDesk(a_shop(a_reward())), OWNED | said)


def test_a_code_or_a_reward_that_is_there_already_is_a_fault() -> None:
    desk = brings(RewardDesk(a_shop(a_reward())), OWNED)
    for other, why in (({"row": "s"}, "another coupon's"), ({"code": "y"}, "has a reward")):
        with pytest.raises(ImportFault, match=why):
            brings(desk, OWNED | other)


def test_whoever_had_the_welcome_there_is_not_welcomed_twice() -> None:
    desk = brings(a_desk(WELCOME), HAD).receives(a_sign_up(MEMBER))
    assert desk.balance() == (0, 0, 0)
    assert a_desk(WELCOME).receives(a_sign_up(MEMBER)).balance() == (0, 100, 0)


def test_a_cap_of_a_month_has_the_room_that_the_month_had_left_there() -> None:
    had = HAD | {"rule": "base", "points": "480", "at": "2026-05-01T10:00:00Z"}
    desk = brings(a_desk(MONTHLY), had).receives(an_order_paid("100.00"))
    assert desk.balance() == (0, 20, 0)
    before = brings(a_desk(MONTHLY), had | {"at": "2026-04-01T10:00:00Z"}).receives(an_order_paid("100.00"))
    assert before.balance() == (0, 100, 0)


def test_a_cap_per_product_and_one_of_the_program_count_too() -> None:
    had = {**HAD, "rule": "review", "product_id": "cup"}
    desk = brings(a_desk(REVIEW), had).receives(a_review(product="cup"), a_review(product="pot"))
    assert desk.balance() == (0, 20, 0)
    whole = {name: said for name, said in HAD.items() if name != "rule"} | {
        "points": 30,
        "at": NOON.isoformat(),
    }
    capped = a_desk(PER_EURO, caps=[{"at_most": "40 points per day"}])
    assert brings(capped, whole).receives(an_order_paid("100.00")).balance() == (0, 10, 0)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"rule": "welcom"}, "no rule 'welcom'"),
        ({"rule": "free"}, "has no cap"),
        ({"rule": "base", "at": None}, "counts by month; say `at`"),
        ({"rule": "review"}, "counts by product; say `product_id`"),
        ({"rule": None}, "no cap on points"),
        ({"at": "2027-01-01T00:00:00Z"}, "future"),
    ],
)
def test_usage_that_no_cap_would_count_is_a_fault(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ImportFault, match=why):
        brings(a_desk(WELCOME, MONTHLY, REVIEW, a_rule("free", "activity", points="1")), HAD | said)


def test_a_birthday_that_was_rewarded_there_is_not_rewarded_again_this_year() -> None:
    birthday = a_rule("birthday", "birthday", points="200")
    told = {"row": "m", "kind": "member", "member_id": MEMBER, "birthday": "05-06"}
    assert brings(a_desk(birthday), told).reaches(at("2026-05-07")).balance() == (0, 200, 0)
    had = told | {"celebrated": {"birthday": "2026-03-06"}}
    desk = brings(a_desk(birthday), had)
    assert desk.reaches(at("2026-05-07")).balance() == (0, 0, 0)
    assert desk.reaches(at("2027-05-07")).balance() == (0, 200, 0)


CSV_FILE = f"""row,kind,reward,code,gives.kind,gives.percent,gives.products,uses,used,rule,points,at,celebrated.birthday,member_id
r,reward,ten off,TEA-1,coupon,10,tea | pot,3,1,,,,,{MEMBER}
u,usage,,,,,,,,welcome,100,{PAID},,{MEMBER}
m,member,,,,,,,,,,,2026-03-06,{MEMBER}
"""  # noqa: E501 - as wide as such a table is


def test_a_table_says_what_lies_in_another_with_a_dot() -> None:
    rows: list[Any] = list(entries_of(CSV_FILE.splitlines(keepends=True), is_csv=True))
    assert [row.said for row in rows] == [
        {"row": "r", "member_id": MEMBER, "kind": "reward", "reward": "ten off", "code": "TEA-1", "uses": 3, "used": 1,
         "gives": {"kind": "coupon", "percent": "10", "products": ["tea", "pot"]}},
        {"row": "u", "member_id": MEMBER, "kind": "usage", "rule": "welcome", "points": "100", "at": PAID},
        {"row": "m", "member_id": MEMBER, "kind": "member", "celebrated": {"birthday": "2026-03-06"}},
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["2026-03-03T09:00:00", "2026-03-03 09:00", "2026-03-03", "3 March 2026"])
def test_a_moment_without_a_zone_is_a_fault_that_names_its_line_and_column(text: str) -> None:
    lines = ["row,kind,member_id,points,earned_at\n", f"a,points,ana,5,{PAID}\n", f"b,points,ana,5,{text}\n"]
    _, fault = entries_of(lines, is_csv=True)
    assert isinstance(fault, Fault)
    assert (fault.line, fault.path) == (3, "earned_at")
    assert "with a time zone" in fault.message
    assert "2026-05-04T12:00:00Z" in fault.message


SHOP = a_shop(
    a_reward("five off", "40", limit="3 per month"),
    a_reward("thrice", "30", gives={"percent_off": "10 %", "uses": "3"}),
    a_reward("tea", "20", gives={"credit": "2.00 EUR"}),
)
SHOP["ledger"]["earn"] = [MONTHLY, WELCOME, REVIEW]
SHOP["ledger"]["caps"] = [{"at_most": "400 points per week"}]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["order", "refund", "buys", "uses", "voids", "days", "signs up", "reviews"]),
        st.integers(1, 6),
    ),
    max_size=25,
)


MAY_FAIL = (ServiceError, AssertionError)
"""Too few points; no such reward."""


def lived(steps: list[tuple[str, int]]) -> RewardDesk:
    """A member who did all that; what cannot be done then was not done."""
    desk = RewardDesk(SHOP)
    for place, (what, number) in enumerate(steps):
        name = f"r{number}"
        with suppress(*MAY_FAIL if what in ("buys", "uses", "voids") else ()):
            match what:
                case "order":
                    desk.receives(
                        an_order_paid(f"{number * 37}.50", order_id=f"o-{number}-{place}", at=desk.now)
                    )
                case "refund":
                    for order_id in list(desk.book.purchases.of(KEY))[:1]:
                        order = an_order_paid("1.00", order_id=order_id)
                        desk.receives(
                            a_refund(order, refund_id=str(place), amount=f"{number}.25", at=desk.now)
                        )
                case "buys":
                    desk.buys(("five off", "thrice", "tea")[number % 3], name)
                case "uses":
                    desk.uses(desk.code_of(name), f"c-{place}")
                case "voids":
                    desk.voids(name)
                case "days":
                    desk.reaches(desk.now + timedelta(days=number * number))
                case "signs up":
                    desk.receives(a_sign_up(MEMBER, at=desk.now))
                case "reviews":
                    desk.receives(a_review(product=f"p-{number}", at=desk.now))
    return desk


def owned(desk: RewardDesk) -> dict[str, Any]:
    """All that an export promises to carry over."""
    shelf = desk.book.shelf
    codes = [
        (each, shelf.coupon_of(each)) for each in shelf.rewards.of(KEY).values() if each.state != "voided"
    ]
    lots = [
        (lot.asset, lot.opened_at, lot.expires_at, lot.remaining)
        for lot in desk.book.lots.of(KEY).values()
        if lot.remaining
    ]
    return {
        "balances": {
            asset: (each.pending, each.available)
            for asset, each in desk.book.balances.of(KEY).items()
            if each.pending or each.available
        },
        "lots": sorted(lots),
        "rewards": {
            each.reward_id: (each.reward, each.state, each.gives, each.code and each.price, each.source, each.issued_at,
                             each.valid_until, each.code, coupon and (coupon.shown, coupon.uses, coupon.used))
            for each, coupon in codes
        },
        "usage": {
            place: (used.times, used.points)
            for place, used in desk.book.usage.of(KEY).items()
            if used.times or used.points
        },
    }  # fmt: skip


@settings(deadline=None)
@given(STEPS)
def test_an_export_imported_into_an_empty_program_gives_the_same_book(steps: list[tuple[str, int]]) -> None:
    desk = lived(steps)
    rows = list(rows_of(desk.book, KEY, desk.now))
    other = RewardDesk(SHOP)
    other.now = desk.now
    brings(other, *rows)
    assert owned(other) == owned(desk)
    assert all(event.replayed for event in other.book.outgoing)
    again = [row for row in rows_of(other.book, KEY, other.now) if row["kind"] in ("reward", "usage")]
    assert again == [row for row in rows if row["kind"] in ("reward", "usage")]
