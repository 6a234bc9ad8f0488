"""The rules of standing: up at once, down at the turn of a year, judged again after a refund."""

from __future__ import annotations

import itertools
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import Event, OrderLine, RefundLine, TierLowered, TierRaised, TierWillLower
from shared.orders import CurrencyMismatch, UnknownLine
from shared.programs import BEGINNING_OF_TIME
from shared.rows import replace
from tests.support.tiers import (
    House,
    a_program,
    at,
    cancelled,
    deleted,
    paid,
    points,
    refunded,
    signed_up,
)


def a_house(**ladder: str) -> House:
    return House([(BEGINNING_OF_TIME, a_program(**ladder))])


def test_the_worked_example_of_the_rules() -> None:
    house = a_house().receives(paid("a", "1000.00", "2025-05-01"))
    assert house.standing == ("Habitué", "2026-12-31")
    house.receives(paid("b", "400.00", "2026-05-01"))
    assert house.standing == ("Habitué", "2026-12-31")
    house.reaches("2026-12-31T23:00:00")
    assert house.standing == ("Regular", "2027-12-31")
    house.reaches("2027-12-31T22:59:59")
    assert house.standing == ("Regular", "2027-12-31")
    house.reaches("2027-12-31T23:00:00")
    assert house.standing == ("Guest", None)


def test_a_member_stands_on_the_base_level_from_the_sign_up_on() -> None:
    house = a_house().receives(signed_up("2026-02-01"))
    assert house.standing == ("Guest", None)
    [raised] = house.book.outgoing
    assert raised.data == TierRaised(
        member_id="anna",
        cause="CustomerSignedUp:anna::2026-02-01",
        level="Guest",
        previous_level=None,
        since=at("2026-02-01"),
    )


def test_an_order_before_its_sign_up_joins_the_member() -> None:
    house = a_house().receives(paid("a", "10.00", "2026-02-02"), signed_up("2026-02-01"))
    assert house.told == ["raised Guest"]
    assert house.member.joined_at == house.member.since == at("2026-02-01")


@pytest.mark.parametrize(("total", "level"), [("349.99", "Guest"), ("350.00", "Regular")])
def test_a_threshold_is_inclusive(total: str, level: str) -> None:
    assert a_house().receives(paid("a", total, "2026-02-02")).standing[0] == level


def test_skipped_levels_give_their_entry_rewards_lowest_first() -> None:
    house = a_house().receives(paid("a", "1200.00", "2026-02-02"))
    assert house.told == ["raised Guest", "raised Habitué"]
    raised = list(house.book.outgoing)[-1]
    assert raised.data.previous_level == "Guest"
    assert raised.data.earn_times == "1.5"
    assert points(raised.data.rewards) == [100, 500]


def test_an_entry_reward_comes_once_a_level_and_year() -> None:
    house = a_house().receives(
        paid("a", "400.00", "2025-02-02"),
        paid("b", "700.00", "2025-03-02"),
        paid("c", "1000.00", "2027-03-02"),
    )
    rewards = [points(event.data.rewards) for event in house.book.outgoing if type(event.data) is TierRaised]
    # In 2027 they still stood on Regular, one step down from Habitué, so only Habitué is entered again.
    assert rewards == [[], [100], [500], [500]]


def test_a_level_that_is_met_again_is_kept_at_the_turn() -> None:
    house = a_house().receives(paid("a", "400.00", "2025-02-02"), paid("b", "400.00", "2026-02-02"))
    house.reaches("2027-01-01")
    assert house.standing == ("Regular", "2027-12-31")
    assert house.told == ["raised Guest", "raised Regular", "kept Regular"]
    kept = list(house.book.outgoing)[-1]
    assert kept.time == at("2026-12-31T23:00:00")
    assert kept.data.since == at("2025-02-02")


def test_a_drop_to_what_is_met_skips_levels() -> None:
    house = a_house(step_down="to what is met").receives(paid("a", "1000.00", "2025-02-02"))
    assert house.reaches("2027-01-01").standing == ("Guest", None)


def test_a_level_held_to_the_end_of_its_year_is_judged_on_the_new_one() -> None:
    house = a_house(keep_until="end of this year", step_down="to what is met", warn="never")
    house.receives(paid("a", "1000.00", "2025-02-02"))
    assert house.standing == ("Habitué", "2025-12-31")
    assert house.reaches("2026-01-01").standing == ("Guest", None)


def test_the_year_is_that_of_the_programs_zone() -> None:
    house = a_house().receives(paid("a", "400.00", "2025-12-31T23:30:00"))
    assert house.spent == {2026: 40000}
    assert house.standing == ("Regular", "2027-12-31")


