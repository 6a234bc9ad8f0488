"""One line of JSON an event on standard output, or a coloured line for people.

Everything speaks through the same renderer: our own loggers (structlog) and those of the libraries (the
standard library's logging). Each line carries `service` and `role`, and while a request is answered also
its `request_id`.

What a newcomer would get wrong: call `configure_logs` before the first message is written. A logger is
built at its first use and then kept (`cache_logger_on_first_use`), which is what makes a line cheap; it
would keep what it was built with. Give uvicorn `log_config=None`, or it installs handlers of its own.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]

# These say in many lines what our own metrics and messages say in one.
_NOISY = {"aiokafka": logging.WARNING, "asyncio": logging.WARNING, "httpx": logging.WARNING}


def get_logger(name: str | None = None) -> structlog.typing.FilteringBoundLogger:
    """A logger for a module: `log = get_logger(__name__)`, then `log.info("batch_applied", events=12)`."""
    bound = {"module": name} if name else {}
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(**bound))


def configure_logs(
    service: str,
    role: str,
    *,
    level: Level = "info",
    log_format: Format = "json",
    stream: TextIO | None = None,
) -> None:
    """Set up the process' logging; call once, first thing in `main`.

    Args:
        stream: where lines go; standard output unless told.
    """
    target = stream if stream is not None else sys.stdout
    renderer = _renderer(log_format, target)
    first = _first_processors(service, role)
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*first, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=True,
    )
    _route_standard_logging(target, number, first, renderer)


def _first_processors(service: str, role: str) -> list[Processor]:
    def add_origin(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        event["role"] = role
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        add_origin,
        structlog.processors.StackInfoRenderer(),
    ]


def _renderer(log_format: Format, target: TextIO) -> Processor:
    if log_format == "console":
        # The default formatter prints local variables, which may hold contact data and tokens.
        plain = structlog.dev.plain_traceback
        return structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=plain)
    return _render_json


def _render_json(logger: WrappedLogger, name: str, event: EventDict) -> str:
    """One JSON object; an exception as text, without local variables (they may hold contact data)."""
    event = structlog.processors.format_exc_info(logger, name, event)
    return msgspec.json.encode(event, enc_hook=str).decode()


def _route_standard_logging(target: TextIO, level: int, first: list[Processor], renderer: Processor) -> None:
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*first, _add_module],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, floor in _NOISY.items():
        logging.getLogger(name).setLevel(max(level, floor))


def _add_module(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    record: Any = event.get("_record")
    event["module"] = record.name if record is not None else "unknown"
    return event


if not structlog.is_configured():
    # Until `configure_logs` is called (in tests, in a shell): as short, and as silent about local variables.
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )
