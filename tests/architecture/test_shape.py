"""All services have the same files, so who knows one knows all; and their SQL is what the schema can answer."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from shared.events import EVENT_TYPES
from shared.migrations import migrate, migrations_of
from shared.queries import load_queries
from shared.service import Service
from tests.architecture.test_rooms import ROOT, SERVICES

FILES = (
    "__init__.py", "__main__.py", "main.py", "settings.py", "api.py", "schemas.py", "handlers.py", "jobs.py",
    "actions.py", "store.py", "errors.py", "program.py", "verify.py", "domain/__init__.py",
)  # fmt: skip
LONGEST_MODULE = 450  # a module is one subject; seldom over 300 lines


def service_of(name: str) -> Service:
    """A service's own description."""
    found: Service = importlib.import_module(f"services.{name}.main").SERVICE
    return found


def test_the_four_services_are_there() -> None:
    assert {"ledger", "tiers", "referrals", "notifier"} <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_the_same_files(name: str) -> None:
    """A file that grew may be a package of the same name, with a module per idea."""
    folder = ROOT / "services" / name
    missing = [
        file
        for file in FILES
        if not ((folder / file).is_file() or (folder / file.removesuffix(".py") / "__init__.py").is_file())
    ]
    assert not missing, f"services/{name} lacks {', '.join(missing)}"
    assert list((folder / "sql").glob("*.sql"))
    assert list((folder / "migrations").glob("*.sql"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_what_it_owns_listens_to_and_announces(name: str) -> None:
    text = importlib.import_module(f"services.{name}").__doc__ or ""
    assert all(word in text for word in ("Owns", "Listens", "Announces")), text


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_makes_the_events_that_it_says_it_announces(name: str) -> None:
    """Who listens reads the list; an event that is made in some module and not listed has no topic at the start."""
    service = service_of(name)
    made = _events_named_in(ROOT / "services" / name) - {data.__name__ for data in service.listens}
    announced = [data.__name__ for data in service.announces]
    assert sorted(announced) == sorted(made)


def _events_named_in(folder: Path) -> set[str]:
    """The events of the contract that the modules of a service import, its list of them left out."""
    trees = [
        ast.parse(file.read_text(encoding="utf-8")) for file in folder.rglob("*.py") if file.name != "main.py"
    ]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {
        alias.name
        for each in imports
        if (each.module or "").startswith("shared.events")
        for alias in each.names
    }
    return names & {each.data_class.__name__ for each in EVENT_TYPES.values()}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_named_like_its_folder_and_schema(name: str) -> None:
    service = service_of(name)
    assert service.name == name
    assert service.settings.model_config.get("env_prefix") == f"{name.upper()}_"


@pytest.mark.parametrize("name", SERVICES)
def test_migrations_are_numbered_without_a_gap_and_name_their_schema(name: str) -> None:
    own = [
        each for each in migrations_of(f"services.{name}", schema=name) if each.name.startswith(f"{name}/")
    ]
    numbers = [int(each.name.partition("/")[2][:4]) for each in own]
    assert numbers == list(range(1, len(own) + 1))
    for each in own:
        tables = re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\S+)", each.text)
        assert all(table.startswith(f"{name}.") for table in tables), tables


@pytest.mark.parametrize("name", SERVICES)
async def test_every_query_can_be_prepared_on_the_migrated_schema(
    name: str, fresh_database: Callable[[], Awaitable[str]]
) -> None:
    url = await fresh_database()
    await migrate(url, f"services.{name}", schema=name)
    connection = await asyncpg.connect(
        url, server_settings={"role": f"habitue_{name}", "search_path": "pg_catalog"}
    )
    faults = []
    try:
        for queries in (load_queries(f"services.{name}", schema=name), load_queries("shared", schema=name)):
            for query in queries.names():
                try:
                    await connection.prepare(getattr(queries, query))
                except asyncpg.PostgresError as error:
                    faults.append(f"{query}: {error}")
    finally:
        await connection.close()
    assert not faults, "\n".join(faults)


def test_no_module_is_longer_than_a_subject() -> None:
    rooms: list[Path] = [*(ROOT / "services").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]
    long = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in rooms}
    assert not {name: lines for name, lines in long.items() if lines > LONGEST_MODULE}


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_of_an_endpoint_runs_in_a_thread(name: str) -> None:
    """A plain `def` would be sent to a thread pool for each request, which costs more than most of them do."""
    routes = [
        each for router in service_of(name).routers for each in router.routes if isinstance(each, APIRoute)
    ]
    assert routes
    called = [(route.path, each.call) for route in routes for each in _with_what_it_needs(route.dependant)]
    assert not [(path, call) for path, call in called if call is not None and not _awaited(call)]


def _with_what_it_needs(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _with_what_it_needs(each)


def _awaited(call: Callable[..., Any]) -> bool:
    function = call if inspect.isroutine(call) else type(call).__call__
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def test_the_map_of_the_ledgers_domain_names_every_module() -> None:
    folder = ROOT / "services" / "ledger" / "domain"
    chart = (folder / "__init__.py").read_text(encoding="utf-8")
    assert set(re.findall(r"`(\w+)`", chart)) >= {file.stem for file in folder.glob("*.py")} - {"__init__"}
