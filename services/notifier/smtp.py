"""Mail over SMTP, on a connection that is kept.

What a newcomer would get wrong: SMTP cannot tell "not delivered" from "delivered, but the line broke before the yes"
(RFC 1047). So there are five answers, not two, and only what is certain to be undelivered is tried again without a
second thought.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from enum import Enum
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from aiosmtplib import (
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from services.notifier.mail import Mail
from shared.errors import Unavailable
from shared.settings import SettingsError

_PORT = 25
_PORT_TLS = 465
_SERVICE_CLOSING = 421
_STARTTLS = {"required": True, "auto": None, "never": False}
MAX_ANSWER_CHARACTERS = 300


class Result(Enum):
    """What a server made of a mail."""

    SENT = "sent"
    LATER = "later"
    """Refused for now, or the line broke before the mail was handed over: not delivered."""
    REFUSED = "refused"
    """Refused for good."""
    NO_SUCH_ADDRESS = "no_such_address"
    """Refused for good, because nobody has this address."""
    UNKNOWN = "unknown"
    """Handed over, but the line broke before the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer: what it means, and its words."""

    result: Result
    words: str


class MailServerAway(Unavailable):
    """The mail server does not answer, or does not let us in."""

    code = "mail_server_away"


class Mailer(Protocol):
    """A way to hand over mails, one at a time."""

    async def connect(self) -> None:
        """Be ready to send.

        Raises:
            MailServerAway: the server does not answer.
        """

    async def send(self, mail: Mail) -> Answer:
        """Hand over a mail; call `connect` before each."""

    async def close(self) -> None:
        """Say goodbye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where the mail server is, and how to be let in."""

    host: str
    port: int
    use_tls: bool
    start_tls: bool | None
    user: str | None
    password: str | None
    timeout_seconds: float

    @classmethod
    def of_url(cls, url: str, timeout_seconds: float) -> SmtpServer:
        """Read `smtp://user:password@host:port?starttls=required`.

        Raises:
            SettingsError: it is not such an address.
        """
        parts = urlsplit(url)
        word = parse_qs(parts.query).get("starttls", ["required" if parts.password else "auto"])[-1]
        use_tls = parts.scheme == "smtps"
        if not parts.hostname or word not in _STARTTLS:
            raise SettingsError(
                "SMTP_URL should be smtp://user:password@host:port?starttls=required|auto|never"
            )
        return cls(
            host=parts.hostname,
            port=parts.port or (_PORT_TLS if use_tls else _PORT),
            use_tls=use_tls,
            start_tls=False if use_tls else _STARTTLS[word],
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            timeout_seconds=timeout_seconds,
        )


class SmtpMailer:
    """One connection to an SMTP server, opened when needed and kept for the next mail."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._client: aiosmtplib.SMTP | None = None

    async def connect(self) -> None:
        """Be ready to send: a kept connection is asked whether it is still there."""
        if self._client is not None and await _is_alive(self._client):
            return
        self._drop()
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.use_tls,
            start_tls=server.start_tls,
            username=server.user,
            password=server.password,
            timeout=server.timeout_seconds,
        )
        try:
            await client.connect()
        except (SMTPException, OSError, ValueError) as error:
            client.close()
            raise MailServerAway(f"no way in at {server.host}:{server.port}: {error}") from error
        self._client = client

    async def send(self, mail: Mail) -> Answer:
        """Hand over a mail. The answer's words name no address: they are kept and logged."""
        answer = await self._send(mail)
        words = re.sub(re.escape(mail.envelope_to), "(the address)", answer.words, flags=re.IGNORECASE)
        return Answer(answer.result, words)

    async def _send(self, mail: Mail) -> Answer:
        client = self._client
        assert client is not None, "connect before sending"
        try:
            await client.mail(mail.envelope_from)
            await client.rcpt(mail.envelope_to)
        except SMTPResponseException as error:
            await self._start_over(client)
            return _refusal(error, of_recipient=isinstance(error, aiosmtplib.SMTPRecipientRefused))
        except (SMTPException, OSError) as error:
            self._drop()
            return Answer(Result.LATER, _words(error))
        return await self._hand_over(client, mail)

    async def close(self) -> None:
        """Say goodbye, if anybody is there to hear it."""
        if self._client is not None:
            with contextlib.suppress(SMTPException, OSError):
                await self._client.quit()
            self._drop()

    async def _hand_over(self, client: aiosmtplib.SMTP, mail: Mail) -> Answer:
        try:
            said = await client.data(mail.content)
        except SMTPResponseException as error:
            await self._start_over(client)
            return _refusal(error, of_recipient=False)
        except (SMTPServerDisconnected, SMTPTimeoutError, OSError) as error:
            self._drop()
            return Answer(Result.UNKNOWN, _words(error))
        return Answer(Result.SENT, str(said)[:MAX_ANSWER_CHARACTERS])

    async def _start_over(self, client: aiosmtplib.SMTP) -> None:
        """After a refusal the half-told mail must not stick to the connection."""
        try:
            await client.rset()
        except (SMTPException, OSError):
            self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


async def _is_alive(client: aiosmtplib.SMTP) -> bool:
    if not client.is_connected:
        return False
    try:
        await client.noop()
    except (SMTPException, OSError):
        return False
    return True


def _refusal(error: SMTPResponseException, *, of_recipient: bool) -> Answer:
    """4xx = later, 5xx = never (RFC 5321, section 4.2.1); 5.1.1 and its like = no such address (RFC 3463)."""
    words = _words(error)
    if error.code < 500 or error.code == _SERVICE_CLOSING:
        return Answer(Result.LATER, words)
    if of_recipient and error.message.lstrip().startswith(("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")):
        return Answer(Result.NO_SUCH_ADDRESS, words)
    return Answer(Result.REFUSED, words)


def _words(error: Exception) -> str:
    if isinstance(error, SMTPResponseException):
        return f"{error.code} {error.message}"[:MAX_ANSWER_CHARACTERS]
    return f"{type(error).__name__}: {error}"[:MAX_ANSWER_CHARACTERS]
