"""The notifier's section of a program: what is read, and what is refused with its place."""

from __future__ import annotations

import json
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifier.domain.quiet import QuietHours
from services.notifier.domain.rules import Channel, MessageRule, Trigger
from services.notifier.program import parse, schema
from shared.program_file import InvalidProgram

SCHEMA = Path(__file__).parents[2] / "docs" / "program" / "notifier.schema.json"


def a_program(**section: Any) -> dict[str, Any]:
    return {"program": "demo", "name": "Tea & Cup Club", "time_zone": "Europe/Paris", "notifier": section}


def test_the_example_of_the_design_reads_as_it_says() -> None:
    rules = parse(
        {
            "languages": ["fr", "en"],
            **a_program(
                quiet="21:00 to 08:00",
                messages=[
                    {"on": "points.earned", "by": ["inbox"], "digest": "daily"},
                    {"on": "tier.raised", "by": ["email", "inbox"]},
                    {"on": "points.expiring", "before": ["30 days", "7 days", "1 day"], "by": ["email"]},
                ],
            ),
        }
    )
    assert rules.program_name == "Tea & Cup Club"
    assert rules.zone.key == "Europe/Paris"
    assert rules.languages == ("fr", "en")
    assert rules.quiet == QuietHours(time(21), time(8))
    assert rules.stale_after == timedelta(days=3)
    assert rules.messages == (
        MessageRule(name="points.earned", on=Trigger.POINTS_EARNED, by=(Channel.INBOX,), daily=True),
        MessageRule(name="tier.raised", on=Trigger.TIER_RAISED, by=(Channel.EMAIL, Channel.INBOX)),
        MessageRule(
            name="points.expiring",
            on=Trigger.POINTS_EXPIRING,
            by=(Channel.EMAIL,),
            days_before=frozenset({30, 7, 1}),
        ),
    )


def test_a_program_without_the_section_says_nothing() -> None:
    rules = parse({"program": "demo"})
    assert (rules.messages, rules.program_name, rules.zone.key) == ((), "demo", "UTC")


def test_one_channel_needs_no_list() -> None:
    assert parse(a_program(messages=[{"on": "tier.raised", "by": "inbox"}])).messages[0].by == (
        Channel.INBOX,
    )


@pytest.mark.parametrize(
    ("section", "place", "advice"),
    [
        ({"quiet": "9pm to 8am"}, "notifier.quiet", "21:00 to 08:00"),
        ({"quiet": "25:00 to 08:00"}, "notifier.quiet", "21:00 to 08:00"),
        ({"quiet": "08:00 to 08:00"}, "notifier.quiet", "leave it out"),
        ({"stale_after": "soon"}, "notifier.stale_after", "3 days"),
        ({"stale_after": "400 days"}, "notifier.stale_after", "at most 30 days"),
        ({"messages": [{"on": "order.paid", "by": ["email"]}]}, "notifier.messages[0].on", "points.earned"),
        ({"messages": [{"on": "tier.raised", "by": ["fax"]}]}, "notifier.messages[0].by[0]", "email"),
        ({"messages": [{"on": "tier.raised", "by": []}]}, "notifier.messages[0].by", "at least 1"),
        ({"messages": [{"on": "tier.raised", "by": ["email", "email"]}]}, "notifier.messages[0]", "twice"),
        (
            {"messages": [{"on": "tier.raised", "by": ["email"], "digest": "daily"}]},
            "notifier.messages[0]",
            "leave it out",
        ),
        (
            {"messages": [{"on": "tier.raised", "by": ["email"], "before": ["1 day"]}]},
            "notifier.messages[0]",
            "points.expiring",
        ),
        (
            {"messages": [{"on": "points.expiring", "by": ["email"], "before": ["90 minutes"]}]},
            "notifier.messages[0].before[0]",
            "whole days",
        ),
        ({"messages": [{"on": "tier.raised", "by": ["email"]}] * 2}, "notifier.messages", "name of its own"),
        ({"from": "nobody"}, "notifier.from", "mail address"),
        ({"reply_to": "zoé@tea.example"}, "notifier.reply_to", "mail address"),
        ({"from": "x\r\nBcc: a@b.example"}, "notifier.from", "mail address"),
        ({"loud": "yes"}, "notifier.loud", "not known"),
    ],
)
def test_a_fault_is_named_with_its_place_and_what_would_be_right(
    section: dict[str, Any], place: str, advice: str
) -> None:
    with pytest.raises(InvalidProgram) as refused:
        parse(a_program(**section))
    (fault,) = refused.value.extra["errors"]  # type: ignore[misc,attr-defined]
    assert fault["path"] == place
    assert advice in fault["message"]


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidProgram, match="time_zone"):
        parse({"program": "demo", "time_zone": "Europe/Atlantis"})


def test_two_messages_on_one_cause_need_names() -> None:
    named = [
        {"on": "tier.raised", "by": "email"},
        {"on": "tier.raised", "by": "inbox", "message": "level, inbox"},
    ]
    assert [rule.name for rule in parse(a_program(messages=named)).messages] == [
        "tier.raised",
        "level, inbox",
    ]


def test_the_published_schema_is_that_of_the_models() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema(), (
        "python -m services.notifier.program > docs/program/notifier.schema.json"
    )
