"""What a mail says and looks like as bytes, and that no template can fail for a member or harm the service."""

from __future__ import annotations

import email
import email.policy
import re
import shutil
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import notifier
from services.notifier.domain.facts import SAMPLES
from services.notifier.domain.members import name_to_greet
from services.notifier.errors import LinkInvalid, TemplateInvalid
from services.notifier.links import Links, Unsubscription
from services.notifier.mail import build_mail
from services.notifier.render import Rendered, Setting, Templates
from services.notifier.settings import Settings
from services.notifier.smtp import SmtpServer
from shared.settings import SettingsError

FOLDER = Path(notifier.__file__).parent / "templates"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ID = UUID("1ca1c73c-043a-5c69-8f41-a8a2817d383e")
LINK = Unsubscription("demo", "customer-" + "7" * 180, "loyalty", "email")
LINKS = Links([b"a key of sixteen bytes"], "https://club.example")
NBSP, NNBSP = "\u00a0", "\u202f"


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates.load()


def setting(language: str = "en", locale: str | None = None, name: str | None = "Zoë") -> Setting:
    return Setting(
        language=language,
        locale=locale or language,
        zone=ZoneInfo("Europe/Paris"),
        program="Tea & Cup Club",
        name=name,
        unsubscribe_url="https://club.example/u/x",
    )


def a_mail(subject: str = "You earned 133 points", **more: Any) -> bytes:
    wanted: dict[str, Any] = {
        "message_id": ID,
        "sender": "Thé & Tasse <club@tea.example>",
        "reply_to": None,
        "to": "zoe@shop.example",
        "to_name": "Zoë",
        "language": "fr",
        "unsubscribe_url": LINKS.unsubscribe_url(LINK),
        "now": NOON,
    }
    return build_mail(Rendered(subject, "Bonjour Zoë\n", "<p>Zoë</p>"), **(wanted | more)).content


def read(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def raw_header(content: bytes, name: str) -> str:
    """A header as it stands, unfolded (RFC 5322, section 2.2.3)."""
    head = content.split(b"\r\n\r\n")[0].decode("ascii").replace("\r\n ", " ")
    return next(line.split(": ", 1)[1] for line in head.split("\r\n") if line.startswith(f"{name}: "))


def people(content: bytes, name: str) -> list[tuple[str, str]]:
    """Names and addresses of a header, each name decoded by itself as RFC 2047 wants."""
    found = getaddresses([raw_header(content, name)])
    return [(str(make_header(decode_header(each))), address) for each, address in found]


def points(count: int, **more: Any) -> dict[str, Any]:
    return {"asset": "points", "points": count, "balance": count, "times": 1, **more}


def test_numbers_and_plurals_are_those_of_the_language(templates: Templates) -> None:
    def title(count: int, language: str) -> str:
        return templates.entry("points.earned", points(count), setting(language))[0]

    assert [title(n, "en") for n in (0, 1, 1234)] == [
        "You earned 0 points",
        "You earned 1 point",
        "You earned 1,234 points",
    ]
    assert [title(n, "fr") for n in (0, 1, 2, 1234, 1_000_000)] == [
        "Vous avez gagné 0 point",
        "Vous avez gagné 1 point",
        "Vous avez gagné 2 points",
        f"Vous avez gagné 1{NNBSP}234 points",
        f"Vous avez gagné 1{NNBSP}000{NNBSP}000 de points",
    ]


def test_credit_is_money_as_the_members_country_writes_it(templates: Templates) -> None:
    facts = points(1250, asset="credit:EUR")
    assert templates.entry("points.earned", facts, setting("en"))[0] == "You earned €12.50"
    assert templates.entry("points.earned", facts, setting("fr"))[0] == f"Vous avez gagné 12,50{NBSP}€"
    in_canada = templates.entry("points.earned", points(1250, asset="credit:CAD"), setting("fr", "fr-CA"))[0]
    assert in_canada == f"Vous avez gagné 12,50{NBSP}$"


def test_what_ends_at_a_midnight_is_good_until_the_day_before(templates: Templates) -> None:
    facts = SAMPLES["points.expiring"][0] | {"expires_at": "2026-12-31T23:00:00+00:00"}
    assert "31 décembre 2026" in templates.entry("points.expiring", facts, setting("fr"))[1]


def test_a_member_without_a_name_is_greeted_all_the_same(templates: Templates) -> None:
    assert templates.mail("points.earned", points(1), setting(name=None)).text.startswith("Hello,\n")
    assert templates.mail("points.earned", points(1), setting("fr")).text.startswith("Bonjour Zoë,\n")


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_no_mark_of_a_fact_reaches_the_html(templates: Templates, name: str, language: str) -> None:
    evil = "<script>alert(1)</script>"
    facts = {
        key: evil if key in {"level", "previous_level"} else value for key, value in SAMPLES[name][-1].items()
    }
    mail = templates.mail(name, facts, setting(language, name=evil))
    assert "<script" not in mail.html
    assert "https://club.example/u/x" in mail.html
    assert "https://club.example/u/x" in mail.text
    assert "None" not in mail.text + mail.html


def test_a_mail_carries_both_bodies_and_says_who_what_and_how_to_leave() -> None:
    message = read(a_mail("Vous avez gagné 133 points", reply_to="help@tea.example"))
    assert message["From"] == "Thé & Tasse <club@tea.example>"
    assert message["To"] == "Zoë <zoe@shop.example>"
    assert message["Reply-To"] == "help@tea.example"
    assert message["Subject"] == "Vous avez gagné 133 points"
    assert message["Message-ID"] == f"<{ID}@tea.example>"
    assert message["Content-Language"] == "fr"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] == f"<{LINKS.unsubscribe_url(LINK)}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == "Bonjour Zoë\n"  # type: ignore[union-attr]