def test_an_order_at_the_turn_itself_belongs_to_the_new_year() -> None:
    house = a_house().receives(paid("a", "400.00", "2025-02-02"), paid("b", "400.00", "2026-12-31T23:00:00"))
    assert house.told == [
        "raised Guest",
        "raised Regular",
        "will_lower Regular",
        "lowered Guest",
        "raised Regular",
    ]
    assert house.standing == ("Regular", "2028-12-31")


def test_a_refund_is_judged_at_the_next_midnight_and_takes_the_entry_reward_back() -> None:
    house = a_house().receives(
        paid("a", "400.00", "2026-02-02"),
        paid("b", "600.00", "2026-02-03"),
        refunded("b", "1.00", "2026-02-10T12:00:00"),
    )
    assert house.standing == ("Habitué", "2027-12-31")
    house.reaches("2026-02-10T23:00:00")
    assert house.standing == ("Regular", "2027-12-31")
    lowered = list(house.book.outgoing)[-1]
    assert lowered.time == at("2026-02-10T23:00:00")
    assert type(lowered.data) is TierLowered
    assert points(lowered.data.rewards_taken_back) == [500]


def test_a_cancelled_order_leaves_nothing_behind() -> None:
    house = a_house().receives(paid("a", "1000.00", "2026-02-02"), cancelled("a", "2026-02-03"))
    house.reaches("2026-02-04")
    assert house.standing == ("Guest", None)
    assert house.spent == {}
    assert points(list(house.book.outgoing)[-1].data.rewards_taken_back) == [500, 100]


def test_a_purchase_before_midnight_saves_the_level() -> None:
    house = a_house().receives(
        paid("a", "1000.00", "2026-02-02"),
        refunded("a", "500.00", "2026-02-10T12:00:00"),
        paid("b", "500.00", "2026-02-10T13:00:00"),
    )
    house.reaches("2026-03-01")
    assert house.told == ["raised Guest", "raised Habitué"]


def test_a_level_that_is_gained_again_gives_its_reward_again_once_it_was_taken_back() -> None:
    house = a_house().receives(
        paid("a", "350.00", "2026-02-02"), cancelled("a", "2026-02-03"), paid("b", "350.00", "2026-02-05")
    )
    given = [points(event.data.rewards) for event in house.book.outgoing if type(event.data) is TierRaised]
    assert given == [[], [100], [100]]
    assert [reward.year for reward in house.member.entry_rewards] == [2026]


def test_a_refund_shrinks_the_year_of_its_order() -> None:
    house = a_house().receives(
        paid("a", "400.00", "2025-12-20"),
        paid("b", "10.00", "2026-01-05"),
        refunded("a", "100.00", "2026-01-10"),
    )
    assert house.spent == {2025: 30000, 2026: 1000}
    assert house.reaches("2026-01-12").standing == ("Guest", None)


def test_a_refund_on_the_last_day_leaves_to_the_turn_what_the_turn_does() -> None:
    house = a_house().receives(
        paid("a", "400.00", "2025-02-02"),
        paid("b", "400.00", "2026-02-02"),
        paid("c", "20.00", "2026-03-02"),
        refunded("c", "20.00", "2026-12-31T12:00:00"),
    )
    house.reaches("2027-02-01")
    assert house.told == ["raised Guest", "raised Regular", "kept Regular"]
    assert house.standing == ("Regular", "2027-12-31")


@pytest.mark.parametrize("step_down", ["one level", "to what is met"])
def test_a_refund_on_the_last_day_of_a_level_takes_its_reward_back_in_one_step(step_down: str) -> None:
    house = a_house(step_down=step_down, warn="never")
    house.receives(paid("a", "1000.00", "2025-05-01"), refunded("a", "1000.00", "2026-12-31T12:00:00"))
    house.reaches("2027-01-01")
    assert house.told == ["raised Guest", "raised Habitué", "lowered Guest"]
    assert points(list(house.book.outgoing)[-1].data.rewards_taken_back) == [500, 100]


def test_a_drop_that_had_to_come_is_not_put_down_to_a_refund() -> None:
    house = a_house(warn="never").receives(
        paid("a", "1000.00", "2025-05-01"),
        paid("b", "20.00", "2026-05-01"),
        refunded("b", "20.00", "2026-12-31T12:00:00"),
    )
    house.reaches("2027-01-01")
    lowered = list(house.book.outgoing)[-1].data
    assert (lowered.level, lowered.reason, lowered.rewards_taken_back) == (
        "Regular",
        "The year was judged.",
        (),
    )


def test_a_level_that_was_over_before_it_became_known_gives_no_reward_later() -> None:
    house = a_house().receives(
        paid("a", "400.00", "2026-02-01"),
        paid("late", "1000.00", "2024-02-01"),
        paid("b", "600.00", "2026-03-01"),
    )
    assert house.told == ["raised Guest", "raised Regular", "raised Habitué"]
    assert points(list(house.book.outgoing)[-1].data.rewards) == [500]


def test_who_rises_within_the_days_of_warning_is_not_warned() -> None:
    house = a_house(keep_until="end of this year").receives(paid("a", "400.00", "2026-12-20"))
    assert house.reaches("2027-01-01").told == ["raised Guest", "raised Regular", "lowered Guest"]


TEA_AND_CUP = (OrderLine(line_id="tea", total="300.00"), OrderLine(line_id="cup", total="100.00"))
TEA_AND_POT = (OrderLine(line_id="tea", total="300.00"), OrderLine(line_id="pot", total="90.00"))


@pytest.mark.parametrize("in_time", [True, False])
def test_a_refund_of_a_line_that_an_edit_removed_counts_nothing(in_time: bool) -> None:
    first = paid("a", "400.00", "2026-02-01", lines=TEA_AND_CUP)
    edit = paid("a", "390.00", "2026-02-02", lines=TEA_AND_POT)
    refund = refunded("a", None, "2026-02-03", lines=(RefundLine(line_id="cup"),))
    house = a_house().receives(*((first, edit) if in_time else (edit, first)), refund)
    assert house.spent == {2026: 39000}


def test_a_refund_of_a_line_that_never_was_is_refused() -> None:
    house = a_house().receives(paid("a", "400.00", "2026-02-01", lines=TEA_AND_CUP))
    refused = house.tries(refunded("a", None, "2026-02-03", lines=(RefundLine(line_id="pot"),)))
    assert type(refused[0]) is UnknownLine


def test_an_order_that_was_cancelled_is_not_revived_by_an_edit() -> None:
    house = a_house().receives(
        paid("a", "400.00", "2026-02-01"), cancelled("a", "2026-02-02"), paid("a", "500.00", "2026-02-03")
    )
    assert house.spent == {}


def test_a_refund_before_its_order_waits_for_it() -> None:
    house = a_house().receives(refunded("a", "100.00", "2026-02-03"))
    assert house.member.level is None
    house.receives(paid("a", "400.00", "2026-02-02"))
    assert house.spent == {2026: 30000}
    assert house.standing == ("Guest", None)


def test_a_cancellation_before_its_order_waits_for_it() -> None:
    house = a_house().receives(cancelled("a", "2026-02-03"), paid("a", "400.00", "2026-02-02"))
    assert house.spent == {}
    assert house.told == ["raised Guest"]


def test_the_same_refund_under_another_event_counts_once() -> None:
    house = a_house().receives(
        paid("a", "400.00", "2026-02-02"),
        refunded("a", "10.00", "2026-02-03", refund_id="r1"),
        refunded("a", "10.00", "2026-02-04", refund_id="r1"),
    )
    assert house.spent == {2026: 39000}


def test_an_edited_order_replaces_the_first_and_keeps_its_date() -> None:
    house = a_house().receives(paid("a", "400.00", "2025-12-31"), paid("a", "300.00", "2026-01-02"))
    assert house.spent == {2025: 30000}
    assert house.reaches("2026-01-04").standing == ("Guest", None)


def test_an_edit_that_overtakes_the_first_statement_still_wins() -> None:
    house = a_house().receives(paid("a", "300.00", "2026-01-02"), paid("a", "400.00", "2025-12-31"))
    assert house.spent == {2025: 30000}


def test_another_currency_and_guests_do_not_count() -> None:
    house = a_house().receives(
        paid("a", "1000.00", "2026-02-02", currency="USD"), paid("b", "1000.00", "2026-02-02", member=None)
    )
    assert house.spent == {}
    assert house.told == ["raised Guest"]


def test_a_refund_in_another_currency_is_refused_and_leaves_no_trace() -> None:
    house = a_house().receives(paid("a", "400.00", "2026-02-02"))
    refused = house.tries(refunded("a", "400.00", "2026-02-03", currency="USD"))
    assert type(refused[0]) is CurrencyMismatch
    assert house.spent == {2026: 40000}


def test_a_waiting_refund_that_does_not_fit_keeps_no_order_from_counting() -> None:
    house = a_house().receives(
        refunded("a", "400.00", "2026-02-03", currency="USD"), paid("a", "400.00", "2026-02-02")
    )
    assert house.spent == {2026: 40000}


def test_an_order_that_is_weeks_late_lifts_as_if_it_had_come_in_time() -> None:
    house = a_house().receives(paid("a", "10.00", "2026-02-02"), paid("b", "400.00", "2025-12-20"))
    assert house.standing == ("Regular", "2026-12-31")
    assert house.spent == {2025: 40000, 2026: 1000}


def test_an_order_that_is_late_for_its_turn_shortens_nothing_that_was_told() -> None:
    house = a_house().receives(
        paid("a", "400.00", "2025-02-02"),
        paid("b", "300.00", "2026-02-02"),
        paid("c", "400.00", "2027-01-10"),
        paid("d", "50.00", "2026-12-20"),
    )
    assert house.standing == ("Regular", "2028-12-31")
    assert house.audit() == []


def test_who_will_drop_is_told_what_would_keep_the_level() -> None:
    house = a_house().receives(paid("a", "1000.00", "2025-05-01"), paid("b", "400.00", "2026-05-01"))
    assert house.reaches("2026-12-01T22:59:59").told[-1] == "raised Habitué"
    house.reaches("2026-12-01T23:00:00")
    warning = list(house.book.outgoing)[-1].data
    assert warning == TierWillLower(
        member_id="anna",
        level="Habitué",
        since=at("2025-05-01"),
        valid_until=at("2026-12-31T23:00:00"),
        earn_times="1.5",
        next_level="Regular",
        missing="600.00",
        currency="EUR",
        days_left=30,
    )


def test_who_has_met_the_level_again_is_not_warned() -> None:
    house = a_house().receives(paid("a", "400.00", "2025-05-01"), paid("b", "400.00", "2026-05-01"))
    assert house.reaches("2026-12-31").told == ["raised Guest", "raised Regular"]


def test_a_new_ladder_holds_from_the_next_turn_of_the_year() -> None:
    stricter, easier = a_program(), a_program()
    stricter["tiers"]["levels"][1]["from"] = "500.00 EUR"
    easier["tiers"]["levels"][1]["from"] = "100.00 EUR"
    house = House(
        [(BEGINNING_OF_TIME, a_program()), (at("2026-03-01"), stricter), (at("2027-03-01"), easier)]
    )
    house.receives(paid("a", "400.00", "2026-05-01"))
    assert house.standing == ("Regular", "2027-12-31")
    house.receives(paid("b", "200.00", "2027-05-01"))
    house.reaches("2028-02-01")
    assert house.standing == ("Regular", "2028-12-31")
    assert house.told == ["raised Guest", "raised Regular", "kept Regular"]


def test_a_ladder_that_became_easier_lifts_at_the_turn() -> None:
    easier = a_program()
    easier["tiers"]["levels"][1]["from"] = "100.00 EUR"
    house = House([(BEGINNING_OF_TIME, a_program()), (at("2026-03-01"), easier)])
    house.receives(paid("a", "200.00", "2026-05-01"))
    assert house.standing == ("Guest", None)
    house.reaches("2027-01-01")
    assert house.standing == ("Regular", "2027-12-31")
    assert points(list(house.book.outgoing)[-1].data.rewards) == [100]


def test_a_level_that_a_new_ladder_lacks_goes_on_under_the_threshold_it_had() -> None:
    renamed = a_program()
    renamed["tiers"]["levels"][1] |= {"level": "Friend", "from": "300.00 EUR"}
    house = House([(BEGINNING_OF_TIME, a_program()), (at("2026-03-01"), renamed)])
    house.receives(paid("a", "400.00", "2026-05-01")).reaches("2027-01-01")
    assert house.told == ["raised Guest", "raised Regular", "kept Friend"]
    assert house.standing == ("Friend", "2027-12-31")


def test_an_erased_member_books_nothing_any_more() -> None:
    house = a_house().receives(
        paid("a", "400.00", "2026-02-02"), deleted("2026-03-01"), paid("b", "400.00", "2026-04-01")
    )
    assert house.member.level is None
    assert house.member.next_due is None
    assert "b" not in house.book.purchases.of(("demo", "anna"))


def test_what_follows_from_a_replayed_event_says_so() -> None:
    order = paid("a", "400.00", "2026-02-02")
    house = a_house().receives(replace(order, replayed=True))
    assert [event.replayed for event in house.book.outgoing] == [True, True]


STORIES = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.integers(0, 150_000),
        st.integers(0, 900),
        st.sampled_from(["paid", "refund", "cancel", "sign up"]),
    ),
    min_size=1,
    max_size=9,
)


