"""Gifts from member to member, without a database: what may be given, and whose points they are afterwards."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.adjusting import adjust
from services.ledger.domain.gift_terms import GiftLimit
from services.ledger.domain.gifts import Gift, give
from services.ledger.errors import (
    GiftLimitReached,
    GiftsOff,
    InsufficientPoints,
    NotGivable,
    UnknownReceiver,
)
from shared.calendar import Period, zone
from shared.errors import ServiceError
from shared.events import CustomerDeleted
from shared.program_file import InvalidProgram
from shared.rows import replace
from tests.support.events import MEMBER, NOON, PROGRAM, a_refund, an_event, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_program, differences

BEN = "ben"
ANA_KEY, BEN_KEY = (PROGRAM, MEMBER), (PROGRAM, BEN)
LATER = NOON + timedelta(days=40)


def a_desk(**words: Any) -> Desk:
    terms = {"older_than": "30 days"} | words.pop("transfers", {})
    return Desk(a_document(PER_EURO, transfers=terms, **words), members=(MEMBER, BEN))


def a_gift(points: int, *, at: datetime = LATER, to: str = BEN, by: str = MEMBER, name: str = "g") -> Gift:
    return Gift(PROGRAM, by, name, to, "points", points, at)


def gives(desk: Desk, gift: Gift, given: tuple[int, ...] = (), **more: Any) -> None:
    desk.reaches(gift.given_at)
    give(desk.book, gift, given, **more)
    assert differences(desk.book) == []


def test_a_gift_is_two_transfers_and_its_lots_keep_age_and_expiry() -> None:
    desk = a_desk(points={"expire": "12 months"})
    desk.receives(an_order_paid("30.00", at=NOON - timedelta(days=60)), an_order_paid("50.00"))
    old, new = desk.lots()
    gives(desk, a_gift(40), message="for you")
    assert [
        (t.member_id, t.from_account, t.to_account, t.amount) for t in list(desk.book.transfers)[-2:]
    ] == [
        (MEMBER, "available", "in_transit", 40),
        (BEN, "in_transit", "available", 40),
    ]
    assert [(lot.remaining, lot.opened_at, lot.expires_at) for lot in desk.lots(BEN)] == [
        (30, old.opened_at, old.expires_at),
        (10, new.opened_at, new.expires_at),
    ]
    assert all(lot.lot_no < 0 and lot.award_id is None for lot in desk.lots(BEN))
    sent, received = list(desk.book.outgoing)[-2:]
    assert (sent.data.member_id, sent.data.direction, sent.data.counterpart_id) == (MEMBER, "sent", BEN)
    assert (received.data.member_id, received.data.direction, received.data.reason) == (
        BEN,
        "received",
        "for you",
    )


def test_young_points_stay_and_what_was_given_may_be_passed_on_at_once() -> None:
    desk = a_desk()
    desk.receives(an_order_paid("80.00"), an_order_paid("50.00", at=LATER))
    with pytest.raises(NotGivable) as refused:
        gives(desk, a_gift(100))
    assert refused.value.extra["givable"] == 80
    gives(desk, a_gift(80))
    gives(desk, a_gift(80, by=BEN, to=MEMBER, name="back"))
    assert (desk.balance(), desk.balance(BEN)) == ((0, 130, 0), (0, 0, 0))


def test_points_are_old_enough_from_the_day_on_that_lies_so_many_days_later() -> None:
    desk = a_desk().receives(an_order_paid("10.00"))
    day_30 = NOON.replace(hour=0) + timedelta(days=30) - timedelta(hours=2)  # midnight in Paris
    with pytest.raises(NotGivable):
        gives(desk, a_gift(1, at=day_30 - timedelta(seconds=1)))
    gives(desk, a_gift(1, at=day_30))


def test_a_refund_of_points_that_were_given_away_makes_the_giver_owe_and_never_the_receiver() -> None:
    desk = a_desk()
    order = an_order_paid("80.00")
    desk.receives(order, an_order_paid("50.00", at=LATER))
    gives(desk, a_gift(80))
    desk.receives(a_refund(order, amount="80.00", at=LATER))
    assert (desk.balance(), desk.balance(BEN)) == ((0, -30, 0), (0, 80, 0))


def test_what_the_receiver_owes_is_filled_first() -> None:
    desk = a_desk().receives(an_order_paid("80.00"))
    adjust(desk.book, BEN_KEY, name="a", asset="points", points=-25, reason="mistake", at=NOON)
    gives(desk, a_gift(60))
    assert desk.balance(BEN) == (0, 35, 0)
    assert [(lot.amount, lot.remaining) for lot in desk.lots(BEN)] == [(60, 35)]


@pytest.mark.parametrize(
    ("words", "gift", "given", "error"),
    [
        ({}, a_gift(101), (), InsufficientPoints),
        ({"assets": ["stamps"]}, a_gift(1), (), GiftsOff),
        ({"smallest": 10}, a_gift(9), (), NotGivable),
        ({"largest": 10}, a_gift(11), (), NotGivable),
        ({"at_most": "50 per month"}, a_gift(31), (20,), GiftLimitReached),
        ({"at_most": ["50 per month", "60 per lifetime"]}, a_gift(11), (0, 50), GiftLimitReached),
        ({}, a_gift(1, to=MEMBER), (), UnknownReceiver),
    ],
)
def test_what_the_program_does_not_allow_is_refused_and_moves_nothing(
    words: dict[str, Any], gift: Gift, given: tuple[int, ...], error: type[ServiceError]
) -> None:
    desk = a_desk(transfers=words).receives(an_order_paid("100.00"))
    with pytest.raises(error):
        gives(desk, gift, given)
    assert desk.balance() == (0, 100, 0)


def test_without_a_word_in_the_program_nobody_gives_and_nobody_gives_to_the_forgotten() -> None:
    desk = Desk(a_document(PER_EURO), members=(MEMBER, BEN)).receives(an_order_paid("100.00"))
    with pytest.raises(GiftsOff):
        gives(desk, a_gift(1))
    desk = a_desk().receives(an_order_paid("100.00"), an_event(CustomerDeleted(customer_id=BEN)))
    with pytest.raises(UnknownReceiver):
        gives(desk, a_gift(1))


def test_the_words_become_terms_and_what_cannot_work_is_refused_with_its_place() -> None:
    terms = a_program(transfers={"at_most": ["5000 per month", "9000 per lifetime"]}).gifts
    assert terms is not None
    assert (terms.assets, terms.older_than_days) == (frozenset({"points"}), 30)
    assert terms.limits == (GiftLimit(5000, Period.MONTH), GiftLimit(9000))
    assert terms.limits[1].since(NOON, zone("UTC")) is None
    for words in (
        {"at_most": "many per month"},
        {"at_most": ["5 per month", "6 per month"]},
        {"smallest": 10, "largest": 9},
        {"assets": ["wishes"]},
        {"older_than": "a while"},
    ):
        with pytest.raises(InvalidProgram, match="transfers"):
            a_program(transfers=words)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 90), st.integers(0, 45)),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_is_given_to_and_fro_the_sum_stays_and_no_lot_lives_longer(
    moves: list[tuple[bool, int, int]],
) -> None:
    desk = a_desk(points={"expire": "3 months"})
    desk.receives(
        an_order_paid("70.00"),
        an_order_paid("60.00", member=BEN),
        an_order_paid("40.00", at=NOON + timedelta(days=20)),
    )
    ends = {lot.expires_at for member in desk.members for lot in desk.lots(member)}
    moment = LATER
    for number, (forth, points, days) in enumerate(moves):
        by, to = (MEMBER, BEN) if forth else (BEN, MEMBER)
        moment += timedelta(days=days / 10)
        before = desk.balance()[1] + desk.balance(BEN)[1]
        expired = desk.kinds.count("expiry")
        with contextlib.suppress(NotGivable, InsufficientPoints):
            gives(desk, replace(a_gift(points, by=by, to=to, at=moment), transfer_id=str(number)))
        if desk.kinds.count("expiry") == expired:
            assert desk.balance()[1] + desk.balance(BEN)[1] == before
        assert {lot.expires_at for member in desk.members for lot in desk.lots(member)} <= ends
