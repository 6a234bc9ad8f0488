"""Mail over a real SMTP server: once for each cause, whatever breaks on the way."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest

from deploy.local.mail import Folder, mail_sink
from services.notifier.main import SERVICE
from services.notifier.sender import Sender
from services.notifier.smtp import MailServerAway
from shared.events import Consent, CustomerUpdated, Event, TierRaised
from tests.support.events import MEMBER, NOON, a_sign_up, an_event
from tests.support.keys import KeyPair
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
HOUR = timedelta(hours=1)
PROGRAM: dict[str, Any] = {
    "program": "demo",
    "name": "Tea & Cup Club",
    "time_zone": "Europe/Paris",
    "languages": ["fr", "en"],
    "notifier": {
        "quiet": "21:00 to 08:00",
        "from": "Tea & Cup Club <club@tea.example>",
        "reply_to": "help@tea.example",
        "messages": [{"on": "tier.raised", "by": ["email"]}],
    },
}


@dataclass(slots=True)
class Script:
    """An SMTP server that answers as a test says: a text for each step, or None to hang up without a word."""

    rcpt: list[str | None] = field(default_factory=list)
    data: list[str | None] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?starttls=never"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            writer.write(b"220 script\r\n")
            while line := (await reader.readline()).decode().strip():
                if not await self._answer(line.split()[0].upper(), reader, writer):
                    break
        finally:
            writer.close()

    async def _answer(self, verb: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        said: str | None = "250 ok"
        if verb == "RCPT" and self.rcpt:
            said = self.rcpt.pop(0)
        elif verb == "DATA":
            writer.write(b"354 go on\r\n")
            self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
            said = self.data.pop(0) if self.data else "250 2.0.0 kept"
        if said is not None:
            writer.write(f"{said}\r\n".encode())
            await writer.drain()
        return said is not None and verb != "QUIT"


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    yield script
    server.close()


@asynccontextmanager
async def a_notifier(database: Database, keys: KeyPair, smtp_url: str, **more: Any) -> AsyncIterator[Running]:
    settings = {"link_keys": "a key of sixteen bytes", "public_url": "https://club.example", **more}
    async with running(SERVICE, await database(), keys, smtp_url=smtp_url, **settings) as notifier:
        await notifier.applies(PROGRAM)
        yield notifier
        for sender in senders(notifier):
            await sender.mailer.close()
        assert await notifier.differences() == []


@pytest.fixture
async def notifier(fresh_database: Database, keys: KeyPair, script: Script) -> AsyncIterator[Running]:
    async with a_notifier(fresh_database, keys, script.url) as notifier:
        yield notifier


def senders(notifier: Running) -> list[Sender]:
    return [run.__self__ for run in notifier.doors.background]  # type: ignore[attr-defined]


async def send(notifier: Running) -> int:
    return await senders(notifier)[0].send_due()


def a_rise(level: str = "Regular", member: str = MEMBER) -> Event[Any]:
    return an_event(TierRaised(member_id=member, level=level, previous_level="Guest", since=NOON))


def a_member(member: str = MEMBER, **more: Any) -> Event[Any]:
    return a_sign_up(member, **({"email": f"{member}@shop.example", "name": "Zoë", "language": "fr"} | more))


def read(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


async def state(notifier: Running) -> list[tuple[str, str | None, int]]:
    rows = await notifier.ports.pool.fetch(
        "SELECT state, why, attempts FROM notifier.message ORDER BY member_id"
    )
    return [tuple(row) for row in rows]


async def told(notifier: Running) -> list[tuple[str, str | None]]:
    return [(event.type, event.data.reason) for event in await notifier.told()]


async def test_a_mail_reaches_the_sink_and_its_page_in_the_members_language(
    fresh_database: Database, keys: KeyPair, tmp_path: Path
) -> None:
    with mail_sink(tmp_path) as sink:
        async with a_notifier(fresh_database, keys, sink.smtp_url) as notifier:
            await notifier.receives(
                a_member(), a_member("anna", language="en"), a_rise(), a_rise(member="anna")
            )
            assert await send(notifier) == 2
            assert await told(notifier) == [("message.sent.v1", None)] * 2
        folder = Folder(tmp_path)
        mails = {str(mail["To"]): mail for mail in map(folder.mail, folder.names()) if mail is not None}
        async with httpx.AsyncClient(base_url=sink.http_url, trust_env=False) as browser:
            page = (await browser.get("/")).text
            shown = [(await browser.get(f"/{name}/html")).text for name in folder.names()]
            assert (await browser.get("/../pyproject.toml")).status_code == 404
    to_zoe = mails[f"Zoë <{MEMBER}@shop.example>"]
    assert to_zoe["Subject"] == "Vous avez atteint le niveau Regular"
    assert to_zoe["From"] == "Tea & Cup Club <club@tea.example>"
    assert to_zoe["Reply-To"] == "help@tea.example"
    assert to_zoe["X-Envelope-From"] == "club@tea.example"
    assert to_zoe["Content-Language"] == "fr"
    assert mails["Zoë <anna@shop.example>"]["Subject"] == "You have reached the level Regular"
    assert "Vous avez atteint le niveau Regular" in page
    assert sum("Se désabonner" in text for text in shown) == 1


async def test_one_connection_carries_many_mails(notifier: Running, script: Script) -> None:
    names = [f"m-{number}" for number in range(5)]
    await notifier.receives(*map(a_member, names), *(a_rise(member=name) for name in names))
    await send(notifier)
    assert (len(script.mails), script.connections) == (5, 1)


async def test_several_senders_side_by_side_send_each_mail_once(
    fresh_database: Database, keys: KeyPair, script: Script
) -> None:
    async with a_notifier(fresh_database, keys, script.url, senders=4, claim_size=3) as notifier:
        names = [f"m-{number}" for number in range(40)]
        await notifier.receives(*map(a_member, names), *(a_rise(member=name) for name in names))
        while any(await asyncio.gather(*(sender.send_due() for sender in senders(notifier)))):
            pass
        assert sorted(read(mail)["To"].addresses[0].username for mail in script.mails) == sorted(names)
        assert set(await state(notifier)) == {("sent", None, 1)}


async def test_a_sender_runs_until_the_stop_and_says_goodbye(notifier: Running, script: Script) -> None:
    stop, sent = asyncio.Event(), asyncio.Event()
    sender = senders(notifier)[0]
    sender.sent = lambda _: sent.set()
    await notifier.receives(a_member(), a_rise())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(sender.run(stop))
        await sent.wait()
        stop.set()
    assert await state(notifier) == [("sent", None, 1)]
    assert len(script.mails) == 1


async def test_a_server_that_is_busy_is_asked_again_later_and_the_mail_keeps_its_id(
    notifier: Running, script: Script
) -> None:
    script.rcpt = ["450 4.2.1 greylisted"]
    script.data = ["451 4.3.0 busy"]
    await notifier.receives(a_member(), a_rise())
    for attempts in (1, 2):
        await send(notifier)
        assert await state(notifier) == [("waiting", "retry", attempts)]
        assert await send(notifier) == 0, "not before its time"
        notifier.now += timedelta(minutes=3)
    await send(notifier)
    assert await state(notifier) == [("sent", None, 3)]
    assert len({str(read(mail)["Message-ID"]) for mail in script.mails}) == 1


async def test_a_server_that_stays_busy_is_given_up_with_the_reason(
    notifier: Running, script: Script
) -> None:
    script.rcpt = ["450 4.2.1 greylisted"] * 6
    await notifier.receives(a_member(), a_rise())
    for _ in range(12):
        await send(notifier)
        notifier.now += timedelta(minutes=30)
    assert await state(notifier) == [("failed", "attempts_exhausted", 6)]
    assert await told(notifier) == [("message.failed.v1", "attempts_exhausted")]
    assert (
        await notifier.ports.pool.fetchval("SELECT server_said FROM notifier.message")
        == "450 4.2.1 greylisted"
    )


async def test_an_address_that_nobody_has_is_not_written_to_again(notifier: Running, script: Script) -> None:
    script.rcpt = [f"550 5.1.1 <{MEMBER}@SHOP.example> no such user"]
    await notifier.receives(a_member(), a_rise())
    await send(notifier)
    await notifier.receives(
        a_rise("Habitué"), a_member("m-2", email=f"{MEMBER.upper()}@shop.example"), a_rise(member="m-2")
    )
    await send(notifier)
    assert await state(notifier) == [
        ("failed", "address_refused", 1),
        ("suppressed", "address_suppressed", 0),
        ("suppressed", "address_suppressed", 0),
    ]
    rows = await notifier.ports.pool.fetch(
        "SELECT row_to_json(t)::text FROM notifier.suppressed_address AS t"
    )
    assert len(rows) == 1
    said = await notifier.ports.pool.fetchval(
        "SELECT server_said FROM notifier.message WHERE why = 'address_refused'"
    )
    assert said == "550 5.1.1 <(the address)> no such user"
    assert "shop" not in str(rows)


async def test_a_refusal_for_another_reason_blocks_no_address(notifier: Running, script: Script) -> None:
    script.rcpt = ["550 5.7.1 we do not like your network"]
    await notifier.receives(a_member(), a_rise())
    await send(notifier)
    assert await state(notifier) == [("failed", "refused", 1)]
    assert await notifier.ports.pool.fetchval("SELECT count(*) FROM notifier.suppressed_address") == 0


async def test_a_line_that_breaks_before_the_mail_was_handed_over_costs_nothing(
    notifier: Running, script: Script
) -> None:
    script.rcpt = [None]
    await notifier.receives(a_member(), a_rise())
    await send(notifier)
    assert await state(notifier) == [("waiting", "retry", 1)]
    notifier.now += timedelta(minutes=1)
    await send(notifier)
    assert await state(notifier) == [("sent", None, 2)]


async def test_a_line_that_breaks_before_the_yes_leaves_the_mail_alone_by_default(
    notifier: Running, script: Script
) -> None:
    script.data = [None]
    await notifier.receives(a_member(), a_rise())
    await send(notifier)
    notifier.now += HOUR
    await send(notifier)
    assert await state(notifier) == [("failed", "outcome_unknown", 1)]
    assert len(script.mails) == 1


async def test_in_doubt_it_is_sent_again_once_under_the_same_id_where_that_is_wished(
    fresh_database: Database, keys: KeyPair, script: Script
) -> None:
    script.data = [None, None]
    async with a_notifier(fresh_database, keys, script.url, when_in_doubt="resend") as notifier:
        await notifier.receives(a_member(), a_rise())
        for _ in range(3):
            await send(notifier)
            notifier.now += HOUR
        assert await state(notifier) == [("failed", "outcome_unknown", 2)]
    assert len(script.mails) == 2
    assert len({str(read(mail)["Message-ID"]) for mail in script.mails}) == 1


async def test_a_sender_that_died_before_it_began_loses_nothing_and_one_that_died_after_sends_nothing_twice(
    notifier: Running, script: Script
) -> None:
    await notifier.receives(a_member("m-1"), a_member("m-2"), a_rise(member="m-1"), a_rise(member="m-2"))
    await notifier.ports.pool.execute(
        "UPDATE notifier.message SET claim_token = $1, due_at = $2, state = CASE member_id WHEN 'm-1' THEN 'claimed' "
        "ELSE 'sending' END, attempts = CASE member_id WHEN 'm-1' THEN 0 ELSE 1 END",
        uuid4(),
        NOON + 2 * HOUR,
    )
    assert await send(notifier) == 0, "its claims still hold"
    notifier.now += 2 * HOUR
    await send(notifier)
    assert await state(notifier) == [("sent", None, 1), ("failed", "outcome_unknown", 1)]
    assert len(script.mails) == 1


async def test_a_claim_that_others_took_over_is_not_sent_by_the_first(
    notifier: Running, script: Script
) -> None:
    await notifier.receives(a_member(), a_rise())
    sender = senders(notifier)[0]
    lease = timedelta(minutes=5)
    async with notifier.ports.pool.acquire() as connection, connection.transaction():
        (stalled,), _ = await sender.actions.claim(connection, now=notifier.now, limit=10, lease=lease)
    notifier.now += HOUR
    await send(notifier)
    await sender._send(stalled)
    assert len(script.mails) == 1
    assert await told(notifier) == [("message.sent.v1", None)]


async def test_a_mail_server_that_is_away_costs_no_attempt_and_is_found_again(
    fresh_database: Database, keys: KeyPair
) -> None:
    script = Script()
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with a_notifier(fresh_database, keys, script.url) as notifier:
        await notifier.receives(a_member(), a_rise())
        with pytest.raises(MailServerAway):
            await send(notifier)
        assert await state(notifier) == [("waiting", None, 0)]
        server = await asyncio.start_server(script.serve, "127.0.0.1", script.port)
        await send(notifier)
        assert await state(notifier) == [("sent", None, 1)]
        server.close()


async def test_what_was_deferred_goes_out_in_the_morning_unless_it_is_stale_by_then(
    notifier: Running, script: Script
) -> None:
    notifier.now = NOON.replace(hour=20)
    await notifier.receives(a_member(), a_rise())
    assert await send(notifier) == 0
    notifier.now = NOON.replace(day=5, hour=6)
    await send(notifier)
    assert await state(notifier) == [("sent", None, 1)]
    assert await told(notifier) == [("message.deferred.v1", "quiet_hours"), ("message.sent.v1", None)]


async def test_a_member_who_moved_is_judged_by_the_new_zone_when_the_mail_is_due(
    notifier: Running, script: Script
) -> None:
    await notifier.receives(a_member(), a_rise())
    await notifier.receives(an_event(CustomerUpdated(customer_id=MEMBER, time_zone="Asia/Tokyo"), at=NOON))
    notifier.now = NOON + HOUR
    await send(notifier)
    assert await state(notifier) == [("waiting", "quiet_hours", 0)]
    assert script.mails == []


async def test_a_mail_without_an_address_or_to_a_broken_one_is_let_go(
    notifier: Running, script: Script
) -> None:
    await notifier.receives(
        a_rise(member="m-1"), a_member("m-2", email="not an address"), a_rise(member="m-2")
    )
    notifier.now += timedelta(days=2)
    await send(notifier)
    assert (await state(notifier))[1] == ("suppressed", "address_invalid", 0)
    notifier.now += timedelta(days=1)
    await send(notifier)
    assert (await state(notifier))[0] == ("suppressed", "no_address", 0)
    assert script.mails == []


async def test_the_link_in_a_mail_asks_first_and_unsubscribes_at_once_by_post(
    notifier: Running, script: Script
) -> None:
    await notifier.receives(a_member(), a_rise())
    await send(notifier)
    mail = read(script.mails[0])
    url = str(mail["List-Unsubscribe"]).strip("<>")
    assert url.startswith("https://club.example/u/")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = urlsplit(url).path
    await notifier.receives(a_rise("Habitué"))
    async with notifier.client(token=False) as browser:
        asked = await browser.get(path)
        assert re.search(r'<form method="post"><button type="submit">Se désabonner', asked.text)
        assert await notifier.ports.pool.fetchval("SELECT count(*) FROM notifier.preference") == 0
        form = {
            "content": "List-Unsubscribe=One-Click",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        }
        for _ in range(2):
            done = await browser.post(path, **form)  # type: ignore[arg-type]
            assert (done.status_code, "désabonnement est enregistré" in done.text) == (200, True)
        broken = await browser.post(path[:-3], headers={"Accept-Language": "fr-FR,fr;q=0.9"})
        assert (broken.status_code, "Ce lien ne fonctionne pas" in broken.text) == (404, True)
    await send(notifier)
    assert len(script.mails) == 1, "what was waiting is not sent either"
    unsubscribed = [event for event in await notifier.told() if event.type == "member.unsubscribed.v1"]
    assert [(event.data.purpose, event.data.channel) for event in unsubscribed] == [("loyalty", "email")]


async def test_who_unsubscribed_may_come_back_by_a_later_yes(notifier: Running, script: Script) -> None:
    no, yes = (Consent(granted=granted, purpose="loyalty", channel="email") for granted in (False, True))
    await notifier.receives(a_member(consents=(no,)))
    await notifier.receives(an_event(CustomerUpdated(customer_id=MEMBER, consents=(yes,)), at=NOON + HOUR))
    notifier.now += 2 * HOUR
    await notifier.receives(a_rise())
    await send(notifier)
    assert len(script.mails) == 1


async def test_what_a_server_has_taken_is_recorded_though_the_database_drops_the_line(
    notifier: Running, script: Script
) -> None:
    await notifier.receives(a_member(), a_rise())
    sender = senders(notifier)[0]
    hand_over = sender.mailer.send

    async def send_and_lose_the_database(mail: Any) -> Any:
        answer = await hand_over(mail)
        connection = await asyncpg.connect(notifier.settings.dsn)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()
        return answer

    sender.mailer.send = send_and_lose_the_database  # type: ignore[method-assign]
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError):
        await send(notifier)
    assert await state(notifier) == [("sent", None, 1)]
