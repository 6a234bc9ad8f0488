"""The command line of a service on real servers: what an operator does to set up, look after and repair it.

The service is the ledger, on topics of its own: all tests share one broker.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from typer.testing import CliRunner, Result

from services.ledger.main import SERVICE
from shared.cli import application
from shared.cli.programs import as_yaml
from shared.cli.progress import Standing
from shared.cli.replaying import target_of, time_of
from shared.cli.speech import visible
from shared.cloudevents import encode
from shared.errors import InvalidInput
from shared.events import Event
from shared.kafka import create_topics, producer_client, started
from shared.service import Service, open_ports, processor_of
from shared.worker.consumer import Worker, WorkerOptions
from shared.worker.records import Partition
from tests.support.events import NOON, a_sign_up, an_order_paid
from tests.support.programs import tea_and_cups
from tests.support.servers import Servers

Database = Callable[[], Awaitable[str]]
HASH_KEY = "only-for-tests-and-long-enough"
DEADLINE_SECONDS = 60.0
NOBODY = "127.0.0.1:1"
AWAY = f"postgresql://x@{NOBODY}/x"
PARTITIONS = 2


class OnOwnTopics(Service):
    """A service whose topics carry a suffix that no other test knows."""

    suffix = ""

    @property
    def topics(self) -> list[str]:
        return [topic + self.suffix for topic in SERVICE.topics]

    @property
    def own_topics(self) -> list[str]:
        return [topic + self.suffix for topic in SERVICE.own_topics]


@dataclass
class Operator:
    """Somebody at a shell, with the environment of the service."""

    service: Service
    suffix: str
    env: dict[str, str]

    async def types(self, *words: str, status: int = 0, **env: str) -> Result:
        """Run a command in a thread of its own, as it makes its own event loop."""
        call = CliRunner().invoke
        result = await asyncio.to_thread(
            call, application(self.service), list(words), env={**self.env, **env}
        )
        assert result.exit_code == status, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    async def reads(self, *words: str, status: int = 0) -> Any:
        """The JSON that a command prints."""
        return json.loads((await self.types(*words, "--json", status=status)).stdout)

    @property
    def database(self) -> str:
        return self.env["LEDGER_DATABASE_URL"]

    async def asks(self, sql: str) -> list[tuple[Any, ...]]:
        """Look into the database with an administrator's eyes."""
        connection = await asyncpg.connect(self.database)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def publishes(self, *events: Event[Any] | bytes, topic: str = "shop.orders") -> None:
        """Put events, or bytes, into the first partition of a topic."""
        async with started(producer_client(self.env["KAFKA_BOOTSTRAP"])) as producer:
            for event in events:
                value, key = (
                    (event, b"demo:x") if isinstance(event, bytes) else (encode(event), event.key.encode())
                )
                await producer.send_and_wait(topic + self.suffix, value, key=key, partition=0)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A worker of the service runs meanwhile (its relay does not)."""
        settings = self.service.settings.read(
            database_url=self.database, kafka_bootstrap=self.env["KAFKA_BOOTSTRAP"], hash_key=HASH_KEY
        )
        ports = await open_ports(self.service, settings)
        doors = self.service.build(ports)
        options = WorkerOptions(settings.kafka_bootstrap, f"test{self.suffix}", self.service.topics)
        stop = asyncio.Event()
        with structlog.testing.capture_logs():  # or its logs would stand between what the commands print
            work = asyncio.create_task(
                Worker(options, lambda: processor_of(self.service, settings, ports, doors)).run(stop)
            )
            try:
                yield
            finally:
                stop.set()
                await work
                await ports.pool.close()

    async def lets_the_worker_finish(self) -> None:
        """Run a worker until it has read everything."""
        async with self.working():
            await until(self._has_read_everything)

    async def _has_read_everything(self) -> bool:
        return not (await self.reads("lag"))["waiting"]

    async def points(self) -> dict[str, int]:
        rows = await self.asks("SELECT member_id, available FROM ledger.balance WHERE asset = 'points'")
        return dict(rows)


async def until(answer: Callable[[], Awaitable[object]]) -> None:
    """Wait until the answer is yes."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await answer():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.05)


