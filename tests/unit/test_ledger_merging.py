"""Merge of two members without a database: what both have of the same kind, and whose events are afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.adjusting import adjust
from services.ledger.domain.aliases import led_home
from services.ledger.domain.book import Book
from services.ledger.domain.joined_goals import hold_joined, join_reached
from services.ledger.domain.merging import Merged, merge
from services.ledger.domain.persons import Celebrated, Person, SegmentChange
from services.ledger.domain.records import Draw, Level, MemberKey, Usage
from services.ledger.domain.settling import settle
from services.ledger.domain.transit import next_lot_no
from services.ledger.handlers import on
from shared.events import CustomerDeleted, Event
from shared.rows import Rows, replace
from tests.support.events import (
    MEMBER,
    NOON,
    PROGRAM,
    a_cancellation,
    a_refund,
    a_sign_up,
    an_event,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, Desk, a_document, a_rise, a_rule, differences

OLD = "old-7"
ME, THEM = (PROGRAM, MEMBER), (PROGRAM, OLD)
LATER = NOON + timedelta(days=1)


def a_desk(**words: Any) -> Desk:
    return Desk(a_document(PER_EURO, **words), members=(MEMBER, OLD))


def merges(desk: Desk) -> Merged:
    """Merge as the action does: settle both, give the rows their new owner, join what both have."""
    desk.reaches(LATER)
    return merges_at(desk, LATER)


def merges_at(desk: Desk, now: datetime) -> Merged:
    """Merge two who were settled before, or left behind."""
    periods = sorted({(part.rule, part.period) for part in desk.book.goal_parts.of(THEM).values()})
    alike = desk.book.awards.of(ME).keys() & desk.book.awards.of(THEM).keys()
    names = {award_id: f"{award_id}@{OLD}" for award_id in alike}
    reached = [join_reached(desk.book, ME, THEM, period, names) for period in periods]
    _give_rows(desk.book, names)
    for each in reached:
        desk.book.goals_reached.put(ME, (each.rule, each.period), each)
    made = merge(desk.book, Merged(PROGRAM, OLD, MEMBER, now, "ana"))
    hold_joined(desk.book, ME, periods, cause=THEM, at=now)
    assert owed(desk.book) == []
    return made


def owed(book: Book) -> list[str]:
    """What does not follow from the transfers, but for awards and spends, whose transfers stay with the old id."""
    return [
        text for text in differences(book) if "should have moved" not in text and "have spent" not in text
    ]


def _give_rows(book: Book, names: Mapping[str, str]) -> None:
    """What the store does in statements: every row of the old member becomes the survivor's."""
    numbers = {}
    for (asset, lot_no), lot in sorted(book.lots.of(THEM).items()):
        numbers[(asset, lot_no)] = next_lot_no(book, ME, asset)
        award_id = names.get(lot.award_id or "", lot.award_id)
        moved = replace(lot, member_id=MEMBER, lot_no=numbers[(asset, lot_no)], award_id=award_id)
        book.put_lot(moved)
    for hold in book.holds.of(THEM).values():
        draws = tuple(Draw(numbers.get((hold.asset, d.lot_no), 0), d.points) for d in hold.draws)
        book.put_hold(replace(hold, member_id=MEMBER, draws=draws))
    for award in book.awards.of(THEM).values():
        award_id = names.get(award.award_id, award.award_id)
        book.put_award(replace(award, member_id=MEMBER, award_id=award_id))
    for purchase in book.purchases.of(THEM).values():
        book.put_purchase(replace(purchase, member_id=MEMBER))
    for place, part in book.goal_parts.of(THEM).items():
        book.goal_parts.put(ME, place, replace(part, member_id=MEMBER))
    for rows in (book.lots, book.holds, book.awards, book.purchases, book.goal_parts, book.goals_reached):
        _forget(rows, THEM)


def _forget(rows: Rows[MemberKey, Any, Any], key: MemberKey) -> None:
    rows.of(key).clear()