def events_of(story: list[tuple[str, int, int, str]], days: int = 900) -> list[Event[Any]]:
    events = []
    for order, minor, day, what in story:
        time = f"{at('2025-01-01') + timedelta(days=day % days, hours=12):%Y-%m-%dT%H:%M:%S}"
        money = f"{minor // 100}.{minor % 100:02d}"
        if what == "paid":
            events.append(paid(order, money, time))
        elif what == "refund":
            events.append(refunded(order, money if minor else "0.01", time))
        elif what == "cancel":
            events.append(cancelled(order, time))
        else:
            events.append(signed_up(time))
    return list({event.id: event for event in events}.values())


@settings(max_examples=300, deadline=None)
@given(STORIES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_neither_spend_nor_standing(
    story: list[tuple[str, int, int, str]], random: Random
) -> None:
    events = events_of(story)
    in_time = sorted(events, key=lambda event: (event.time, event.id))
    shuffled = list(events)
    random.shuffle(shuffled)
    ends = []
    for arrival in (in_time, shuffled):
        house = a_house().receives(*arrival).reaches("2028-06-01")
        assert house.audit() == []
        ends.append((house.spent, house.standing, house.member.joined_at))
    assert ends[0] == ends[1]


@settings(max_examples=200, deadline=None)
@given(STORIES)
def test_a_history_settled_day_by_day_tells_the_same_as_one_replayed_at_once(
    story: list[tuple[str, int, int, str]],
) -> None:
    events = sorted(events_of(story), key=lambda event: (event.time, event.id))
    replayed, lived = a_house(), a_house()
    replayed.receives(*events).reaches("2028-06-01")
    for event in events:
        for day in range(-3, 1):
            settle_to = event.time + timedelta(days=day)
            lived.reaches(f"{settle_to:%Y-%m-%dT%H:%M:%S}")
        lived.receives(event)
    lived.reaches("2028-06-01")
    assert lived.told == replayed.told
    assert lived.member == replayed.member


@settings(max_examples=200, deadline=None)
@given(STORIES)
def test_when_all_is_refunded_nothing_is_left(story: list[tuple[str, int, int, str]]) -> None:
    events = sorted(events_of(story, days=360), key=lambda event: (event.time, event.id))
    house = a_house().receives(*events)
    house.receives(*(refunded(order, "99999.00", "2025-12-30", refund_id="all") for order in "abcde"))
    house.reaches("2026-01-02")
    assert house.spent == {}
    assert house.standing in {("Guest", None), (None, None)}
    assert house.member.entry_rewards == ()
    given_points = sum(sum(points(getattr(event.data, "rewards", ()))) for event in house.book.outgoing)
    taken = sum(sum(points(getattr(event.data, "rewards_taken_back", ()))) for event in house.book.outgoing)
    assert given_points == taken


@settings(max_examples=100, deadline=None)
@given(STORIES)
def test_announcements_have_ids_of_their_own(story: list[tuple[str, int, int, str]]) -> None:
    house = a_house().receives(*events_of(story)).reaches("2028-06-01")
    ids = [event.id for event in house.book.outgoing]
    assert len(ids) == len(set(ids)) == house.member.changes


@settings(max_examples=200, deadline=None)
@given(STORIES)
def test_what_is_told_of_a_member_never_goes_back_in_time(story: list[tuple[str, int, int, str]]) -> None:
    house = a_house().receives(*events_of(story)).reaches("2028-06-01")
    times = [event.time for event in house.book.outgoing]
    assert times == sorted(times)


@settings(max_examples=200, deadline=None)
@given(STORIES)
def test_levels_move_the_way_the_announcement_says(story: list[tuple[str, int, int, str]]) -> None:
    rank = {None: -1, "Guest": 0, "Regular": 1, "Habitué": 2}
    house = a_house().receives(*events_of(story)).reaches("2028-06-01")
    level = None
    for event in house.book.outgoing:
        if type(event.data) is TierWillLower:
            continue
        step = rank[event.data.level] - rank[level]
        assert event.data.previous_level == level
        assert {"raised": step > 0, "kept": step == 0, "lowered": step < 0}[event.type.split(".")[1]]
        level = event.data.level
    assert level == house.member.level


def test_the_turn_does_nothing_twice() -> None:
    house = a_house().receives(paid("a", "1000.00", "2025-05-01"))
    for time in itertools.repeat("2029-01-01", 3):
        house.reaches(time)
    assert house.told == [
        "raised Guest",
        "raised Habitué",
        "will_lower Habitué",
        "lowered Regular",
        "will_lower Regular",
        "lowered Guest",
    ]
