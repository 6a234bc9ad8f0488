"""A mail as bytes: both bodies, the headers that let a member unsubscribe with one click, an id that never changes.

What a newcomer would get wrong: the standard library's own folding of headers breaks the address in `List-Unsubscribe`,
writes encoded words longer than the 75 characters that RFC 2047 allows, and loses blanks between them (a property test
found all three). So the headers are written here, each by its kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Any, Final
from uuid import UUID

from services.notifier.render import Rendered

_LONGEST_LINE: Final = 76
"""RFC 2047, section 2: a line with an encoded word."""


class _Policy(EmailPolicy):
    def fold_binary(self, name: str, value: Any) -> bytes:
        """A header as bytes. What is ASCII stays on one line: each of ours is far below the 998 of RFC 5322."""
        if name.lower() == "subject":
            text = _words(str(value), taken=len(name) + 2)
        elif name.lower() in _OF_PEOPLE:
            people = (_person(each, taken=len(name) + 2) for each in value.addresses)
            text = ", ".join(people)
        else:
            text = str(value)
        return f"{name}: {text}\r\n".encode("ascii")


def _words(text: str, *, taken: int) -> str:
    """Text as a header carries it: as it is, or in encoded words, folded after `taken` characters of the first line."""
    if text.isascii() and "=?" not in text:
        return text
    return Header(text, "utf-8", maxlinelen=_LONGEST_LINE, header_name=" " * (taken - 2)).encode(
        linesep="\r\n"
    )


def _person(address: Address, *, taken: int) -> str:
    name = address.display_name
    if name.isascii() and "=?" not in name:
        return str(address)
    return f"{_words(name, taken=taken)} <{address.addr_spec}>"


_OF_PEOPLE: Final = frozenset({"from", "to", "reply-to"})
_POLICY: Final = _Policy(linesep="\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail on its way: the envelope (who from, who to) and what is in it."""

    message_id: UUID
    envelope_from: str
    envelope_to: str
    content: bytes


def build_mail(
    rendered: Rendered,
    *,
    message_id: UUID,
    sender: str,
    reply_to: str | None,
    to: str,
    to_name: str | None,
    language: str,
    unsubscribe_url: str,
    now: datetime,
) -> Mail:
    """A mail to one address. `sender` and `reply_to` may carry a name: `Tea Club <club@example.org>`."""
    envelope_from = parseaddr(sender)[1]
    message = EmailMessage(policy=_POLICY)
    message["From"] = _named(sender)
    message["To"] = Address(to_name or "", addr_spec=to)
    if reply_to is not None:
        message["Reply-To"] = _named(reply_to)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id_header(message_id, envelope_from)
    message["Auto-Submitted"] = "auto-generated"
    message["List-Unsubscribe"] = f"<{unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = language  # Set before, it would be taken for a header of the first part.
    message.set_boundary(
        f"=_{message_id.hex}"
    )  # Nothing drawn by chance: the same message is the same bytes.
    return Mail(
        message_id=message_id,
        envelope_from=envelope_from,
        envelope_to=to,
        content=message.as_bytes(policy=_POLICY),
    )


def message_id_header(message_id: UUID, envelope_from: str) -> str:
    """The Message-ID of a message: the same however often it is built, so that mailboxes know a repetition."""
    return f"<{message_id}@{envelope_from.rpartition('@')[2]}>"


def _named(text: str) -> Address:
    name, plain = parseaddr(text)
    return Address(name, addr_spec=plain)