@pytest.fixture
async def bare(fresh_database: Database, servers: Servers) -> Operator:
    """An operator in front of empty servers."""
    suffix = f".{secrets.token_hex(6)}"
    given = {each.name: getattr(SERVICE, each.name) for each in fields(SERVICE)}
    kind = type("Ledger", (OnOwnTopics,), {"suffix": suffix})
    env = {
        "LEDGER_DATABASE_URL": await fresh_database(),
        "KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        "LEDGER_HASH_KEY": HASH_KEY,
        "TOPIC_PARTITIONS": str(PARTITIONS),
    }
    return Operator(kind(**given), suffix, env)


def nowhere() -> Operator:
    """An operator without any server or setting."""
    absent = dict.fromkeys(("LEDGER_DATABASE_URL", "DATABASE_URL", "KAFKA_BOOTSTRAP"), "")
    return Operator(SERVICE, "", absent | {"LEDGER_HASH_KEY": HASH_KEY})


@pytest.fixture
async def operator(bare: Operator) -> Operator:
    """An operator in front of a service that is set up, and has no program yet."""
    await bare.types("migrate")
    await create_topics(bare.env["KAFKA_BOOTSTRAP"], bare.service.topics, partitions=PARTITIONS)
    return bare


@pytest.fixture
def program_file(tmp_path: Path) -> Path:
    file = tmp_path / "program.yaml"
    file.write_text(as_yaml(tea_and_cups()))
    return file


def change_file(file: Path, before: str, after: str) -> int:
    """Replace some words of a file; the line on which they stand."""
    text = file.read_text()
    file.write_text(text.replace(before, after))
    return text[: text.index(before)].count("\n") + 1


# Setting up


async def test_a_schema_is_migrated_once_and_a_second_time_nothing_happens(bare: Operator) -> None:
    first, second = await bare.types("migrate"), await bare.types("migrate")
    assert first.stdout.splitlines()[0] == "applied shared/0001_machinery"
    assert second.stdout == "the schema ledger is up to date\n"


async def test_a_role_gets_its_password_from_the_environment(bare: Operator) -> None:
    await bare.types("migrate", LEDGER_DATABASE_PASSWORD="it's-secret")
    try:
        assert await bare.asks("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'habitue_ledger'") == [
            (True,)
        ]
    finally:
        await bare.asks("ALTER ROLE habitue_ledger PASSWORD NULL")


async def test_topics_are_created_once_with_the_same_number_of_partitions(bare: Operator) -> None:
    first, second = await bare.reads("topics"), await bare.reads("topics")
    names = sorted({*bare.service.topics, *bare.service.own_topics})
    assert first == {"topics": dict.fromkeys(names, PARTITIONS), "created": names}
    assert second == {**first, "created": []}


async def test_topics_that_kafka_does_not_make_are_named(bare: Operator) -> None:
    result = await bare.types("topics", status=1, TOPIC_REPLICATION="9")
    assert "did not create" in result.stderr
    assert "TOPIC_REPLICATION" in result.stderr


async def test_topics_that_differ_in_their_partitions_are_warned_of(bare: Operator) -> None:
    await create_topics(bare.env["KAFKA_BOOTSTRAP"], bare.service.topics[:1], partitions=PARTITIONS + 1)
    assert "differ in their number of partitions" in (await bare.types("topics")).stderr


