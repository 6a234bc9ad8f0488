"""Adjustments by hand, without a database: where points come from, and who has to agree."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.ledger.domain.adjusting import adjust, needs_second
from services.ledger.errors import NotReversible, UnknownAsset
from shared.program_file import InvalidProgram
from tests.support.events import MEMBER, NOON, PROGRAM, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_program

KEY = (PROGRAM, MEMBER)


def test_four_eyes_look_at_what_lies_above_the_bound_in_either_direction() -> None:
    program = a_program(adjustments={"four_eyes_above": ["1000 points", "50.00 EUR"]})
    assert [needs_second(program, "points", points) for points in (1000, 1001, -1000, -1001)] == [
        False, True, False, True,
    ]  # fmt: skip
    assert needs_second(program, "credit:EUR", 5001)
    assert not needs_second(program, "stamps", 10**9)
    assert not needs_second(a_program(), "points", 10**9)


@pytest.mark.parametrize("said", ["many points", "1.5 points", ["5 points", "7 points"], "5 wishes"])
def test_a_bound_that_is_no_amount_is_refused_with_its_place(said: object) -> None:
    with pytest.raises(InvalidProgram, match="four_eyes_above"):
        a_program(adjustments={"four_eyes_above": said})


@pytest.mark.parametrize(("policy", "moved", "left"), [("allow", -90, -20), ("to_zero", -70, 0)])
def test_what_is_taken_beyond_what_there_is_obeys_the_policy(policy: str, moved: int, left: int) -> None:
    desk = Desk(a_document(PER_EURO, points={"negative": policy})).receives(an_order_paid("70.00"))
    taken = adjust(desk.book, KEY, name="a", asset="points", points=-90, reason="mistake", at=NOON)
    assert (taken, desk.book.balance(KEY, "points").available) == (moved, left)
    adjust(desk.book, KEY, name="b", asset="points", points=50, reason="sorry", at=NOON)
    assert sum(lot.remaining for lot in desk.book.lots.of(KEY).values()) == 50 + left


def test_where_only_pending_points_are_taken_back_a_person_takes_none() -> None:
    desk = Desk(a_document(PER_EURO, points={"negative": "pending_only"})).receives(an_order_paid("70.00"))
    with pytest.raises(NotReversible):
        adjust(desk.book, KEY, name="a", asset="points", points=-1, reason="mistake", at=NOON)


def test_an_adjustment_brings_no_asset_into_the_world_by_a_slip_of_the_pen() -> None:
    donates = {"rule": "we give", "on": "order.paid", "donate": "2.00 EUR", "per": "item", "to": "food bank"}
    desk = Desk(a_document(PER_EURO, donates, assets={"stars": {}})).receives(an_order_paid("70.00"))
    for known in ("points", "stamps", "stars", "credit:EUR", "credit:JPY"):
        assert adjust(desk.book, KEY, name=known, asset=known, points=5, reason="sorry", at=NOON) == 5
    for slip in ("point", "in_transit", "credit", "credit:EURO", "donation:EUR"):
        with pytest.raises(UnknownAsset, match=slip):
            adjust(desk.book, KEY, name=slip, asset=slip, points=5, reason="sorry", at=NOON)


def test_what_a_member_has_is_adjusted_although_the_program_knows_it_no_more() -> None:
    then = a_document(assets={"stars": {}})
    desk = Desk(then, later=[(NOON + timedelta(days=1), a_document())]).receives(an_order_paid("70.00"))
    adjust(desk.book, KEY, name="a", asset="stars", points=5, reason="sorry", at=NOON)
    later = NOON + timedelta(days=2)
    assert adjust(desk.book, KEY, name="b", asset="stars", points=-5, reason="mistake", at=later) == -5
