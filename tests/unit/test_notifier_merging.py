"""How the notifier makes one person of two members, without a database: contact, wishes, digests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.members import EVERY_CHANNEL, Member, Preference, wants
from services.notifier.domain.merging import join_digests, joined, stricter
from services.notifier.domain.messages import Message, State, message_id
from services.notifier.domain.rules import Channel
from tests.support.events import NOON, PROGRAM

ME, THEM = (PROGRAM, "anna"), (PROGRAM, "old-7")

words = st.lists(
    st.tuples(st.sampled_from([EVERY_CHANNEL, "email", "inbox"]), st.booleans(), st.integers(0, 9)),
    max_size=3,
    unique_by=lambda each: each[0],
)


def preferences(key: tuple[str, str], said: Sequence[tuple[str, bool, int]]) -> list[Preference]:
    return [
        Preference(
            program_id=key[0],
            member_id=key[1],
            purpose="marketing",
            channel=channel,
            granted=granted,
            since=NOON + timedelta(days=day),
        )
        for channel, granted, day in said
    ]


def a_digest(key: tuple[str, str], points: int, **more: Any) -> Message:
    cause = "digest:points:2026-05-04"
    known: dict[str, Any] = {
        "message_id": message_id(key, cause, "points.earned", Channel.INBOX),
        "cause": cause,
        "name": "points.earned",
        "template": "points.earned",
        "purpose": "service",
        "channel": Channel.INBOX,
        "language": "fr",
        "state": State.SENT,
        "happened_at": NOON,
        "created_at": NOON,
        "facts": {"asset": "points", "points": points, "balance": 9, "times": 1, "causes": [str(points)]},
    }
    return Message(program_id=key[0], member_id=key[1], **(known | more))


def test_contact_is_the_survivors_and_what_only_the_other_one_knew() -> None:
    mine = Member(program_id=PROGRAM, member_id="anna", email="anna@shop.example", changed_at=NOON)
    theirs = Member(program_id=PROGRAM, member_id="old-7", email="old@shop.example", phone="+331")
    after = joined(mine, theirs)
    assert (after.key, after.email, after.phone) == (ME, "anna@shop.example", "+331")


@given(words, words)
def test_nobody_gets_more_than_either_agreed_to_and_a_silent_account_changes_nothing(
    mine: list[tuple[str, bool, int]], theirs: list[tuple[str, bool, int]]
) -> None:
    one, other = preferences(ME, mine), preferences(THEM, theirs)
    after = {each.channel: each for each in one} | {each.channel: each for each in stricter(ME, one, other)}
    for channel in ("email", "inbox"):
        wanted = wants(after.values(), "marketing", channel)
        said = [each for each in other if each.channel in (channel, EVERY_CHANNEL)]
        assert wanted == (
            wants(one, "marketing", channel) and (not said or wants(said, "marketing", channel))
        )


def test_digests_of_one_day_become_one_and_others_get_the_survivors_id() -> None:
    mine, theirs = a_digest(ME, 10), a_digest(THEM, 5)
    done = join_digests(ME, [mine], [theirs], NOON)
    (grown,) = done.grown
    assert (grown.message_id, grown.facts["points"], grown.facts["times"]) == (mine.message_id, 15, 2)
    assert [(each.message_id, each.state) for each in done.folded] == [(theirs.message_id, State.SUPPRESSED)]
    assert join_digests(ME, [], [theirs], NOON).renamed == ((theirs.message_id, mine.message_id),)
    closed = a_digest(ME, 10, message_id=uuid4(), state=State.FAILED)
    assert join_digests(ME, [closed], [theirs], NOON).grown == ()