def test_the_worked_example_of_the_module_holds() -> None:
    desk = a_desk(pending={"order.paid": "30 days after order.paid"})
    adjust(desk.book, ME, name="a", asset="points", points=300, reason="start", at=NOON)
    adjust(desk.book, THEM, name="b", asset="points", points=-120, reason="refund", at=NOON)
    desk.receives(an_order_paid("40.00", member=OLD))
    made = merges(desk)
    assert (desk.balance(), desk.balance(OLD)) == ((40, 180, 0), (0, 0, 0))
    moves = [(t.member_id, t.from_account, t.to_account, t.amount) for t in desk.book.transfers][-4:]
    assert moves == [
        (OLD, "pending", "in_transit", 40),
        (MEMBER, "in_transit", "pending", 40),
        (MEMBER, "available", "in_transit", 120),
        (OLD, "in_transit", "available", 120),
    ]
    assert (made.moved[0].pending, made.moved[0].available) == (40, -120)
    assert [event.type for event in desk.book.outgoing][-1] == "member.merged.v1"
    settle(desk.book, ME, NOON + timedelta(days=40))
    assert desk.balance() == (0, 220, 0)


def test_lots_keep_their_age_and_expiry_and_what_the_survivor_owed_is_filled_soonest_first() -> None:
    desk = a_desk(points={"expire": "12 months"})
    adjust(desk.book, ME, name="b", asset="points", points=-25, reason="mistake", at=NOON)
    desk.receives(
        an_order_paid("30.00", member=OLD, at=NOON - timedelta(days=60)), an_order_paid("50.00", member=OLD)
    )
    before = {(lot.opened_at, lot.expires_at) for lot in desk.lots(OLD)}
    merges(desk)
    assert {(lot.opened_at, lot.expires_at) for lot in desk.lots()} == before
    assert sorted(lot.remaining for lot in desk.lots()) == [5, 50]
    assert all(lot.lot_no < 0 for lot in desk.lots())


def test_levels_segments_occasions_and_usage_of_both_are_joined() -> None:
    desk = a_desk()
    desk.receives(a_rise("Silver", times="1.5", since=NOON), a_sign_up(at=NOON))
    book = desk.book
    book.members.put(
        THEM,
        "",
        replace(book.member(THEM), joined_at=NOON - timedelta(days=9), levels=(Level(NOON, "Gold", "2"),)),
    )
    day = NOON.date()
    book.persons.put(ME, "", Person(*ME, time_zone="Europe/Paris", celebrated=(Celebrated("birthday", day),)))
    book.persons.put(
        THEM,
        "",
        Person(
            *THEM,
            birthday=(5, 4),
            birthday_since=NOON,
            time_zone="Asia/Tokyo",
            segments=(SegmentChange(NOON, "vip", True), SegmentChange(NOON, "new", False)),
            celebrated=(Celebrated("birthday", day - timedelta(days=30)),),
        ),
    )
    for key, points in ((ME, 300), (THEM, 250)):
        book.usage.put(key, ("base", "points:month"), Usage(*key, "base", "points:month", 2, points))
    merges(desk)
    me, person = book.member(ME), book.person(ME)
    assert (me.joined_at, me.levels[-1]) == (NOON - timedelta(days=9), Level(LATER, "Gold", "2"))
    assert (person.birthday, person.time_zone) == ((5, 4), "Europe/Paris")
    assert person.segments_at(LATER) == {"vip"}
    assert person.celebrated == (Celebrated("birthday", day),)
    joined = book.usage.get(ME, ("base", "points:month"))
    assert joined is not None
    assert (joined.times, joined.points) == (4, 550)
    them = book.member(THEM)
    assert (them.merged_into, them.levels, them.next_due, book.person(THEM)) == (
        MEMBER,
        (),
        None,
        Person(*THEM),
    )


def test_those_who_were_merged_before_lead_to_the_end_of_the_chain() -> None:
    desk = Desk(a_document(PER_EURO), members=(MEMBER, OLD, "older"))
    older = (PROGRAM, "older")
    desk.book.members.put(older, "", replace(desk.book.member(older), merged_into=OLD))
    merge(desk.book, Merged(PROGRAM, OLD, MEMBER, LATER, "ana"), aliases=[older])
    assert desk.book.member(older).merged_into == MEMBER


