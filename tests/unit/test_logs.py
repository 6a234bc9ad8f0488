"""Logs: one JSON object a line, whoever speaks, and never the values of local variables."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.logs import configure_logs, get_logger


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logs("ledger", "worker", stream=stream)
    yield stream
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_our_own_lines_and_the_libraries_lines_have_one_shape(lines: io.StringIO) -> None:
    get_logger("shared.worker").info("batch_applied", events=12)
    logging.getLogger("uvicorn.error").warning("started on %s", 8000)
    ours, theirs = read(lines)
    assert set(ours) - {"events"} == set(theirs) == {"event", "level", "time", "service", "role", "module"}
    assert (ours["event"], ours["events"], ours["service"], ours["role"]) == (
        "batch_applied",
        12,
        "ledger",
        "worker",
    )
    assert (theirs["event"], theirs["module"]) == ("started on 8000", "uvicorn.error")


def test_lines_below_the_level_are_not_written(lines: io.StringIO) -> None:
    get_logger().debug("detail")
    logging.getLogger("aiokafka.consumer").info("chatter")
    assert read(lines) == []


def test_an_exception_is_one_line_without_local_variables(lines: io.StringIO) -> None:
    password = "hunter2"
    try:
        raise ValueError(len(password))
    except ValueError:
        get_logger().exception("failed", amount=1)
    (line,) = read(lines)
    assert "ValueError: 7" in line["exception"]
    assert password not in lines.getvalue().replace('password = "hunter2"', "")


def test_what_json_does_not_know_is_written_as_text(lines: io.StringIO) -> None:
    get_logger().info("odd", error=ValueError("x"))
    assert read(lines)[0]["error"] == "x"
