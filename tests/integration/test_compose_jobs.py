"""The one-shot jobs of docker-compose.yml on a real database, with the environment that Compose gives them.

What a newcomer would get wrong: only the addresses are replaced here. The commands and all other variables are those of
the containers.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
STARTER = ROOT / "examples" / "programs" / "starter.yaml"
SERVICES = sorted(file.parent.name for file in (ROOT / "services").glob("*/main.py"))
LONG_ENOUGH = dict.fromkeys(
    ("LEDGER_HASH_KEY", "REFERRALS_HASH_KEY", "NOTIFIER_LINK_KEYS"), "0123456789abcdef"
)


@pytest.fixture(scope="module")
def containers() -> dict[str, Any]:
    command = [str(BIN / "docker-compose"), "--env-file", ".env.example", "config", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


async def _runs(container: dict[str, Any], database_url: str, *command: str) -> str:
    """What the container's command prints; the service's own role is taken on by the administrator's login."""
    env = {name: value or "" for name, value in container["environment"].items()} | LONG_ENOUGH
    for name in env:
        if name.endswith(("_DATABASE_URL", "_DATABASE_ADMIN_URL")):
            env[name] = database_url
        if name.endswith("_DATABASE_PASSWORD"):  # a role's password is the whole server's, and tests share it
            env[name] = ""
    process = await asyncio.create_subprocess_exec(
        *container["entrypoint"],
        *(command or container["command"]),
        cwd=ROOT,
        env={"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONTZPATH": "", **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def _versions(database_url: str) -> dict[str, int]:
    """The newest version of the program `demo` in each service."""
    connection = await asyncpg.connect(database_url)
    try:
        return {
            name: await connection.fetchval(
                f"SELECT coalesce(max(version), 0) FROM {name}.program WHERE program_id = 'demo'"
            )
            for name in SERVICES
        }
    finally:
        await connection.close()


async def test_the_jobs_migrate_and_give_each_service_its_first_program(
    containers: dict[str, Any], fresh_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    url = await fresh_database()
    said = await asyncio.gather(*(_runs(containers[f"{name}-migrate"], url) for name in SERVICES))
    assert all("applied" in each for each in said)
    assert await _versions(url) == dict.fromkeys(SERVICES, 0)

    job = containers["program"]
    await _runs(job, url, "program", "first", str(STARTER))
    assert await _versions(url) == dict.fromkeys(SERVICES, 1)

    changed = tmp_path / "changed.yaml"
    text = STARTER.read_text(encoding="utf-8")
    changed.write_text(text.replace("Corner Records Club", "Another Name"), encoding="utf-8")
    answer = await _runs(job, url, "program", "first", str(changed))
    assert answer.count("it stays as it is") == len(SERVICES)
    assert await _versions(url) == dict.fromkeys(SERVICES, 1)

    await _runs(job, url, "program", "always", str(changed))
    assert await _versions(url) == dict.fromkeys(SERVICES, 2)