def test_events_of_the_old_id_reach_the_survivor_but_its_deletion_and_its_levels_do_not() -> None:
    desk = a_desk()
    desk.receives(an_order_paid("70.00"))
    merges(desk)
    rise = a_rise("Gold", since=LATER, points=5)
    mine = replace(rise, data=replace(rise.data, member_id=OLD))
    events: list[Event[Any]] = [
        an_order_paid("10.00", member=OLD, at=LATER),
        mine,
        an_event(CustomerDeleted(customer_id=OLD), at=LATER),
    ]
    led = led_home(events, desk.book.homes)
    assert [event.member_id for event in led] == [MEMBER, MEMBER, OLD]
    assert not on.run(led, desk.book)
    assert (desk.balance()[1], desk.book.member(ME).erased_at) == (85, None)
    assert led_home(events, {}) is events


@pytest.mark.parametrize("share", [0, 1])
def test_a_refund_of_an_old_order_takes_what_it_gave_and_never_more(share: int) -> None:
    desk = a_desk()
    order = an_order_paid("70.00", member=OLD)
    desk.receives(order, an_order_paid("20.00"))
    if share:
        desk.spends(50, member=OLD)
    merges(desk)
    refund = led_home([a_refund(order, amount="70.00", at=LATER)], desk.book.homes)
    assert not on.run(refund, desk.book)
    assert desk.balance() == (0, 20 - 50 * share, 0)
    assert owed(desk.book) == []


moves = st.lists(
    st.tuples(
        st.sampled_from(["order", "take", "give", "hold", "spend"]),
        st.sampled_from([MEMBER, OLD]),
        st.integers(1, 200),
    ),
    max_size=14,
)


@given(moves)
def test_whatever_two_members_did_a_merge_keeps_the_sum_and_leaves_the_old_one_with_nothing(
    history: list[tuple[str, str, int]],
) -> None:
    desk = a_desk(points={"expire": "12 months"})
    for number, (what, member, points) in enumerate(history):
        key = (PROGRAM, member)
        has = desk.balance(member)[1]
        if what == "order":
            desk.receives(an_order_paid(f"{points}.00", member=member))
        elif what in ("take", "give"):
            signed = points if what == "give" else -points
            adjust(desk.book, key, name=str(number), asset="points", points=signed, reason="test", at=NOON)
        elif has >= points:
            if what == "hold":
                desk.holds(points, f"{member}-{number}", minutes=10_000, member=member)
            else:
                desk.spends(points, member=member)
    before = [a + b for a, b in zip(desk.balance(), desk.balance(OLD), strict=True)]
    merges(desk)
    assert list(desk.balance()) == before
    assert desk.balance(OLD) == (0, 0, 0)
    in_transit = sum(
        each.amount * ((each.to_account == "in_transit") - (each.from_account == "in_transit"))
        for each in desk.book.transfers
    )
    assert in_transit == 0


FIVE = a_rule("five", credit="5.00 EUR", for_spending="each 100.00 EUR per month")
ONCE = a_rule("loyal", credit="8.00 EUR", for_spending="100.00 EUR per month")


def credit(desk: Desk) -> int:
    """What both have of it together."""
    return sum(sum(desk.balance(member, asset="credit:EUR")) for member in (MEMBER, OLD))


def arrives(desk: Desk, event: Event[Any]) -> int:
    """An event after the merge, under whichever id; the credit afterwards."""
    assert not on.run(led_home([event], desk.book.homes), desk.book)
    return credit(desk)