async def the_process(operator: Operator, *words: str) -> tuple[int, str, str]:
    """The real thing: `python -m services.ledger`, as an operator starts it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.ledger",
        *words,
        env={**os.environ, **operator.env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_migrate_and_verify_are_commands_of_a_process_with_a_status(bare: Operator) -> None:
    status, out, err = await the_process(bare, "verify")
    assert (status, out) == (1, "")
    assert "run the command `migrate` first" in err
    assert "Traceback" not in err
    status, out, err = await the_process(bare, "migrate")
    assert (status, err) == (0, "")
    assert "applied ledger/0001_ledger" in out
    status, out, err = await the_process(bare, "verify")
    assert (status, err) == (0, "")
    assert out.startswith("ledger: all is well")


async def test_verify_names_each_difference_and_says_so_by_its_status(
    operator: Operator, program_file: Path
) -> None:
    await operator.types("program", "apply", str(program_file))
    await operator.publishes(an_order_paid("42.00", member="anna"))
    await operator.lets_the_worker_finish()
    assert (await operator.reads("verify"))["differences"] == []
    await operator.asks("UPDATE ledger.balance SET available = available + 1 WHERE member_id = 'anna'")
    said = await operator.types("verify", status=1)
    assert "differs: program demo, member anna" in said.stdout
    assert (await operator.reads("verify", status=1))["differences"] != []


# What a user can cause is one sentence


@pytest.mark.parametrize(
    ("words", "env", "says"),
    [
        ("verify", {}, "LEDGER_DATABASE_URL (or DATABASE_URL): is not set"),
        ("all", {}, "LEDGER_DATABASE_URL (or DATABASE_URL): is not set"),
        ("", {}, "LEDGER_DATABASE_URL (or DATABASE_URL): is not set"),
        ("lag", {"DATABASE_URL": AWAY}, "LEDGER_KAFKA_BOOTSTRAP (or KAFKA_BOOTSTRAP): is not set"),
        ("lag", {"DATABASE_URL": AWAY, "KAFKA_BOOTSTRAP": NOBODY}, "no answer from Kafka"),
        ("verify", {"DATABASE_URL": AWAY}, "no answer from the database"),
        ("migrate", {"DATABASE_URL": AWAY}, "no answer from the database"),
        ("dead-letters list", {"DATABASE_URL": AWAY}, "no answer from the database"),
        ("dead-letters discard 1 --reason", {"DATABASE_URL": AWAY}, "--reason should say why"),
        ("replay --from yesterday", {}, "is no time"),
    ],
)
async def test_what_is_missing_or_wrong_is_said_in_one_sentence(
    words: str, env: dict[str, str], says: str
) -> None:
    last = [" "] if words.endswith("--reason") else []
    result = await nowhere().types(*words.split(), *last, status=1, **env)
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


async def test_what_should_be_done_first_is_said(bare: Operator) -> None:
    for words in ("dead-letters list", "dead-letters replay --all", "program show", "verify"):
        assert "run the command `migrate` first" in (await bare.types(*words.split(), status=1)).stderr
    assert "run the command `topics` first" in (await bare.types("lag", status=1)).stderr
    assert "run the command `topics` first" in (await bare.types("replay", "--from", "1h", status=1)).stderr


async def test_a_database_that_is_not_there_is_named(bare: Operator) -> None:
    absent = bare.database.rsplit("/", 1)[0] + "/absent"
    for command in ("migrate", "verify"):
        result = await bare.types(command, status=1, LEDGER_DATABASE_URL=absent)
        assert "the database is not there" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        *["", "lag", "replay", "migrate", "topics", "verify", "program", "program apply", "dead-letters"],
        *["dead-letters list", "dead-letters show", "dead-letters replay", "dead-letters discard"],
    ],
)
async def test_every_command_explains_itself_without_a_server(words: str) -> None:
    result = await nowhere().types(*words.split(), "--help")
    assert "Usage" in result.stdout


# Looking


async def test_lag_counts_what_was_not_handled_yet(operator: Operator, program_file: Path) -> None:
    await operator.types("program", "apply", str(program_file))
    await operator.publishes(an_order_paid(), an_order_paid())
    await operator.publishes(a_sign_up(), topic="shop.customers")
    before = await operator.reads("lag")
    assert (before["waiting"], before["caught_up"]) == (3, False)
    assert [
        (each["topic"], each["end"], each["position"], each["waiting"])
        for each in before["partitions"]
        if each["waiting"]
    ] == [(f"shop.customers{operator.suffix}", 1, 0, 1), (f"shop.orders{operator.suffix}", 2, 0, 2)]
    assert len(before["partitions"]) == PARTITIONS * len(operator.service.topics)
    assert "waiting: 3 events to be read" in (await operator.types("lag")).stdout
    await operator.lets_the_worker_finish()
    after = await operator.reads("lag")
    assert (after["waiting"], after["outbox"]["bundles"] > 0, after["caught_up"]) == (0, True, False)


async def test_waiting_for_zero_ends_when_a_worker_has_caught_up(operator: Operator) -> None:
    await operator.publishes(b"{}")
    async with operator.working(), asyncio.TaskGroup() as group:
        waiting = group.create_task(operator.types("lag", "--until-zero", "--timeout", str(DEADLINE_SECONDS)))
        await until(lambda: operator.asks("SELECT 1 FROM ledger.dead_letter"))
        await operator.asks("DELETE FROM ledger.outbox")  # as the relay would, once it has published them
    assert "caught up" in waiting.result().stdout


async def test_waiting_for_zero_in_vain_ends_with_a_status(operator: Operator) -> None:
    await operator.publishes(b"{}")
    result = await operator.types("lag", "--until-zero", "--timeout", "0", status=1)
    assert "has not caught up" in result.stderr


# Dead letters


async def test_refused_events_take_effect_once_after_the_cause_is_mended(
    operator: Operator, program_file: Path
) -> None:
    order = an_order_paid("42.00", member="anna")
    await operator.publishes(order, an_order_paid("10.00", member="bert"))
    await operator.lets_the_worker_finish()
    letters = await operator.reads("dead-letters", "list")
    assert [(each["code"], each["state"]) for each in letters] == [("unknown_program", "open")] * 2
    assert letters[0]["topic"] == f"shop.orders{operator.suffix}"

    await operator.types("program", "apply", str(program_file))
    first, second = (str(each["dead_letter_id"]) for each in letters)
    assert await operator.reads("dead-letters", "replay", first) == {"replayed": 1}
    await operator.lets_the_worker_finish()
    assert await operator.points() == {"anna": 42}

    assert await operator.reads("dead-letters", "replay", "--all", "--code", "unknown_program") == {
        "replayed": 1
    }
    await operator.lets_the_worker_finish()
    assert await operator.points() == {"anna": 42, "bert": 10}
    states = await operator.reads("dead-letters", "list", "--state", "all")
    assert [each["state"] for each in states] == ["replayed", "replayed"]
    assert "was replayed already" in (await operator.types("dead-letters", "replay", second, status=1)).stderr
    assert (await operator.reads("verify"))["differences"] == []


async def test_a_replay_that_was_cut_off_before_it_was_marked_is_repeated_without_a_second_effect(
    operator: Operator, program_file: Path
) -> None:
    await operator.publishes(an_order_paid("42.00", member="anna"))
    await operator.lets_the_worker_finish()
    await operator.types("program", "apply", str(program_file))
    for _ in range(2):
        await operator.types("dead-letters", "replay", "--all")
        await operator.asks("UPDATE ledger.dead_letter SET state = 'open', settled_at = NULL")
    await operator.lets_the_worker_finish()
    assert await operator.points() == {"anna": 42}


async def test_what_is_refused_again_becomes_a_new_letter_and_not_an_endless_replay(
    operator: Operator,
) -> None:
    await operator.publishes(an_order_paid())
    await operator.lets_the_worker_finish()
    await operator.types("dead-letters", "replay", "--all")
    await operator.lets_the_worker_finish()
    letters = await operator.reads("dead-letters", "list", "--state", "all")
    assert [each["state"] for each in letters] == ["replayed", "open"]


async def test_an_event_without_a_time_of_its_own_keeps_that_of_its_record(
    operator: Operator, program_file: Path
) -> None:
    bare = {"id": "e-1", "type": "order.paid.v1", "customer_id": "anna", "order_id": "o-1", "total": "42.00"}
    long_ago = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    async with started(producer_client(operator.env["KAFKA_BOOTSTRAP"])) as producer:
        await producer.send_and_wait(
            f"shop.orders{operator.suffix}",
            json.dumps(bare).encode(),
            key=b"demo:anna",
            partition=1,
            timestamp_ms=int(long_ago.timestamp() * 1000),
        )
    await operator.lets_the_worker_finish()
    await operator.types("program", "apply", str(program_file))
    await operator.types("dead-letters", "replay", "--all")
    await operator.lets_the_worker_finish()
    assert await operator.asks("SELECT paid_at FROM ledger.purchase") == [(long_ago,)]


async def test_a_letter_is_shown_whole_and_never_obeyed_by_the_terminal(operator: Operator) -> None:
    evil = b'{"id": "\x1b[2J", "type": "x"}'
    await operator.publishes(evil, b"\xff\x00\xfe")
    await operator.lets_the_worker_finish()
    text, binary = await operator.reads("dead-letters", "list")
    shown = await operator.types("dead-letters", "show", str(text["dead_letter_id"]))
    assert "\x1b" not in shown.stdout
    assert "\\x1b[2J" in shown.stdout
    assert "demo:x" in shown.stdout
    details = await operator.reads("dead-letters", "show", str(text["dead_letter_id"]))
    assert (details["value"], details["key"]) == (evil.decode(), "demo:x")
    shown = await operator.types("dead-letters", "show", str(binary["dead_letter_id"]))
    assert "3 bytes that are no text, beginning with ff 00 fe" in shown.stdout
    assert (
        "there is no dead letter 999"
        in (await operator.types("dead-letters", "show", "999", status=1)).stderr
    )


async def test_a_discarded_letter_keeps_its_reason_and_its_bytes_and_may_be_replayed_after_all(
    operator: Operator,
) -> None:
    await operator.publishes(b"{}", b"[]")
    await operator.lets_the_worker_finish()
    first, second = (str(each["dead_letter_id"]) for each in await operator.reads("dead-letters", "list"))
    assert (await operator.types("dead-letters", "discard", first, status=2)).exit_code == 2
    await operator.types("dead-letters", "discard", first, "--reason", "a test of the shop")
    found = await operator.reads("dead-letters", "show", first)
    assert (found["state"], found["note"], found["value"]) == ("discarded", "a test of the shop", "{}")
    listed = await operator.reads("dead-letters", "list")
    assert [str(each["dead_letter_id"]) for each in listed] == [second]
    assert await operator.reads("dead-letters", "replay", first) == {"replayed": 1}
    assert (await operator.reads("dead-letters", "show", first))["note"] is None


async def test_a_replay_says_which_letters_are_meant_or_does_nothing(operator: Operator) -> None:
    await operator.publishes(b"{}")
    await operator.lets_the_worker_finish()
    letter = str((await operator.reads("dead-letters", "list"))[0]["dead_letter_id"])
    for words in ([], [letter, "--all"], [letter, "999"], [letter, "--code", "x"]):
        await operator.types("dead-letters", "replay", *words, status=1)
    assert len(await operator.reads("dead-letters", "list")) == 1


# Replay from a time


async def test_a_replay_from_a_time_moves_positions_back_and_has_no_second_effect(
    operator: Operator, program_file: Path
) -> None:
    await operator.types("program", "apply", str(program_file))
    await operator.publishes(an_order_paid("42.00", member="anna"), an_order_paid("10.00", member="bert"))
    await operator.lets_the_worker_finish()
    orders = f"shop.orders{operator.suffix}"
    move = {"topic": orders, "partition": 0, "position": 2, "moved_to": 0}
    planned = await operator.reads("replay", "--from", "1h", "--dry-run")
    assert (planned["moves"], planned["events_again"], planned["dry_run"]) == ([move], 2, True)
    assert (await operator.reads("lag"))["waiting"] == 0
    moved = await operator.reads("replay", "--from", "1h")
    assert moved["moves"] == [move]
    assert (await operator.reads("lag"))["waiting"] == 2
    await operator.lets_the_worker_finish()
    assert await operator.points() == {"anna": 42, "bert": 10}
    assert (await operator.reads("verify"))["differences"] == []


async def test_a_worker_that_runs_meanwhile_is_fenced_and_goes_back_too(
    operator: Operator, program_file: Path
) -> None:
    await operator.types("program", "apply", str(program_file))
    await operator.publishes(an_order_paid("42.00", member="anna"))
    async with operator.working():
        await until(operator.points)
        await operator.asks("DELETE FROM ledger.inbox")  # so that a second reading shows
        await operator.types("replay", "--from", "1h")
        await operator.publishes(an_order_paid("10.00", member="bert"))
        await until(lambda: operator.asks("SELECT 1 FROM ledger.inbox OFFSET 1"))
    assert (await operator.points())["bert"] == 10


async def test_a_replay_never_moves_forward_over_events_that_were_not_handled(operator: Operator) -> None:
    await operator.publishes(b"{}")
    await operator.lets_the_worker_finish()
    await operator.publishes(b"{}")
    planned = await operator.reads("replay", "--from", "2100-01-01")
    assert (planned["moves"], planned["events_again"]) == ([], 0)


async def test_a_topic_that_the_service_does_not_read_is_refused(operator: Operator) -> None:
    result = await operator.types("replay", "--from", "1h", "--topic", "shop.orders", status=1)
    assert "does not read 'shop.orders'" in result.stderr
    chosen = operator.service.topics[0]
    assert (await operator.reads("replay", "--from", "1h", "--topic", chosen))["moves"] == []


async def test_a_lost_position_is_shown_and_set_to_what_kafka_has(operator: Operator) -> None:
    await operator.publishes(b"{}", b"[]")
    await operator.lets_the_worker_finish()
    await operator.asks("UPDATE ledger.position SET next_offset = 77 WHERE next_offset = 2")
    lag = await operator.reads("lag")
    assert (lag["waiting"], [each["position"] for each in lag["partitions"] if each["lost"]]) == (2, [77])
    assert "LOST" in (await operator.types("lag")).stdout
    (move,) = (await operator.reads("replay", "--from", "1h"))["moves"]
    assert (move["position"], move["moved_to"]) == (77, 0)


@pytest.mark.parametrize(
    ("position", "wanted", "target"),
    [
        (50, 30, 30),
        (50, 70, 50),
        (50, None, 50),
        (5, 30, 10),
        (5, None, 10),
        (200, 30, 30),
        (200, None, 100),
    ],
)
def test_positions_only_move_back_unless_they_are_lost(
    position: int, wanted: int | None, target: int
) -> None:
    standing = Standing(Partition("t", 0), beginning=10, end=100, position=position)
    assert target_of(standing, wanted) == target


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-05-04", NOON - timedelta(hours=12)),
        ("2026-05-04T12:00", NOON),
        ("2026-05-04T14:00+02:00", NOON),
        ("90m", NOON - timedelta(minutes=90)),
        ("7d", NOON - timedelta(days=7)),
    ],
)
def test_a_time_is_given_as_a_moment_or_as_how_long_ago(text: str, meant: datetime) -> None:
    assert time_of(text, NOON) == meant


@pytest.mark.parametrize("text", ["", "soon", "12", "7w", "2026-13-01", "-1h"])
def test_a_text_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no time"):
        time_of(text, NOON)


# Programs


async def test_a_file_is_checked_without_any_server(program_file: Path) -> None:
    fine = await nowhere().types("program", "check", str(program_file))
    assert fine.stdout == f"{program_file}: the program demo is fine for ledger\n"
    line = change_file(program_file, "rounded_to: month", "rounded: month")
    result = await nowhere().types("program", "check", str(program_file), status=1)
    told = "this word is not known here; did you mean `rounded_to`?"
    assert result.stderr == f"{program_file}:{line}: ledger.points.rounded: {told}\n"
    faults = await nowhere().reads("program", "check", str(program_file), status=1)
    assert faults["errors"][0]["line"] == line


async def test_a_warning_stands_beside_the_answer_and_refuses_nothing(program_file: Path) -> None:
    line = change_file(program_file, "at_checkout:\n      points: 100", "at_checkout:\n      points: 27")
    result = await nowhere().types("program", "check", str(program_file))
    place = f"{program_file}:{line}: warning: ledger.spend.at_checkout: 27 points for "
    assert result.stderr.startswith(place)
    assert "is fine for ledger" in result.stdout
    said = await nowhere().reads("program", "check", str(program_file))
    assert [each["line"] for each in said["warnings"]] == [line]


async def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "program.yaml"
    file.write_bytes(b"\xff\xfe")
    assert "not text in UTF-8" in (await nowhere().types("program", "check", str(file), status=1)).stderr
    for path in (tmp_path, tmp_path / "absent"):
        assert "cannot be read" in (await nowhere().types("program", "check", str(path), status=1)).stderr


async def test_a_program_is_applied_shown_and_changed(operator: Operator, program_file: Path) -> None:
    assert "there is no program yet" in (await operator.types("program", "show")).stdout
    dry = await operator.types("program", "apply", str(program_file), "--dry-run")
    assert "would be in force from the beginning" in dry.stdout
    assert "+ currency: EUR" in dry.stdout
    assert await operator.reads("program", "show") == []
    await operator.types("program", "apply", str(program_file), "--expect", "0")
    assert "is in force already" in (await operator.types("program", "apply", str(program_file))).stdout

    shown = await operator.types("program", "show", "demo")
    comment, _, text = shown.stdout.partition("\n")
    assert comment.startswith("# version 1, from the beginning")
    assert text == as_yaml(tea_and_cups())

    change_file(program_file, "Tea & Cup Club", "Tea Club")
    refused = await operator.types("program", "apply", str(program_file), "--expect", "0", status=1)
    assert "version 1 is in force, not 0" in refused.stderr
    tried = await operator.types("program", "apply", str(program_file), "--dry-run")
    assert "orders: 0" in tried.stdout
    assert "limits:" in tried.stdout
    assert (await operator.reads("program", "apply", str(program_file), "--dry-run"))["trial"]["orders"] == 0
    changed = await operator.types("program", "apply", str(program_file), "--expect", "1")
    assert "~ name: Tea & Cup Club -> Tea Club" in changed.stdout
    assert (await operator.reads("program", "show", "demo", "--version", "1"))["document"][
        "name"
    ] == "Tea & Cup Club"
    assert [(each["program"], each["version"]) for each in await operator.reads("program", "show")] == [
        ("demo", 2)
    ]
    for words in (["other"], ["demo", "--version", "3"]):
        await operator.types("program", "show", *words, status=1)


async def test_a_program_comes_from_standard_input_too(operator: Operator) -> None:
    call = CliRunner().invoke
    words, text = ["program", "apply", "-"], as_yaml(tea_and_cups())
    result = await asyncio.to_thread(call, application(operator.service), words, input=text, env=operator.env)
    assert result.exit_code == 0
    assert (await operator.reads("program", "show"))[0]["program"] == "demo"


async def test_the_schema_is_printed_for_editors() -> None:
    schema = json.loads((await nowhere().types("program", "schema")).stdout)
    assert "earn" in schema["properties"]


def test_what_a_terminal_would_obey_or_hide_is_written_out() -> None:
    assert visible("a\x1b[2J\u202eb\r\x9bc\té\n") == "a\\x1b[2J\\u202eb\\r\\x9bc\té\n"
