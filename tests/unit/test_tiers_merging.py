"""Two members who are one person, without a database: what both spent counts for the survivor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tiers.domain.auditing import differences
from services.tiers.domain.book import Member
from shared.events import Event, MemberMerged
from tests.support.tiers import (
    PROGRAM,
    House,
    an_event,
    cancelled,
    deleted,
    paid,
    points,
    refunded,
    signed_up,
)

OLD, OLDER = (PROGRAM, "old-7"), (PROGRAM, "older")


def a_house() -> House:
    house = House()
    for key in (OLD, OLDER):
        house.book.members.load(key, "", Member(program_id=PROGRAM, member_id=key[1]))
    return house


def merged(time: str, old: str = "old-7", into: str = "anna") -> Event[Any]:
    return an_event(MemberMerged(member_id=into, merged_id=old), time)


def test_the_worked_example() -> None:
    order = paid("o-2", "400.00", "2026-03-01", "old-7")
    house = a_house().receives(paid("o-1", "700.00", "2026-02-01"), order, merged("2026-05-01"))
    assert (house.standing, house.spent) == (("Habitué", "2027-12-31"), {2026: 110000})
    assert points(list(house.book.outgoing)[-1].data.rewards) == [500], "Regular was entered before"
    assert house.book.member(OLD).level is None
    house.receives(refunded("o-2", "300.00", "2026-06-01", member="old-7")).reaches("2026-06-02T12:00:00")
    assert (house.standing[0], house.spent) == ("Regular", {2026: 80000})
    assert house.audit() == []


def test_a_level_never_falls_by_a_merge_and_is_taken_over_by_whoever_has_none() -> None:
    house = a_house().receives(paid("o", "1000.00", "2026-03-01", "old-7"), merged("2026-05-01"))
    assert house.standing == ("Habitué", "2027-12-31")
    raised = list(house.book.outgoing)[-1]
    assert (raised.type, raised.data.member_id, points(raised.data.rewards)) == ("tier.raised.v1", "anna", [])
    assert house.audit() == []


def test_again_or_in_a_chain_that_comes_in_any_order_it_leads_to_the_same_end() -> None:
    orders = [paid("o-1", "200.00", "2026-02-01"), paid("o-2", "100.00", "2026-02-01", "old-7")]
    orders.append(paid("o-3", "60.00", "2026-02-01", "older"))
    first, second = merged("2026-05-01", "older", "old-7"), merged("2026-05-02")
    for told in ([first, second], [second, first], [first, first, second, second, first]):
        house = a_house().receives(*orders, *told, paid("o-4", "1.00", "2026-05-03", "older"))
        assert (house.standing[0], house.spent) == ("Regular", {2026: 36100})
        assert house.audit() == []


def test_the_deletion_of_the_old_account_forgets_nobody() -> None:
    house = a_house().receives(paid("o-1", "400.00", "2026-02-01", "old-7"), merged("2026-05-01"))
    house.receives(deleted("2026-05-02", "old-7"), paid("o-2", "10.00", "2026-05-03", "old-7"))
    assert house.spent == {2026: 41000}
    house.receives(deleted("2026-05-04"), paid("o-3", "10.00", "2026-05-05", "old-7"))
    assert house.member.erased_at is not None
    assert house.standing == (None, None)


def test_what_was_told_of_one_order_under_both_ids_is_one_order() -> None:
    house = a_house().receives(paid("o", "400.00", "2026-02-01"))
    house.receives(refunded("o", "100.00", "2026-02-02", member="old-7"), merged("2026-05-01"))
    assert house.spent == {2026: 30000}
    both = a_house().receives(paid("o", "400.00", "2026-02-01"), paid("o", "30.00", "2026-02-01", "old-7"))
    assert both.receives(merged("2026-05-01")).spent == {2026: 43000}
    assert both.receives(refunded("o", "100.00", "2026-05-02", member="old-7")).spent == {2026: 33000}


happenings = st.lists(
    st.tuples(
        st.sampled_from(["paid", "refunded", "cancelled", "signed up"]),
        st.sampled_from(["anna", "old-7"]),
        st.integers(0, 3),
        st.integers(1, 900),
    ),
    max_size=10,
)


@given(happenings, st.integers(0, 10))
def test_whenever_the_merge_comes_the_end_is_as_if_one_person_had_done_it_all(
    history: list[tuple[str, str, int, int]], place: int
) -> None:
    def event(what: str, who: str, number: int, amount: int, name: str, day: int) -> Event[Any]:
        time, order = f"2026-03-{day + 1:02d}", f"{name}-{number}"
        if what == "paid":
            return paid(order, f"{amount}.00", time, who)
        if what == "refunded":
            return refunded(order, f"{amount}.00", time, member=who)
        return cancelled(order, time, who) if what == "cancelled" else signed_up(time, who)

    two = [event(*each, each[1], day) for day, each in enumerate(history)]
    one = [event(each[0], "anna", *each[2:], each[1], day) for day, each in enumerate(history)]
    house, alone = a_house(), a_house()
    house.receives(*two[:place], merged("2026-03-20"), *two[place:]).reaches("2026-04-01")
    alone.receives(*one).reaches("2026-04-01")
    assert (house.spent, house.standing) == (alone.spent, alone.standing)
    assert house.audit() == []
    gone = house.book.member(OLD)
    assert (gone.level, gone.next_due, gone.merged_into) == (None, None, "anna")


@pytest.mark.parametrize("into", ["anna", "old-7"])
def test_a_merge_of_strangers_leaves_only_the_name(into: str) -> None:
    house = a_house().receives(merged("2026-05-01", "older", into))
    assert house.book.member(OLDER).merged_into == into
    assert list(house.book.outgoing) == []
    assert differences(house.book, OLDER) == []


def test_a_level_that_had_lost_its_ground_is_not_passed_on_and_that_is_told() -> None:
    house = a_house().receives(
        paid("o-1", "400.00", "2026-03-01"), paid("o-2", "1000.00", "2026-03-02", "old-7")
    )
    house.receives(refunded("o-2", "900.00", "2026-03-03T10:00:00", member="old-7"))
    house.receives(merged("2026-03-03T12:00:00"))
    assert house.standing == ("Regular", "2027-12-31")
    assert (house.told[-1], list(house.book.outgoing)[-1].data.member_id) == ("kept Regular", "anna")
    assert house.audit() == []