def test_the_worked_example_of_joined_goals_holds() -> None:
    mine, theirs = an_order_paid("150.00"), an_order_paid("150.00", member=OLD)
    for after, left in ((an_order_paid("20.00"), 1000), (a_refund(theirs, amount="10.00"), 500)):
        desk = Desk(a_document(FIVE), members=(MEMBER, OLD)).receives(mine, theirs)
        assert credit(desk.receives(a_refund(mine, amount="100.00"))) == 500
        merges(desk)
        assert credit(desk) == 500
        assert arrives(desk, after) == left
        assert arrives(desk, a_refund(theirs, amount="140.00", refund_id="all")) == 0


def test_a_credit_of_once_a_period_is_given_once_to_the_one_person() -> None:
    mine, theirs = an_order_paid("150.00"), an_order_paid("150.00", member=OLD)
    desk = Desk(a_document(ONCE), members=(MEMBER, OLD)).receives(mine, theirs)
    assert credit(desk) == 1600
    merges(desk)
    assert credit(desk) == 800
    assert arrives(desk, a_refund(mine, amount="150.00")) == 800
    assert arrives(desk, a_refund(theirs, amount="100.00")) == 0


@pytest.mark.parametrize("negative", ["allow", "to_zero", "pending_only"])
@given(
    orders=st.lists(st.tuples(st.sampled_from([MEMBER, OLD]), st.integers(1, 250)), min_size=2, max_size=6),
    back=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 250), st.booleans()), max_size=6),
    more=st.integers(1, 250),
    goal=st.sampled_from([FIVE, ONCE, FIVE | {"limit": "2 per month"}]),
)
def test_a_merge_gives_nothing_and_no_refund_after_it_does_and_all_refunded_holds_nothing(
    negative: str, orders: list[tuple[str, int]], back: list[tuple[int, int, bool]], more: int, goal: Any
) -> None:
    document = a_document(goal, points={"negative": negative})
    desk = Desk(document, members=(MEMBER, OLD))
    paid = [an_order_paid(f"{total}.00", member=member) for member, total in orders]
    desk.receives(*paid)
    refunds = [
        (a_refund(paid[which % len(paid)], amount=f"{amount}.00", refund_id=f"r{number}"), is_before)
        for number, (which, amount, is_before) in enumerate(back)
    ]
    desk.receives(*(refund for refund, is_before in refunds if is_before))
    before = credit(desk)
    merges(desk)
    assert credit(desk) <= before
    for refund in (refund for refund, is_before in refunds if not is_before):
        before = credit(desk)
        assert arrives(desk, refund) <= before
    last = an_order_paid(f"{more}.00", member=OLD)
    arrives(desk, last)
    for order in (*paid, last):
        arrives(desk, a_cancellation(order))
    assert sum(award.held_points for award in desk.book.awards.of(ME).values()) == 0
    assert (credit(desk) == 0) or negative == "pending_only"


SWITCHED = NOON + timedelta(days=10)


@pytest.mark.parametrize(("before", "after"), [("never", "12 months"), ("12 months", "24 months")])
@pytest.mark.parametrize("behind", [None, ME, THEM])
def test_lots_of_both_have_followed_a_new_policy_once_whichever_was_behind(
    before: str, after: str, behind: MemberKey | None
) -> None:
    def lived(*, apart: bool) -> list[Any]:
        later = [(SWITCHED, a_document(PER_EURO, points={"expire": after}))]
        desk = Desk(
            a_document(PER_EURO, points={"expire": before}), later=later, members=(MEMBER, OLD)
        ).receives(an_order_paid("10.00"), an_order_paid("20.00", member=OLD))
        for key in (ME, THEM):
            if key != behind or apart:
                desk.book.schedule(key, SWITCHED)
                settle(desk.book, key, SWITCHED + timedelta(days=1))
        if not apart:
            merges_at(desk, SWITCHED + timedelta(days=2))
            desk.book.schedule(ME, SWITCHED)
            settle(desk.book, ME, SWITCHED + timedelta(days=3))
            assert desk.book.member(ME).lots_version == 2
        lots = [*desk.lots(), *desk.lots(OLD)]
        return sorted((lot.remaining, lot.opened_at, lot.expires_at) for lot in lots if lot.remaining)

    assert lived(apart=False) == lived(apart=True)
