"""The rules of referrals, on a book in memory: attribution, wait, refunds, blocks, erasure, order of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.referrals.domain.book import Book
from services.referrals.domain.hashes import Secret
from services.referrals.domain.model import Member, MemberKey, Reason, Referral, State
from services.referrals.domain.needs import needs_of
from services.referrals.domain.referring import Moment, review
from services.referrals.handlers import on
from services.referrals.program import parse
from shared.errors import ServiceError
from shared.events import CustomerDeleted, CustomerUpdated, Event, Grant, event_type
from shared.programs import BEGINNING_OF_TIME, Version, Versions
from tests.support.events import (
    PROGRAM,
    a_cancellation,
    a_fulfilment,
    a_refund,
    a_sign_up,
    an_event,
    an_order_paid,
)

SECRET = Secret(b"only for tests, of course")
DAY = timedelta(days=1)
START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
DUE = datetime(2026, 5, 18, 22, 0, tzinfo=UTC)
"""The midnight in Paris that follows 14 days after START."""
ANNA, BEN, CLEO = "anna", "ben", "cleo"

DOCUMENT: dict[str, Any] = {
    "program": PROGRAM,
    "currency": "EUR",
    "time_zone": "Europe/Paris",
    "referrals": {
        "welcome": {"friend": {"coupon": "10 %"}},
        "reward": {"advocate": {"points": "500"}, "friend": {"points": "100"}},
        "qualifies": {"first_order": "true", "order_at_least": "30.00 EUR"},
    },
}
ADVOCATE_REWARD = (Grant(kind="points", asset="points", points=500),)
FRIEND_REWARD = (Grant(kind="points", asset="points", points=100),)
WELCOME = (Grant(kind="coupon", percent="10"),)


def code_of(member: str) -> str:
    """The code of a member."""
    return SECRET.code(PROGRAM, member)


@dataclass
class Referrals:
    """The domain with a memory instead of a database."""

    document: dict[str, Any] = field(default_factory=lambda: DOCUMENT)
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        rules = parse(self.document)
        version = Version(PROGRAM, 1, BEGINNING_OF_TIME, BEGINNING_OF_TIME, self.document, rules)
        self.book = Book({PROGRAM: Versions((version,))}, SECRET)

    def receives(self, *events: Event[Any]) -> dict[int, ServiceError]:
        """One batch of these events."""
        needs = needs_of(events)
        self.book.newcomers.clear()
        for key, at in needs.members.items():
            if self.book.members.get(key, "") is None:
                code = SECRET.code(*key)
                self.book.members.load(key, "", Member(*key, code, at))
                self.book.owners[key[0], code] = key[1]
                self.book.newcomers.add(key)
        return on.run(events, self.book)

    def time_comes_to(self, moment: datetime) -> None:
        """Settle everything that is due by then."""
        for key in [(PROGRAM, member) for member in (ANNA, BEN, CLEO)]:
            if self.book.members.get(key, "") is not None:
                review(self.book, key, Moment(moment, "the clock", horizon=moment))

    def referrals(self, friend: str = BEN) -> list[Referral]:
        """All referrals of a friend."""
        return list(self.book.referrals.of((PROGRAM, friend)).values())

    def only(self, friend: str = BEN) -> Referral:
        """The one referral of a friend."""
        (referral,) = self.referrals(friend)
        return referral

    def state(self, friend: str = BEN) -> State:
        """Where that one stands."""
        return self.only(friend).state

    def attempts(self, friend: str = BEN) -> list[tuple[Reason, ...]]:
        """What speaks against each touch of a friend, first touch first."""
        key: MemberKey = (PROGRAM, friend)
        touches = sorted(self.book.touches.of(key).values(), key=lambda touch: touch.rank)
        return [touch.reasons for touch in touches]

    def told(self, member: str) -> list[tuple[str, tuple[Grant, ...]]]:
        """What was announced about a member, with rewards, oldest first."""
        return [
            (event.type.split(".")[1], event.data.rewards)
            for event in self.book.outgoing
            if event.data.member_id == member
        ]


def ben_comes_through_anna() -> list[Event[Any]]:
    """Anna is a member, Ben signs up with her code and orders enough."""
    return [
        a_sign_up(ANNA, at=START - 30 * DAY, email="anna@shop.example"),
        a_sign_up(BEN, at=START, email="ben@shop.example", referral_code=code_of(ANNA)),
        an_order_paid("42.00", order_id="b-1", member=BEN, at=START),
    ]


def test_both_sides_are_rewarded_at_the_midnight_after_fourteen_days() -> None:
    referrals = Referrals()
    referrals.receives(*ben_comes_through_anna())
    assert referrals.state() is State.PENDING
    referrals.time_comes_to(DUE - timedelta(microseconds=1))
    assert referrals.state() is State.PENDING
    referrals.time_comes_to(DUE)
    assert (referrals.state(), referrals.only().approved_at) == (State.APPROVED, DUE)
    assert referrals.told(BEN) == [("started", WELCOME), ("qualified", ()), ("approved", FRIEND_REWARD)]
    assert referrals.told(ANNA) == [("started", ()), ("qualified", ()), ("approved", ADVOCATE_REWARD)]


def test_an_approval_is_booked_when_it_was_due_however_late_it_is_found() -> None:
    referrals = Referrals()
    referrals.receives(*ben_comes_through_anna())
    referrals.receives(an_order_paid("5.00", member=BEN, at=DUE + 40 * DAY))
    approved = [event for event in referrals.book.outgoing if event.type == "referral.approved.v1"]
    assert [event.time for event in approved] == [DUE, DUE]


def test_a_repetition_of_an_announcement_has_the_same_id() -> None:
    ids = []
    for _ in range(2):
        referrals = Referrals()
        referrals.receives(*ben_comes_through_anna())
        referrals.time_comes_to(DUE)
        ids.append([event.id for event in referrals.book.outgoing])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 6


def test_a_refund_before_the_approval_voids_only_what_no_longer_qualifies() -> None:
    for amount, expected in (("12.00", State.APPROVED), ("12.01", State.VOIDED)):
        referrals = Referrals()
        events = ben_comes_through_anna()
        referrals.receives(*events, a_refund(events[-1], at=START + DAY, amount=amount))
        referrals.time_comes_to(DUE)
        assert referrals.state() is expected, amount


def test_a_refund_at_the_very_moment_of_the_approval_comes_too_late_to_void() -> None:
    referrals = Referrals()
    events = ben_comes_through_anna()
    referrals.receives(*events, a_refund(events[-1], at=DUE, amount="42.00"))
    assert referrals.state() is State.APPROVED


def test_a_refund_that_overtakes_its_order_waits_for_it_and_counts() -> None:
    referrals = Referrals()
    anna, ben, order = ben_comes_through_anna()
    referrals.receives(anna, ben, a_refund(order, at=START + DAY, amount="42.00"))
    assert referrals.state() is State.STARTED
    referrals.receives(order)
    assert (referrals.state(), referrals.only().reasons) == (State.VOIDED, (Reason.ORDER_REFUNDED,))


def test_a_cancellation_before_the_approval_voids() -> None:
    referrals = Referrals()
    events = ben_comes_through_anna()
    referrals.receives(*events, a_cancellation(events[-1], at=START + DAY))
    assert (referrals.state(), referrals.only().reasons) == (State.VOIDED, (Reason.ORDER_CANCELLED,))


def test_a_refund_from_before_the_approval_that_comes_in_after_it_takes_the_rewards_back() -> None:
    referrals = Referrals()
    events = ben_comes_through_anna()
    referrals.receives(*events)
    referrals.time_comes_to(DUE)
    referrals.receives(a_refund(events[-1], at=DUE - DAY, amount="42.00"))
    assert referrals.state() is State.VOIDED
    assert referrals.told(BEN)[-1] == ("voided", FRIEND_REWARD)
    assert referrals.told(ANNA)[-1] == ("voided", ADVOCATE_REWARD)
    assert (referrals.only().friend_rewards, referrals.only().advocate_rewards) == ((), ())


def test_an_order_that_is_too_small_ends_a_referral_that_asks_for_the_first_order() -> None:
    referrals = Referrals()
    anna, ben, _ = ben_comes_through_anna()
    referrals.receives(anna, ben, an_order_paid("29.99", member=BEN, at=START))
    referrals.receives(an_order_paid("99.00", member=BEN, at=START + DAY))
    assert (referrals.state(), referrals.only().reasons) == (
        State.VOIDED,
        (Reason.FIRST_ORDER_DOES_NOT_QUALIFY,),
    )


def test_any_order_can_qualify_where_the_program_says_so() -> None:
    section = DOCUMENT["referrals"] | {"qualifies": {"first_order": False, "order_at_least": "30.00 EUR"}}
    referrals = Referrals(DOCUMENT | {"referrals": section})
    anna, ben, _ = ben_comes_through_anna()
    referrals.receives(anna, ben, an_order_paid("29.99", member=BEN, at=START))
    assert referrals.state() is State.STARTED
    referrals.receives(an_order_paid("30.00", order_id="b-2", member=BEN, at=START + DAY))
    assert (referrals.state(), referrals.only().order_id) == (State.PENDING, "b-2")


def test_an_order_in_another_currency_does_not_qualify() -> None:
    referrals = Referrals()
    anna, ben, _ = ben_comes_through_anna()
    referrals.receives(anna, ben, an_order_paid("500.00", currency="USD", member=BEN, at=START))
    assert referrals.state() is State.VOIDED


def test_an_edit_that_shrinks_the_order_voids_and_one_that_lifts_it_revives() -> None:
    referrals = Referrals()
    events = ben_comes_through_anna()
    referrals.receives(*events, an_order_paid("20.00", order_id="b-1", member=BEN, at=START + DAY))
    assert referrals.state() is State.VOIDED
    referrals.receives(an_order_paid("31.00", order_id="b-1", member=BEN, at=START + 2 * DAY))
    assert (referrals.state(), referrals.only().due_at) == (State.PENDING, DUE)


def test_a_wait_for_the_fulfilment_begins_with_the_first_one() -> None:
    pending = {"pending": {"order.paid": "14 days after order.fulfilled"}}
    referrals = Referrals(DOCUMENT | {"ledger": pending})
    events = ben_comes_through_anna()
    referrals.receives(*events)
    referrals.time_comes_to(DUE + 10 * DAY)
    assert referrals.state() is State.PENDING
    for days in (5, 3):
        referrals.receives(a_fulfilment(events[-1], at=START + days * DAY))
    assert referrals.only().due_at == DUE + 3 * DAY


def test_an_order_that_is_never_fulfilled_voids_after_ninety_days() -> None:
    pending = {"pending": {"order.paid": "14 days after order.fulfilled"}}
    referrals = Referrals(DOCUMENT | {"ledger": pending})
    referrals.receives(*ben_comes_through_anna())
    referrals.time_comes_to(DUE + 75 * DAY)
    assert referrals.state() is State.PENDING
    referrals.time_comes_to(DUE + 76 * DAY)
    assert (referrals.state(), referrals.only().reasons) == (State.VOIDED, (Reason.NOT_FULFILLED,))
    referrals.receives(an_order_paid("50.00", member=BEN, at=START + 2 * DAY))
    assert referrals.state() is State.VOIDED, "an old paper does not turn back time"


def test_nobody_refers_themselves() -> None:
    referrals = Referrals()
    referrals.receives(a_sign_up(ANNA, at=START, referral_code=code_of(ANNA)))
    assert (referrals.referrals(ANNA), referrals.attempts(ANNA)) == ([], [(Reason.SAME_MEMBER,)])


@pytest.mark.parametrize(
    ("anna", "ben"),
    [
        ("anna@shop.example", " ANNA@Shop.Example"),
        ("anna@shop.example", "anna+friend@shop.example"),
        ("anna.b@gmail.com", "ann.ab+x@googlemail.com"),
    ],
)
def test_the_same_address_in_another_spelling_is_the_same_person(anna: str, ben: str) -> None:
    referrals = Referrals()
    referrals.receives(
        a_sign_up(ANNA, at=START, email=anna),
        a_sign_up(BEN, at=START, email=ben, referral_code=code_of(ANNA)),
    )
    assert (referrals.referrals(), referrals.attempts()) == ([], [(Reason.SAME_EMAIL,)])


def test_an_address_learnt_later_voids_what_was_not_approved_yet() -> None:
    referrals = Referrals()
    referrals.receives(*ben_comes_through_anna())
    address = CustomerUpdated(customer_id=ANNA, email="ben@shop.example")
    referrals.receives(an_event(address, at=START + DAY))
    assert (referrals.state(), referrals.only().reasons) == (State.VOIDED, (Reason.SAME_EMAIL,))
    voided = [event.data for event in referrals.book.outgoing if event.type == "referral.voided.v1"]
    assert [(data.role, data.signals) for data in voided] == [
        ("friend", ("same_email",)),
        ("advocate", ("same_email",)),
    ]


def test_who_had_ordered_before_is_no_friend() -> None:
    referrals = Referrals()
    anna, ben, order = ben_comes_through_anna()
    referrals.receives(anna, ben, order, an_order_paid("9.00", member=BEN, at=START - DAY))
    assert (referrals.state(), referrals.attempts()) == (State.VOIDED, [(Reason.ORDERED_BEFORE,)])


def test_a_first_order_after_the_attribution_window_is_that_of_an_old_account() -> None:
    for days, expected in ((30, State.PENDING), (31, State.VOIDED)):
        referrals = Referrals()
        anna, ben, _ = ben_comes_through_anna()
        referrals.receives(anna, ben, an_order_paid("50.00", member=BEN, at=START + days * DAY))
        assert referrals.state() is expected, days


def test_a_code_at_the_first_order_counts_and_at_the_second_does_not() -> None:
    referrals = Referrals()
    referrals.receives(a_sign_up(ANNA, at=START - DAY))
    referrals.receives(
        an_order_paid("50.00", order_id="b-1", member=BEN, at=START, referral_code=code_of(ANNA))
    )
    assert referrals.state() is State.PENDING
    second = an_order_paid("50.00", member=BEN, at=START + DAY, referral_code=code_of(ANNA))
    referrals.receives(second)
    assert referrals.attempts() == [(), (Reason.ORDERED_BEFORE,)]
    assert referrals.state() is State.PENDING


def test_a_code_that_is_nobodys_is_kept_as_an_attempt() -> None:
    referrals = Referrals()
    referrals.receives(
        a_sign_up(BEN, at=START, referral_code="0000-000000"),
        a_sign_up(CLEO, at=START, referral_code="⚡"),
    )
    assert (referrals.attempts(BEN), referrals.attempts(CLEO)) == (
        [(Reason.CODE_UNKNOWN,)],
        [(Reason.CODE_UNREADABLE,)],
    )
    assert len(referrals.book.outgoing) == 0


def test_a_code_counts_once_its_member_appears_within_the_window() -> None:
    for days, expected in ((30, [()]), (31, [(Reason.CODE_TOO_YOUNG,)])):
        referrals = Referrals()
        _, ben, order = ben_comes_through_anna()
        referrals.receives(ben, order)
        assert referrals.attempts() == [(Reason.CODE_UNKNOWN,)]
        referrals.receives(a_sign_up(ANNA, at=START + days * DAY))
        assert referrals.attempts() == expected, days


def test_a_code_as_people_type_it_is_the_same_code() -> None:
    referrals = Referrals()
    code = code_of(ANNA).lower().replace("0", "o").replace("1", "l")
    referrals.receives(
        a_sign_up(ANNA, at=START), a_sign_up(BEN, at=START, referral_code=f" {code[:5]}-{code[5:]}")
    )
    assert referrals.state() is State.STARTED


def test_the_first_touch_counts_and_a_better_one_replaces_it_until_an_order_qualifies() -> None:
    referrals = Referrals()
    referrals.receives(a_sign_up(ANNA, at=START - DAY), a_sign_up(CLEO, at=START - DAY))
    referrals.receives(a_sign_up(BEN, at=START, referral_code=code_of(ANNA)))
    referrals.receives(a_sign_up(BEN, at=START - timedelta(hours=1), referral_code=code_of(CLEO)))
    states = {referral.advocate_id: referral.state for referral in referrals.referrals()}
    assert states == {ANNA: State.VOIDED, CLEO: State.STARTED}
    assert [rewards for kind, rewards in referrals.told(BEN) if kind == "started"] == [WELCOME, ()]
    referrals.receives(an_order_paid("50.00", member=BEN, at=START + DAY))
    referrals.receives(a_sign_up(BEN, at=START - timedelta(hours=2), referral_code=code_of(ANNA)))
    states = {referral.advocate_id: referral.state for referral in referrals.referrals()}
    assert states == {ANNA: State.VOIDED, CLEO: State.PENDING}
    assert referrals.attempts() == [(Reason.ALREADY_REFERRED,), (), (Reason.ALREADY_REFERRED,)]


def test_a_blocked_touch_does_not_stand_in_the_way_of_the_next() -> None:
    referrals = Referrals()
    referrals.receives(a_sign_up(ANNA, at=START))
    referrals.receives(a_sign_up(BEN, at=START, referral_code=code_of(BEN)))
    referrals.receives(an_order_paid("50.00", member=BEN, at=START + DAY, referral_code=code_of(ANNA)))
    assert (referrals.attempts(), referrals.state()) == ([(Reason.SAME_MEMBER,), ()], State.PENDING)


def test_without_the_section_nobody_is_referred() -> None:
    document = {name: value for name, value in DOCUMENT.items() if name != "referrals"}
    referrals = Referrals(document)
    referrals.receives(*ben_comes_through_anna())
    assert (referrals.referrals(), referrals.attempts()) == ([], [(Reason.NOT_OFFERED,)])


def test_an_erased_friend_voids_what_is_open_and_keeps_what_is_approved() -> None:
    gone = an_event(CustomerDeleted(customer_id=BEN), at=START + DAY)
    early = Referrals()
    early.receives(*ben_comes_through_anna(), gone)
    assert (early.state(), early.only().reasons) == (State.VOIDED, (Reason.FRIEND_ERASED,))
    late = Referrals()
    late.receives(*ben_comes_through_anna(), an_event(CustomerDeleted(customer_id=BEN), at=DUE))
    assert late.state() is State.APPROVED
    before = len(late.book.outgoing)
    late.receives(an_order_paid("50.00", member=BEN, at=DUE + DAY))
    assert len(late.book.outgoing) == before


def test_a_friend_of_an_erased_advocate_still_gets_their_part() -> None:
    referrals = Referrals()
    referrals.receives(*ben_comes_through_anna(), an_event(CustomerDeleted(customer_id=ANNA), at=START + DAY))
    referrals.time_comes_to(DUE)
    assert referrals.state() is State.APPROVED
    assert referrals.told(BEN)[-1] == ("approved", FRIEND_REWARD)
    assert referrals.told(ANNA)[-1] == ("qualified", ())
    referrals.receives(a_sign_up(CLEO, at=START + 2 * DAY, referral_code=code_of(ANNA)))
    assert referrals.attempts(CLEO) == [(Reason.ADVOCATE_ERASED,)]


def test_a_refused_event_leaves_no_trace() -> None:
    referrals = Referrals()
    referrals.receives(*ben_comes_through_anna())
    before = (referrals.only(), len(referrals.book.outgoing), len(referrals.book.papers.of((PROGRAM, BEN))))
    bad = an_order_paid("1.001", member=BEN, at=START + DAY, referral_code=code_of(CLEO))
    order = ben_comes_through_anna()[-1]
    refused = referrals.receives(bad, a_refund(order, at=START + DAY, amount="1.00", currency="USD"))
    assert [error.code for error in refused.values()] == ["invalid_amount", "currency_mismatch"]
    after = (referrals.only(), len(referrals.book.outgoing), len(referrals.book.papers.of((PROGRAM, BEN))))
    assert after == before


def story(shape: Sequence[int]) -> list[Event[Any]]:
    """A history of a friend; `shape` says what happens in it."""
    small, refund_days, waits, earlier, edit, email = shape
    anna, ben, order = ben_comes_through_anna()
    events = [anna, ben, an_order_paid("29.00", order_id="b-1", member=BEN, at=START) if small else order]
    if refund_days:
        events.append(a_refund(order, at=START + refund_days * DAY, amount="30.00", refund_id="r-1"))
    if waits:
        events += [a_fulfilment(order, at=START + days * DAY) for days in (waits, waits + 2)]
    if earlier:
        events.append(an_order_paid("60.00", order_id="b-0", member=BEN, at=START + (earlier - 2) * DAY))
    if edit:
        events.append(an_order_paid(f"{edit * 20}.00", order_id="b-1", member=BEN, at=START + 2 * DAY))
    if email:
        address = CustomerUpdated(customer_id=ANNA, email="ben@shop.example")
        events.append(an_event(address, at=START - DAY))
    return events


SHAPES = st.tuples(
    st.booleans(),  # a first order that is too small
    st.sampled_from([0, 1, 13, 15, 20]),  # days until a refund
    st.sampled_from([0, 1, 5, 89, 95]),  # days until a fulfilment
    st.sampled_from([0, 1, 3]),  # another order: a day before or after
    st.sampled_from([0, 1, 2]),  # an edit to 20.00 or 40.00
    st.booleans(),  # both turn out to be one person
)


@settings(max_examples=150, deadline=None)
@given(st.data(), SHAPES, st.booleans(), st.booleans())
def test_a_referral_ends_alike_whatever_the_order_of_arrival(
    data: st.DataObject, shape: tuple[int, ...], fulfilled: bool, first: bool
) -> None:
    policy = "14 days after order.fulfilled" if fulfilled else "immediate"
    section = DOCUMENT["referrals"] | {"qualifies": {"first_order": first, "order_at_least": "30.00 EUR"}}
    document = DOCUMENT | {"ledger": {"pending": {"order.paid": policy}}, "referrals": section}
    events = story(shape)
    # An address that is learnt once the referral was approved changes nothing: that is first come, first served.
    assume(not shape[-1] or max(event.time for event in events) < DUE)
    in_order, shuffled = Referrals(document), Referrals(document)
    in_order.receives(*sorted(events, key=lambda event: event.time))
    for event in data.draw(st.permutations(events)):
        shuffled.receives(event)
    for each in (in_order, shuffled):
        each.time_comes_to(START + 400 * DAY)
    assert [_essence(r) for r in shuffled.referrals() if r.state is not State.VOIDED] == [
        _essence(r) for r in in_order.referrals() if r.state is not State.VOIDED
    ]
    assert shuffled.attempts() == in_order.attempts()


@settings(max_examples=100, deadline=None)
@given(st.data(), SHAPES.filter(lambda shape: not shape[-1]), st.booleans())
def test_an_approval_found_too_early_is_made_good(
    data: st.DataObject, shape: tuple[int, ...], fulfilled: bool
) -> None:
    policy = "14 days after order.fulfilled" if fulfilled else "immediate"
    document = DOCUMENT | {"ledger": {"pending": {"order.paid": policy}}}
    events = data.draw(st.permutations(story(shape)))
    calm, hurried = Referrals(document), Referrals(document)
    for event in events:
        calm.receives(event)
        hurried.receives(event)
        hurried.time_comes_to(START + 400 * DAY)
    calm.time_comes_to(START + 400 * DAY)
    assert [_essence(r) for r in hurried.referrals()] == [_essence(r) for r in calm.referrals()]
    for member in (ANNA, BEN):
        assert _points(hurried, member) == _points(calm, member)


def _essence(referral: Referral) -> tuple[Any, ...]:
    # Without the moment of approval: what was announced is not announced again for an earlier moment.
    ended = referral.state is State.VOIDED
    return (
        referral.advocate_id,
        referral.state,
        None if ended else referral.order_id,
        referral.friend_rewards,
        referral.advocate_rewards,
    )


def _points(referrals: Referrals, member: str) -> int:
    """What the ledger would have paid by now."""
    signs = {"approved": 1, "voided": -1}
    return sum(
        signs.get(kind, 0) * (grant.points or 0)
        for kind, rewards in referrals.told(member)
        for grant in rewards
    )


def test_every_announcement_is_of_the_contract() -> None:
    referrals = Referrals()
    referrals.receives(*ben_comes_through_anna())
    assert {event.type for event in referrals.book.outgoing} == {
        event_type(type(event.data)) for event in referrals.book.outgoing
    }


def test_an_address_learnt_after_an_order_was_refunded_keeps_an_edit_from_reviving_it() -> None:
    referrals = Referrals()
    events = ben_comes_through_anna()
    address = CustomerUpdated(customer_id=ANNA, email="ben@shop.example")
    referrals.receives(*events, an_order_paid("20.00", order_id="b-1", member=BEN, at=START + DAY))
    referrals.receives(an_event(address, at=START + 2 * DAY))
    referrals.receives(an_order_paid("90.00", order_id="b-1", member=BEN, at=START + 3 * DAY))
    referrals.time_comes_to(DUE)
    assert referrals.state() is State.VOIDED
