"""The notifier's section of a program file: what a merchant may write, checked, and as the domain reads it.

```yaml
notifier:
  quiet: 21:00 to 08:00
  messages:
    - {on: points.earned, by: [inbox], digest: daily}
    - {on: tier.raised, by: [email, inbox]}
```
Its JSON Schema is written by `python -m services.notifier.program > docs/program/notifier.schema.json`.

What a newcomer would get wrong: scalars come as text from a YAML file (`21:00`, `false`) and as JSON's own over HTTP;
both must mean the same.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import time, timedelta
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from services.notifier.domain.quiet import QuietHours
from services.notifier.domain.rules import Channel, MessageRule, Rules, Trigger
from shared.calendar import zone
from shared.errors import ServiceError
from shared.program_file import Section, check

MAX_MESSAGES = 100
"""More than a person can keep in mind; each is looked at for every event."""
MAX_STALE_DAYS = 30
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d) to ([01]\d|2[0-3]):([0-5]\d)")
_DURATION = re.compile(r"([1-9]\d{0,3}) (minute|hour|day|week)s?")


def _quiet(text: str) -> str:
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError("should be two times of the day, such as `21:00 to 08:00`")
    if found.group(1, 2) == found.group(3, 4):
        raise ValueError("begins and ends at the same time; leave it out for no quiet hours")
    return text


def duration(text: str) -> timedelta:
    """A length of time in words, such as `3 days`.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("should be a number and minutes, hours, days or weeks, such as `3 days`")
    return timedelta(**{f"{found[2]}s": int(found[1])})


def _stale(text: str) -> str:
    if duration(text) > timedelta(days=MAX_STALE_DAYS):
        raise ValueError(f"should be at most {MAX_STALE_DAYS} days")
    return text


def _days(text: str) -> str:
    if duration(text) % timedelta(days=1):
        raise ValueError("should be whole days, such as `7 days`")
    return text


def mail_address(text: str) -> str:
    """An address with or without a name, as `From:` takes it.

    Raises:
        ValueError: it is none.
    """
    _, plain = parseaddr(text)
    try:
        address = Address(addr_spec=plain)
    except Exception:  # headerregistry raises what its parser stumbles over
        address = Address()
    if not address.username or not address.domain or not plain.isascii() or not text.isprintable():
        raise ValueError("should be a mail address, such as `Tea Club <club@example.org>`")
    return text


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


ChannelName = Literal["email", "inbox"]
TriggerName = Literal["points.earned", "points.expiring", "tier.raised", "referral.approved"]
MailAddress = Annotated[str, Field(max_length=320), AfterValidator(mail_address)]


class MessageEntry(Section):
    """One thing that the program says to its members."""

    on: TriggerName = Field(description="What causes it.")
    by: Annotated[list[ChannelName], BeforeValidator(_listed)] = Field(
        min_length=1, description="The channels, one or several."
    )
    message: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Its name in logs and reports; without one, it is called as its cause.",
    )
    digest: Literal["daily"] | None = Field(
        default=None,
        description="`daily`: one message a member and day that sums up. Works for points.earned.",
    )
    before: Annotated[list[Annotated[str, AfterValidator(_days)]], BeforeValidator(_listed)] | None = Field(
        default=None,
        min_length=1,
        max_length=10,
        description="For points.expiring: how long before, such as [30 days, 7 days, 1 day].",
    )

    @property
    def name(self) -> str:
        """What it is called."""
        return self.message or self.on

    @model_validator(mode="after")
    def _fits_its_cause(self) -> Self:
        if self.digest and self.on != Trigger.POINTS_EARNED.value:
            raise ValueError(f"`digest` sums up points.earned only; leave it out for {self.on}")
        if self.before and self.on != Trigger.POINTS_EXPIRING.value:
            raise ValueError(f"`before` belongs to points.expiring; leave it out for {self.on}")
        if len(set(self.by)) < len(self.by):
            raise ValueError("`by` names a channel twice")
        return self


class NotifierSection(Section):
    """`notifier`: what the program says to its members, and when it leaves them in peace."""

    quiet: Annotated[str, AfterValidator(_quiet)] | None = Field(
        default=None,
        description="Hours without e-mail, in the member's time zone; what falls into them goes out at their end.",
        examples=["21:00 to 08:00"],
    )
    stale_after: Annotated[str, AfterValidator(_stale)] = Field(
        default="3 days",
        description="What happened longer ago is not mailed any more (it is in the inbox all the same).",
    )
    sender: MailAddress | None = Field(
        default=None,
        alias="from",
        description="The sender of e-mails; without one, the service's own.",
        examples=["Tea & Cup Club <club@example.org>"],
    )
    reply_to: MailAddress | None = Field(default=None, description="Where answers go, if not to the sender.")
    messages: list[MessageEntry] = Field(default=[], max_length=MAX_MESSAGES)

    @field_validator("messages")
    @classmethod
    def _names_differ(cls, entries: list[MessageEntry]) -> list[MessageEntry]:
        twice = [name for name, times in Counter(entry.name for entry in entries).items() if times > 1]
        if twice:
            raise ValueError(f"two are called {twice[0]!r}; give each a name of its own: `message: …`")
        return entries


Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}$")]


def _zone_name(name: str) -> str:
    try:
        return zone(name).key
    except ServiceError as error:
        raise ValueError(error.message) from None


class _Program(BaseModel):
    """What the notifier reads of the rest of the file."""

    program: str = ""
    name: str = ""
    time_zone: Annotated[str, AfterValidator(_zone_name)] = "UTC"
    languages: list[Language] = ["en"]
    notifier: NotifierSection = NotifierSection()


def parse(document: Mapping[str, Any]) -> Rules:
    """The notifier's rules in a program; a program without the section says nothing to anybody.

    Raises:
        InvalidProgram: with the path of each fault and what would be right.
    """
    program: _Program = check(_Program, "", dict(document))
    section = program.notifier
    return Rules(
        program_name=program.name or program.program,
        zone=zone(program.time_zone),
        languages=tuple(program.languages) or ("en",),
        quiet=_quiet_hours(section.quiet),
        stale_after=duration(section.stale_after),
        messages=tuple(_rule(entry) for entry in section.messages),
        sender=section.sender,
        reply_to=section.reply_to,
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of the section, as `docs/program/notifier.schema.json` has it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **NotifierSection.model_json_schema()}


def _quiet_hours(text: str | None) -> QuietHours | None:
    if text is None:
        return None
    start, end = text.split(" to ")
    return QuietHours(time.fromisoformat(start), time.fromisoformat(end))


def _rule(entry: MessageEntry) -> MessageRule:
    return MessageRule(
        name=entry.name,
        on=Trigger(entry.on),
        by=tuple(Channel(name) for name in entry.by),
        daily=entry.digest == "daily",
        days_before=frozenset(duration(text).days for text in entry.before or ()),
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