def test_the_same_message_is_the_same_bytes() -> None:
    assert a_mail() == a_mail()


def test_the_address_to_unsubscribe_at_is_on_one_line() -> None:
    lines = a_mail().split(b"\r\n")
    (line,) = [line for line in lines if line.startswith(b"List-Unsubscribe:")]
    assert line == f"List-Unsubscribe: <{LINKS.unsubscribe_url(LINK)}>".encode()


@given(st.text(min_size=1, max_size=200).filter(lambda text: text.isprintable() and text.strip()))
def test_every_subject_survives_and_breaks_no_limit_of_the_standards(subject: str) -> None:
    wanted = " ".join(subject.split())
    name = name_to_greet(subject)
    sender = "Thé à la menthe et théières du monde entier, de père en fils"
    content = a_mail(wanted, to_name=name, sender=f'"{sender}" <club@tea.example>')
    head = content.split(b"\r\n\r\n")[0]
    assert str(make_header(decode_header(raw_header(content, "Subject")))) == wanted
    assert people(content, "From") == [(sender, "club@tea.example")]
    assert people(content, "To") == [(name or "", "zoe@shop.example")]
    assert all(len(word) <= 75 for word in re.findall(rb"=\?utf-8\?\S*\?=", head))
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert head.isascii()


def test_a_subject_cannot_bring_in_a_header() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        a_mail("Hello\r\nBcc: everybody@shop.example")


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("points.earned/en.text", "{{ pionts }}", "pionts"),
        ("points.earned/fr.inbox", '{{ points | counted(one="# point") }}', "the form 'other'"),
        ("points.earned/en.subject", "{{ 'x' * 10000000000 }}", "SecurityError"),
        ("points.earned/en.subject", "{{ 'x' | center(10000000000) }}", "center"),
        ("points.earned/en.subject", "{% for i in range(10) %}x{% endfor %}", "range"),
        ("points.earned/en.subject", "{{ points.__class__ }}", "unsafe"),
        ("points.earned/en.subject", "", "empty"),
        ("points.earned/en.subject", "x" * 201, "too long"),
        ("tier.raised/en.text", "{{ level.nickname }}", "nickname"),
    ],
)
def test_a_template_that_could_fail_is_refused_at_the_start(
    tmp_path: Path, name: str, text: str, fault: str
) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "templates")
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(TemplateInvalid, match=re.escape(fault)) as refused:
        Templates.load(folder)
    assert name in refused.value.message


def test_a_missing_template_is_refused_at_the_start(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "templates")
    (folder / "tier.raised" / "fr.html").unlink()
    with pytest.raises(TemplateInvalid, match=r"tier\.raised/fr\.html is missing"):
        Templates.load(folder)


def test_a_link_is_read_by_whoever_has_the_key_and_by_its_successors() -> None:
    token = LINKS.token(LINK)
    assert LINKS.read(token) == LINK
    assert Links([b"a newer key", b"a key of sixteen bytes"], "").read(token) == LINK


@given(st.one_of(st.text(max_size=80), st.binary(max_size=80).map(lambda raw: raw.hex())))
def test_no_other_text_is_a_link(text: str) -> None:
    with pytest.raises(LinkInvalid):
        LINKS.read(text)


def test_a_changed_link_is_none() -> None:
    token = LINKS.token(LINK)
    for position in range(0, len(token), 7):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        with pytest.raises(LinkInvalid):
            LINKS.read(changed)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://127.0.0.1:2525", ("127.0.0.1", 2525, False, None, None)),
        ("smtp://mail.example", ("mail.example", 25, False, None, None)),
        ("smtp://club:p%40ss@mail.example:587", ("mail.example", 587, False, True, "p@ss")),
        ("smtps://club:x@mail.example", ("mail.example", 465, True, False, "x")),
        ("smtp://mail.example?starttls=never", ("mail.example", 25, False, False, None)),
    ],
)
def test_a_server_is_read_from_its_url(url: str, server: tuple[object, ...]) -> None:
    found = SmtpServer.of_url(url, 30)
    assert (found.host, found.port, found.use_tls, found.start_tls, found.password) == server


def test_a_password_is_never_sent_in_the_clear_by_accident() -> None:
    with pytest.raises(SettingsError):
        SmtpServer.of_url("smtp://mail.example?starttls=maybe", 30)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sender", "nobody"),
        ("public_url", "club.example"),
        ("smtp_url", "http://mail.example"),
        ("link_keys", "short"),
        ("link_keys", "a key of sixteen bytes,"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(field: str, value: str) -> None:
    wanted = {"database_url": "postgresql://x", "link_keys": "a key of sixteen bytes"}
    with pytest.raises(SettingsError, match=f"NOTIFIER_{field.upper()}"):
        Settings.read(**(wanted | {field: value}))
