"""Two members who are one person, judged anew on a book in memory; their rows are the survivor's already."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.referrals.domain.merging import join
from services.referrals.domain.model import Reason, State
from services.referrals.domain.referring import Moment
from tests.support.events import PROGRAM, a_sign_up, an_order_paid
from tests.unit.test_referrals_rules import (
    ANNA,
    BEN,
    CLEO,
    DAY,
    DUE,
    START,
    Referrals,
    ben_comes_through_anna,
    code_of,
)


def merges(referrals: Referrals, old: str, into: str) -> None:
    """Give the rows of one member to the other, then judge."""
    book, key, gone = referrals.book, (PROGRAM, into), (PROGRAM, old)
    for code in {book.member(gone).code} | book.further_codes.get(gone, set()):
        book.owners[PROGRAM, code] = into
        book.further_codes.setdefault(key, set()).add(code)
    for touch in book.touches.of(gone).values():
        book.put_touch(replace(touch, member_id=into))
    for place, paper in book.papers.of(gone).items():
        book.papers.put(key, place, replace(paper, member_id=into))
    for friend in [(PROGRAM, member) for member in (ANNA, BEN, CLEO)]:
        for referral in list(book.referrals.of(friend).values()):
            advocate = into if referral.advocate_id == old else referral.advocate_id
            owner = into if friend == gone else referral.member_id
            book.put_referral(replace(referral, member_id=owner, advocate_id=advocate))
    join(book, book.member(key), book.member(gone), Moment(START + DAY, "merge"))


def test_whom_the_old_one_brought_the_survivor_brought() -> None:
    referrals = Referrals()
    referrals.receives(a_sign_up(CLEO, at=START - DAY), *ben_comes_through_anna())
    merges(referrals, ANNA, CLEO)
    assert (referrals.only().advocate_id, referrals.state()) == (CLEO, State.PENDING)
    assert [kind for kind, _ in referrals.told(BEN)] == ["started", "qualified"], "nothing is told anew"
    referrals.time_comes_to(DUE)
    assert [kind for kind, _ in referrals.told(CLEO)] == ["approved"]


@pytest.mark.parametrize(("old", "into"), [(ANNA, BEN), (BEN, ANNA)])
def test_nobody_brings_themselves(old: str, into: str) -> None:
    referrals = Referrals()
    referrals.receives(*ben_comes_through_anna())
    merges(referrals, old, into)
    assert (referrals.state(into), referrals.only(into).reasons) == (State.VOIDED, (Reason.SAME_MEMBER,))
    referrals.time_comes_to(DUE)
    assert referrals.state(into) is State.VOIDED


def test_who_had_ordered_under_one_id_was_a_customer_under_the_other() -> None:
    referrals = Referrals()
    referrals.receives(an_order_paid("9.00", member=CLEO, at=START - DAY), *ben_comes_through_anna())
    merges(referrals, CLEO, BEN)
    assert (referrals.state(), referrals.only().reasons) == (State.VOIDED, (Reason.ORDERED_BEFORE,))


def test_a_code_of_either_leads_to_the_survivor() -> None:
    referrals = Referrals()
    referrals.receives(a_sign_up(ANNA, at=START - DAY), a_sign_up(CLEO, at=START - DAY))
    merges(referrals, CLEO, ANNA)
    referrals.receives(a_sign_up(BEN, at=START, referral_code=code_of(CLEO)))
    assert (referrals.only().advocate_id, referrals.only().code) == (ANNA, code_of(CLEO))
