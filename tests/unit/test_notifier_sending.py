"""When a mail may go, when it waits, when it is let go; backoff; ids; digests."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.book import Book
from services.notifier.domain.facts import added
from services.notifier.domain.members import Member, Preference
from services.notifier.domain.messages import State, Why, message_id
from services.notifier.domain.quiet import QuietHours
from services.notifier.domain.rules import Channel, MessageRule, Rules, Trigger
from services.notifier.domain.sending import (
    MAX_ATTEMPTS,
    LetGo,
    Recipient,
    Send,
    Wait,
    after_failure,
    judge_email,
)
from services.notifier.domain.telling import News, tell

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEY = ("demo", "m-1")
ZOE = Member(program_id="demo", member_id="m-1", email="zoe@tea.example")
RULES = Rules(program_name="Tea", zone=ZoneInfo("Europe/Paris"), quiet=QuietHours(time(21), time(8)))
UNSUBSCRIBED = Preference(
    program_id="demo", member_id="m-1", purpose="loyalty", channel="email", granted=False, since=NOON
)


def judge(member: Member = ZOE, *, happened: datetime = NOON, now: datetime = NOON, **known: Any) -> Any:
    return judge_email(Recipient(member=member, **known), "loyalty", happened, RULES, now)


def a_book(*rules: MessageRule, member: Member = ZOE, now: datetime = NOON) -> Book:
    program = Rules(program_name="Tea", zone=ZoneInfo("Europe/Paris"), languages=("fr",), messages=rules)
    book = Book(lambda *_: program, frozenset({"en", "fr"}), now)
    book.load_member(member)
    return book


def points(cause: str, count: int, *, at: datetime = NOON, asset: str = "points") -> News:
    return News(
        key=KEY,
        cause=cause,
        cause_key=cause,
        trigger=Trigger.POINTS_EARNED,
        template="points.earned",
        happened_at=at,
        facts={"asset": asset, "points": count, "balance": 100 + count, "times": 1},
    )


def daily(*by: Channel) -> MessageRule:
    return MessageRule(name="points", on=Trigger.POINTS_EARNED, by=by, daily=True)


def messages(book: Book) -> list[Any]:
    return list(book.messages.of(KEY).values())


def test_by_day_a_mail_goes_at_once() -> None:
    assert judge() == Send()


def test_at_night_it_waits_for_the_members_morning_not_the_programs() -> None:
    in_tokyo = Member(program_id="demo", member_id="m-1", email="zoe@tea.example", time_zone="Asia/Tokyo")
    assert judge(in_tokyo, now=NOON) == Wait(datetime(2026, 5, 4, 23, tzinfo=UTC), Why.QUIET)


def test_a_zone_that_does_not_exist_is_the_programs() -> None:
    lost = Member(program_id="demo", member_id="m-1", email="zoe@tea.example", time_zone="Mars/Olympus")
    assert judge(lost) == Send()


def test_without_an_address_it_waits_until_it_is_stale_and_then_is_let_go() -> None:
    unknown = Member(program_id="demo", member_id="m-1")
    assert judge(unknown) == Wait(NOON + timedelta(days=3), Why.NO_ADDRESS)
    assert judge(unknown, now=NOON + timedelta(days=3)) == LetGo(Why.NO_ADDRESS)


def test_what_is_three_days_old_is_stale() -> None:
    assert judge(now=NOON + timedelta(days=3) - timedelta(seconds=1)) == Send()
    assert judge(now=NOON + timedelta(days=3)) == LetGo(Why.STALE)


def test_nobody_is_written_to_against_their_word_or_at_a_blocked_address_or_after_erasure() -> None:
    assert judge(preferences=[UNSUBSCRIBED]) == LetGo(Why.UNSUBSCRIBED)
    assert judge(is_blocked=True) == LetGo(Why.ADDRESS_SUPPRESSED)
    assert judge(ZOE.erased(NOON)) == LetGo(Why.ERASED)


@given(st.integers(1, MAX_ATTEMPTS - 1), st.floats(0, 1))
def test_backoff_grows_and_its_jitter_takes_at_most_half(attempts: int, jitter: float) -> None:
    full = timedelta(seconds=30 * 4 ** (attempts - 1))
    verdict = after_failure(attempts, NOON, jitter)
    assert isinstance(verdict, Wait)
    assert full / 2 <= verdict.until - NOON <= full


def test_after_the_last_attempt_it_is_given_up() -> None:
    assert after_failure(MAX_ATTEMPTS, NOON, 0.5) == LetGo(Why.ATTEMPTS_EXHAUSTED)


def test_an_id_is_for_one_member_cause_name_and_channel() -> None:
    ids = {
        message_id(("demo", "m-1"), "e-1", "points", Channel.EMAIL),
        message_id(("demo", "m-1"), "e-1", "points", Channel.INBOX),
        message_id(("demo", "m-1"), "e-2", "points", Channel.EMAIL),
        message_id(("demo", "m-2"), "e-1", "points", Channel.EMAIL),
        message_id(("other", "m-1"), "e-1", "points", Channel.EMAIL),
        message_id(("demo", "m-1"), "e-1", "welcome", Channel.EMAIL),
    }
    assert len(ids) == 6


def test_ids_stay_what_they_are() -> None:
    """A changed id would send every message again."""
    assert message_id(KEY, "e-1", "points", Channel.EMAIL) == UUID("1ca1c73c-043a-5c69-8f41-a8a2817d383e")


def test_the_same_cause_tells_once() -> None:
    book = a_book(MessageRule(name="points", on=Trigger.POINTS_EARNED, by=(Channel.EMAIL, Channel.INBOX)))
    tell(book, points("e-1", 10))
    tell(book, points("e-1", 10))
    assert [(m.channel, m.state) for m in messages(book)] == [
        (Channel.EMAIL, State.WAITING),
        (Channel.INBOX, State.SENT),
    ]
    assert len(book.outgoing) == 1


def test_a_daily_digest_sums_up_each_cause_once() -> None:
    book = a_book(daily(Channel.INBOX))
    for news in (points("e-1", 10), points("e-2", 5), points("e-1", 10)):
        tell(book, news)
    (digest,) = messages(book)
    assert digest.facts == {
        "asset": "points", "points": 15, "balance": 105, "times": 2, "causes": ["e-1", "e-2"]
    }  # fmt: skip
    assert len(book.outgoing) == 1, "the platform is told of it once"


@given(st.permutations([("e-1", 0, 10), ("e-2", 1, 20), ("e-3", 2, 30)]))
def test_a_digest_is_the_same_in_every_order_of_arrival(order: list[tuple[str, int, int]]) -> None:
    book = a_book(daily(Channel.INBOX))
    for cause, hour, count in order:
        tell(book, points(cause, count, at=NOON + timedelta(hours=hour)))
    (digest,) = messages(book)
    assert (digest.facts["points"], digest.facts["times"], digest.facts["balance"]) == (60, 3, 130)
    assert digest.happened_at == NOON + timedelta(hours=2)


def test_days_and_assets_have_digests_of_their_own() -> None:
    book = a_book(daily(Channel.INBOX))
    evening = datetime(2026, 5, 4, 21, 59, tzinfo=UTC)
    for news in (
        points("e-1", 1, at=evening),
        points("e-2", 2, at=evening + timedelta(minutes=1)),
        points("e-3", 3, at=evening, asset="stamps"),
    ):
        tell(book, news)
    assert [m.cause for m in messages(book)] == [
        "digest:points:2026-05-04",
        "digest:points:2026-05-05",
        "digest:stamps:2026-05-04",
    ]


def test_a_mailed_digest_is_closed_at_the_programs_midnight() -> None:
    book = a_book(daily(Channel.EMAIL))
    tell(book, points("e-1", 10))
    tell(book, points("e-2", 10))
    (digest,) = messages(book)
    assert (digest.state, digest.why, digest.due_at) == (
        State.WAITING, Why.DIGEST, datetime(2026, 5, 4, 22, tzinfo=UTC)
    )  # fmt: skip


def test_stale_points_join_no_mailed_digest() -> None:
    book = a_book(daily(Channel.EMAIL), now=NOON + timedelta(days=10))
    tell(book, points("e-1", 10))
    tell(book, points("e-2", 10))
    assert [(m.cause, m.state, m.why) for m in messages(book)] == [
        ("e-1", State.SUPPRESSED, Why.STALE),
        ("e-2", State.SUPPRESSED, Why.STALE),
    ]


def test_a_digest_forgets_no_points_when_it_forgets_causes() -> None:
    facts: dict[str, Any] = {"points": 0, "times": 0, "balance": 0}
    for number in range(500):
        facts = added(facts, {"points": 1, "balance": 0}, f"e-{number}", is_later=True)
    assert facts["points"] == 500
    assert len(facts["causes"]) == 200
