"""Contact data out of order, the last word on consent, names that may be shown, and languages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.addresses import address_hashes, deliverable
from services.notifier.domain.languages import nearest, normal
from services.notifier.domain.members import Member, Preference, name_to_greet, wants

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SOMEBODY = Member(program_id="demo", member_id="m-1")


def a_word(
    *, granted: bool, after_hours: int = 0, channel: str = "*", purpose: str = "loyalty"
) -> Preference:
    return Preference(
        program_id="demo",
        member_id="m-1",
        purpose=purpose,
        channel=channel,
        granted=granted,
        since=NOON + timedelta(hours=after_hours),
    )


def test_what_an_update_does_not_mention_stays_and_an_empty_text_clears() -> None:
    signed_up = SOMEBODY.told({"email": "zoe@tea.example", "name": "Zoë", "phone": "1"}, NOON)
    updated = signed_up.told({"email": None, "name": "Zoé", "phone": ""}, NOON + timedelta(1))
    assert (updated.email, updated.name, updated.phone) == ("zoe@tea.example", "Zoé", None)


def test_a_sign_up_that_arrives_after_a_later_update_only_fills_what_is_missing() -> None:
    updated = SOMEBODY.told({"email": "new@tea.example"}, NOON + timedelta(1))
    late = updated.told({"email": "old@tea.example", "language": "fr"}, NOON)
    assert (late.email, late.language, late.changed_at) == ("new@tea.example", "fr", NOON + timedelta(1))


def test_an_erased_member_learns_nothing_again() -> None:
    erased = SOMEBODY.told({"email": "zoe@tea.example"}, NOON).erased(NOON)
    assert erased == Member(program_id="demo", member_id="m-1", erased_at=NOON)
    assert erased.told({"email": "zoe@tea.example"}, NOON + timedelta(1)) == erased


def test_loyalty_needs_no_yes_and_marketing_does() -> None:
    assert wants([], "loyalty", "email")
    assert not wants([], "marketing", "email")


def test_the_latest_word_counts_whether_it_is_for_one_channel_or_for_all() -> None:
    no_mail, all_again = a_word(granted=False, channel="email"), a_word(granted=True, after_hours=1)
    assert not wants([no_mail], "loyalty", "email")
    assert wants([no_mail], "loyalty", "inbox")
    assert wants([no_mail, all_again], "loyalty", "email")
    assert not wants([all_again, a_word(granted=False, channel="email", after_hours=2)], "loyalty", "email")


def test_a_word_about_something_else_does_not_count() -> None:
    assert wants([a_word(granted=False, purpose="marketing")], "loyalty", "email")


@pytest.mark.parametrize(
    "name", ["Zoë", "Jean-François d'Arc", "Nguyễn Thị Minh Khai", "王小明", "O'Neill Jr."]
)
def test_names_are_shown(name: str) -> None:
    assert name_to_greet(f"  {name} ") == name


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "  ",
        "Win at http://evil.example",
        "www.evil.example",
        "a@b.example",
        "<b>x</b>",
        "x" * 61,
        "a\0b",
    ],
)
def test_what_is_no_name_is_not_shown(name: str | None) -> None:
    assert name_to_greet(name) is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["fr-CA", "en"], "fr"),
        (["fr_ca"], "fr"),
        (["FR"], "fr"),
        (["ro-MD", "fr"], "fr"),
        ([None, "fr"], "fr"),
        (["ro", "ru"], "en"),
        ([], "en"),
    ],
)
def test_the_nearest_language_is_found(wanted: list[str | None], found: str) -> None:
    assert nearest(wanted, {"en", "fr"}) == found


def test_tags_are_spelled_as_usual() -> None:
    assert [normal(tag) for tag in ("FR_ca", "zh_hant_tw", "en")] == ["fr-CA", "zh-Hant-TW", "en"]


@pytest.mark.parametrize(
    ("address", "sent_to"),
    [
        ("zoe@tea.example", "zoe@tea.example"),
        (" zoe+x@tea.example ", "zoe+x@tea.example"),
        ("zoe@thé.example", "zoe@xn--th-cja.example"),
        ("zoé@tea.example", None),
        ("zoe", None),
        ("zoe@localhost", None),
        ("a@b@c.example", None),
        ("zoe@tea.example\r\nBcc: x@y.example", None),
        ("x" * 250 + "@tea.example", None),
        ("", None),
    ],
)
def test_an_address_is_deliverable_or_not(address: str, sent_to: str | None) -> None:
    assert deliverable(address) == sent_to


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_addresses_and_names(text: str) -> None:
    address = deliverable(text)
    assert address is None or (address.isascii() and "\n" not in address and "\r" not in address)
    name_to_greet(text)


def test_a_blocked_address_is_known_again_in_capitals_and_under_an_old_key() -> None:
    first, second = address_hashes([b"new key", b"old key"], "Zoe@Tea.example")
    assert first != second
    assert address_hashes([b"old key"], "zoe@tea.example ") == [second]
