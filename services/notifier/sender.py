"""Sends what is due.

What a newcomer would get wrong: the order of three transactions is what keeps a mail from going out twice. *Claim* says
"mine", *begin* says "from here on I may have sent it", *record* says what came of it. A sender that dies before *begin*
leaves a mail that others send; one that dies after it leaves a doubt, and the setting `when_in_doubt` decides.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import stamina

from services.notifier.actions import Actions, Claimed
from services.notifier.domain.members import name_to_greet
from services.notifier.domain.messages import State
from services.notifier.domain.rules import Channel
from services.notifier.domain.sending import zone_of
from services.notifier.errors import TemplateInvalid
from services.notifier.links import Links, Unsubscription
from services.notifier.mail import Mail, build_mail
from services.notifier.render import Setting, Templates
from services.notifier.smtp import Answer, Mailer
from shared.clock import Clock
from shared.database import NOT_NOW, Pool
from shared.logs import get_logger

log = get_logger(__name__)

# A server that went away for a minute is found again soon; one that is away for hours is not asked all the time.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# What a server has taken must not be forgotten because the database restarts: longer than that takes, shorter than a
# shutdown may.
RECORD_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderOptions:
    """How a sender works; see the settings of the same names."""

    sender: str
    claim_size: int = 20
    claim_seconds: float = 300.0
    poll_seconds: float = 1.0


@dataclass(slots=True)
class Sender:
    """Sends due messages over one connection, one after the other. Several may run side by side, on many machines."""

    pool: Pool
    actions: Actions
    templates: Templates
    links: Links
    mailer: Mailer
    clock: Clock
    random: Random
    options: SenderOptions
    sent: Callable[[State], None] = lambda _: None
    """Told of each message that came to an end here, for the metrics."""
    _pause_seconds: float = field(default=0.0, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`; troubles with the database or the mail server are waited out."""
        try:
            while not stop.is_set():
                try:
                    found = await self.send_due(stop)
                    self._pause_seconds = 0.0 if found else self.options.poll_seconds
                except NOT_NOW as error:
                    self._pause_seconds = self._longer_pause()
                    log.warning(
                        "sender_waits",
                        reason=f"{type(error).__name__}: {error}",
                        again_in=round(self._pause_seconds, 2),
                    )
                except Exception:  # a bug in one message must not end the sending of all others
                    self._pause_seconds = self._longer_pause()
                    log.exception("sender_failed")
                await _pause(stop, self._pause_seconds)
        finally:
            await self.mailer.close()

    async def send_due(self, stop: asyncio.Event | None = None) -> int:
        """Send what is due now, up to one handful; how many messages were due.

        Raises:
            MailServerAway, or another of `shared.database.NOT_NOW`: what was not sent is due again.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            claimed, found = await self.actions.claim(
                connection,
                now=self.clock(),
                limit=self.options.claim_size,
                lease=timedelta(seconds=self.options.claim_seconds),
            )
        try:
            for each in claimed:
                if stop is not None and stop.is_set():
                    break
                await self._send(each)
        finally:
            await self._give_back(claimed)
        return found

    async def _send(self, claimed: Claimed) -> None:
        try:
            mail = self.mail_of(claimed)
        except (TemplateInvalid, ValueError) as error:
            await self._give_up(claimed, str(error))
            return
        await self.mailer.connect()
        lease = timedelta(seconds=self.options.claim_seconds)
        async with self.pool.acquire() as connection:
            attempt = await self.actions.begin(connection, claimed, self.clock() + lease)
        if attempt is not None:
            await self._record(claimed, await self.mailer.send(mail), attempt)

    def mail_of(self, claimed: Claimed) -> Mail:
        """The mail, in the member's language of now.

        Raises:
            TemplateInvalid: the template and the facts do not fit.
            ValueError: a header cannot carry what it should.
        """
        message, member, rules = claimed.message, claimed.member, claimed.rules
        link = Unsubscription(message.program_id, message.member_id, message.purpose, Channel.EMAIL.value)
        unsubscribe_url = self.links.unsubscribe_url(link)
        name = name_to_greet(member.name)
        setting = Setting(
            language=message.language,
            locale=member.language or message.language,
            zone=zone_of(member, rules),
            program=rules.program_name,
            name=name,
            unsubscribe_url=unsubscribe_url,
        )
        return build_mail(
            self.templates.mail(message.template, message.facts, setting),
            message_id=message.message_id,
            sender=rules.sender or self.options.sender,
            reply_to=rules.reply_to,
            to=claimed.address,
            to_name=name,
            language=message.language,
            unsubscribe_url=unsubscribe_url,
            now=self.clock(),
        )

    async def _record(self, claimed: Claimed, answer: Answer, attempt: int) -> None:
        now, jitter = self.clock(), self.random.random()
        async for trial in stamina.retry_context(on=NOT_NOW, attempts=None, timeout=RECORD_SECONDS):
            with trial:
                async with self.pool.acquire() as connection, connection.transaction():
                    message = await self.actions.record(
                        connection, claimed, answer, attempt=attempt, now=now, jitter=jitter
                    )
        self.sent(message.state)
        if message.state is not State.SENT:
            log.warning(
                "mail_not_sent", message_id=str(message.message_id), answer=answer.words, attempt=attempt
            )

    async def _give_up(self, claimed: Claimed, words: str) -> None:
        log.error("mail_not_renderable", message_id=str(claimed.message.message_id), reason=words)
        async with self.pool.acquire() as connection, connection.transaction():
            if await self.actions.begin(connection, claimed, self.clock()) is not None:
                await self.actions.fail(connection, claimed, words, self.clock())
        self.sent(State.FAILED)

    async def _give_back(self, claimed: list[Claimed]) -> None:
        if claimed:
            async with self.pool.acquire() as connection:
                await self.actions.give_back(connection, claimed[0].token, self.clock())

    def _longer_pause(self) -> float:
        longest = min(max(self._pause_seconds * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        return longest * (1 - self.random.random() / 4)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    if seconds:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()
