"""What the commands print: text and tables for people, JSON for scripts, and refusals in one sentence.

What a newcomer would get wrong: dead letters hold what strangers sent. Nothing of it goes to a terminal before its
control characters are written out, or an event could repaint the operator's screen.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec

import asyncpg
import typer
from aiokafka.errors import KafkaError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.errors import ServiceError

P = ParamSpec("P")

EXIT_INTERRUPTED = 130  # as shells say it
WIDTH_OF_FILES = 200  # where no terminal says how wide it is, nothing should be cut


def console() -> Console:
    """Standard output as rich writes to it: coloured on a terminal, plain and wide elsewhere."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH_OF_FILES)


def say(text: str) -> None:
    """A line for people."""
    typer.echo(text)


def warn(text: str) -> None:
    """A line that does not belong to the result: on standard error."""
    typer.echo(text, err=True)


def say_json(value: Any) -> None:
    """A result for scripts; all that is not ASCII is escaped."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """An empty table; the columns named in `numbers` are set to the right."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def cell(value: Any) -> Text:
    """A value in a table, never taken for markup."""
    if isinstance(value, datetime):
        value = moment(value)
    return Text("" if value is None else visible(str(value)))


def moment(time: datetime) -> str:
    """A time as people read it, to the second, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def counted(count: int, thing: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def visible(text: str) -> str:
    """The text with everything that a terminal would obey or hide written out; lines and tabs stay."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def command(function: Callable[P, Any]) -> Callable[P, None]:
    """A function, plain or async, as a command: what a user can cause ends it with one sentence and status 1."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            result = function(*args, **kwargs)
            if inspect.iscoroutine(result):
                asyncio.run(result)
        except BrokenPipeError:
            raise  # the reader has seen enough; click ends quietly
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except (ServiceError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError, OSError) as error:
            warn(visible(sentence_of(error)))
            raise typer.Exit(1) from None

    return run


def sentence_of(error: BaseException) -> str:
    """What is wrong, and what to do about it."""
    if isinstance(error, ServiceError):
        return error.message
    for kinds, text in _SENTENCES:
        if isinstance(error, kinds):
            return text.format(error=_first_line(error))
    return f"{type(error).__name__}: {_first_line(error)}"


_SENTENCES: Sequence[tuple[tuple[type[BaseException], ...], str]] = (
    (
        (asyncpg.InvalidSchemaNameError, asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError),
        "the schema is not up to date ({error}); run the command `migrate` first",
    ),
    (
        (asyncpg.InvalidParameterValueError, asyncpg.UndefinedObjectError),
        "the role of this service is not there ({error}); run the command `migrate` first",
    ),
    (
        (asyncpg.InvalidAuthorizationSpecificationError,),
        "the database lets nobody in with this address ({error}); is its password right?",
    ),
    (
        (asyncpg.InvalidCatalogNameError,),
        "the database is not there ({error}); create it, or mend the address",
    ),
    (
        (asyncpg.InsufficientPrivilegeError,),
        "the database does not allow this ({error}); `migrate` needs DATABASE_ADMIN_URL, an address that may "
        "create schemas and roles",
    ),
    (
        (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError),
        "the database took too long ({error}); try again when it is less busy",
    ),
    ((TimeoutError,), "no answer in time; is the server running?"),
    ((asyncpg.PostgresError, asyncpg.InterfaceError), "the database refuses: {error}"),
    ((KafkaError,), "Kafka refuses: {error}"),
    ((OSError,), "{error}"),
)


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
