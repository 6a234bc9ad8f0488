"""What the documents say is there: links, make targets, modules, commands, settings, metrics, programs.

What a newcomer would get wrong: a document is tested like code, so a renamed command or file fails here and names the
page that still speaks of the old one.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from services.ledger.main import SERVICE as LEDGER
from shared.cli import application
from shared.contract import documents
from shared.metrics import Metrics
from shared.program_file import read_program

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(file.parent.name for file in (ROOT / "services").glob("*/main.py"))
FOREIGN = {".venv", ".local", ".git", "node_modules", "dist", "build"}
PAGES = sorted(page for page in ROOT.rglob("*.md") if not FOREIGN & set(page.relative_to(ROOT).parts[:-1]))
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"python[0-9.]* -m ([a-z_]+(?:\.[a-z_$<>]+)*)")
COMMAND = re.compile(r"-m services\.[a-z$<>]+ ([a-z-]+)(?: ([a-z-]+))?")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as repositories' web pages make them."""
    plain = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", plain, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def fences_of(page: Path, language: str) -> Iterator[str]:
    """The code blocks of a page in a language."""
    return (code for kind, code in FENCE.findall(text_of(page)) if kind == language)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in LINK.findall(re.sub(r"`[^`\n]*`", "", text_of(page))):
        place, _, anchor = link.partition("#")
        if "://" in place or place.startswith("mailto:"):
            continue
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            lost.append(link)
    assert not lost


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of(ROOT / "Makefile"), re.MULTILINE))
    in_code = [
        *re.findall(r"`([^`\n]+)`", text_of(page)),
        *(code for _, code in FENCE.findall(text_of(page))),
    ]
    named = {name for code in in_code for name in re.findall(r"(?:^|&& |\n)make ([a-z-]+)", code)}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_that_is_to_be_run_exists(page: Path) -> None:
    for module in MODULE.findall(text_of(page)):
        first, *rest = module.split(".")
        if not (ROOT / first).is_dir():
            continue  # somebody else's, such as pytest
        if any("$" in part or "<" in part for part in rest):
            assert module.startswith("services.")
            continue
        assert importlib.util.find_spec(module), module


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_of_a_service_that_is_named_exists(page: Path) -> None:
    app = typer.main.get_command(application(LEDGER))
    commands = getattr(app, "commands")  # noqa: B009 - click's group, which typer hides from the types
    for name, further in COMMAND.findall(text_of(page)):
        assert name in commands, f"{name} {further}"
        inner = getattr(commands[name], "commands", None)
        if inner is not None and further:
            assert further in inner, f"{name} {further}"


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_program_in_a_document_is_one_that_all_services_accept(page: Path) -> None:
    for code in fences_of(page, "yaml"):
        document = read_program(code).document
        for name in SERVICES:
            importlib.import_module(f"services.{name}.program").parse(document)


def test_the_readme_shows_a_program_and_one_picture() -> None:
    assert len(list(fences_of(ROOT / "README.md", "yaml"))) == 1
    assert len(list(fences_of(ROOT / "README.md", "mermaid"))) == 1


def test_every_metric_of_the_operators_page_is_measured() -> None:
    measured = {family.name for family in Metrics("any").registry.collect()} | {
        "habitue_mails",
        "habitue_coupon_pool_codes",
    }
    named = set(re.findall(r"`(habitue_[a-z_]+)`", text_of(ROOT / "docs" / "operations.md")))
    assert named
    assert {name.removesuffix("_total") for name in named} <= measured


def test_every_setting_of_the_guides_can_be_set() -> None:
    known = {
        f"{prefix}{field}".upper()
        for name in SERVICES
        for field in importlib.import_module(f"services.{name}.settings").Settings.model_fields
        for prefix in ("", f"{name}_")
    }
    known |= {f"{name.upper()}_DATABASE_PASSWORD" for name in SERVICES}
    known |= set(re.findall(r"^#?([A-Z_]+)=", text_of(ROOT / ".env.example"), re.MULTILINE))
    known |= {"HABITUE_TEST_SERVERS", "DATABASE_URL"}
    pages = [ROOT / "docs" / "operations.md", *DECISIONS]
    named = {name for page in pages for name in re.findall(r"`([A-Z]+_[A-Z_]+)(?:=[a-z]+)?`", text_of(page))}
    assert named - {"PR_SET_PDEATHSIG"} <= known


def test_decisions_are_numbered_without_a_gap_and_all_listed() -> None:
    numbers = [int(page.name[:4]) for page in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))
    listed = text_of(ROOT / "docs" / "README.md")
    for page in DECISIONS:
        title = text_of(page).splitlines()[0].removeprefix("# ")
        number, _, words = title.partition(" ")
        assert number == page.name[:4]
        assert f"- [{number}](adr/{page.name}) {words}" in listed
        assert all(f"\n## {part}\n" in text_of(page) for part in ("Context", "Decision", "Consequences"))


def test_every_topic_and_type_of_the_integrators_page_is_in_the_contract() -> None:
    page = text_of(ROOT / "docs" / "integrators.md")
    contract = documents()["README.md"]
    named = set(re.findall(r"`((?:shop|loyalty)\.[a-z]+|[a-z_]+\.[a-z_]+\.v\d)`", page))
    assert len(named) > len(SERVICES)
    assert not {name for name in named if f"`{name}`" not in contract}
    assert {f"{name}.dead-letters" for name in SERVICES} <= set(re.findall(r"`([a-z.-]+)`", page))


def test_every_address_of_the_integrators_page_is_served() -> None:
    served = {"/openapi.json", "/docs", "/v1/program/versions"}
    for name in SERVICES:
        service = importlib.import_module(f"services.{name}.main").SERVICE
        for router in (*service.routers, *service.public_routers):
            served |= {f"/v1{route.path}" for route in router.routes}
    page = text_of(ROOT / "docs" / "integrators.md")
    named = set(re.findall(r"`(?:GET|POST|PUT) (/v1/[^`]+)`", page)) - {"/v1/program"}
    assert named
    assert named <= served


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_speaks_of_a_place_that_only_one_machine_has(page: Path) -> None:
    assert not re.findall(r"(?<![\w.-])/(?:home|root|tmp|work|Users)/\S+", text_of(page))
