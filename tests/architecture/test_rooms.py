"""Who may import whom, read from the imports themselves.

`domain` is pure; only `store` sees rows; only `main` wires; no service imports another; `shared` imports no service.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/main.py"))
PURE_SHARED = (
    "shared.errors",
    "shared.events",
    "shared.money",
    "shared.orders",
    "shared.calendar",
    "shared.rows",
)
PURE_FUNCTIONS = (
    "shared.cloudevents.derived_id",
    "shared.programs.BEGINNING_OF_TIME",
    "shared.programs.Versions",
    "shared.programs.unknown",
)
IMPURE_STDLIB = {
    "asyncio", "socket", "random", "secrets", "time", "os", "subprocess", "threading", "urllib", "http", "sqlite3",
    "pathlib", "logging", "tempfile", "shutil", "io", "select", "ssl",
}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One imported name, and where."""

    file: Path
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.name}"


def imports_of(file: Path) -> Iterator[Import]:
    """Every name that a file imports, with its module in full."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            for alias in node.names:
                yield Import(file, node.lineno, f"{node.module}.{alias.name}")


def python_files(*parts: str) -> list[Path]:
    """All Python files of a room."""
    return sorted((ROOT.joinpath(*parts)).rglob("*.py"))


def is_under(name: str, *rooms: str) -> bool:
    """Whether a dotted name lies in one of the rooms."""
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_imports_another(service: str) -> None:
    others = [f"services.{other}" for other in SERVICES if other != service]
    wrong = [
        each
        for file in python_files("services", service)
        for each in imports_of(file)
        if is_under(each.name, *others)
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_shared_imports_no_service() -> None:
    wrong = [
        each
        for file in python_files("shared")
        for each in imports_of(file)
        if is_under(each.name, "services", "deploy", "tests")
    ]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("service", SERVICES)
def test_the_domain_is_pure(service: str) -> None:
    own = (f"services.{service}.domain", f"services.{service}.errors")
    wrong = []
    for file in python_files("services", service, "domain"):
        for each in imports_of(file):
            top = each.name.partition(".")[0]
            stdlib = top in sys.stdlib_module_names and top not in IMPURE_STDLIB
            if not (stdlib or is_under(each.name, *own, *PURE_SHARED) or each.name in PURE_FUNCTIONS):
                wrong.append(each)
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("service", SERVICES)
def test_the_domain_asks_no_clock(service: str) -> None:
    calls = {"now", "utcnow", "today"}
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno} asks the clock"
        for file in python_files("services", service, "domain")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in calls
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("service", SERVICES)
def test_only_main_wires(service: str) -> None:
    wrong = [
        each
        for file in python_files("services", service)
        if file.name not in ("main.py", "__main__.py")
        for each in imports_of(file)
        if is_under(each.name, f"services.{service}.main", "shared.service.Service", "shared.running")
    ]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("service", SERVICES)
def test_endpoints_and_handlers_see_no_database_driver(service: str) -> None:
    folder = ROOT / "services" / service
    doors = [folder / f"{name}.py" for name in ("api", "handlers", "schemas")]
    doors = [file for file in doors if file.is_file()]
    doors += [file for name in ("api", "schemas") for file in (folder / name).glob("*.py")]
    wrong = [
        each
        for file in doors
        for each in imports_of(file)
        if is_under(each.name, "asyncpg", "shared.queries", f"services.{service}.store")
    ]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("service", SERVICES)
def test_every_statement_stands_in_a_sql_file(service: str) -> None:
    words = ("select ", "insert into", "update ", "delete from")
    wrong = []
    for file in python_files("services", service):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value.strip().lower()
                if text.startswith(words) and (" from " in text or " set " in text or " values" in text):
                    wrong.append(f"{file.relative_to(ROOT)}:{node.lineno} {text[:60]!r}")
    assert not wrong, "\n".join(wrong)
