"""`make up` and `make down`: what the printed lines promise works, and data outlive the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.process import is_alive, living_pid
from deploy.local.stack import EmbeddedStack
from deploy.local.up import read_env
from tests.support.processes import processes_naming, wait_until

ROOT = Path(__file__).parents[2]
NAMES = [
    "DATABASE_URL",
    "KAFKA_BOOTSTRAP",
    "LEDGER_URL",
    "TIERS_URL",
    "REFERRALS_URL",
    "NOTIFIER_URL",
    "GATEWAY_URL",
    "MAIL_URL",
    "TOKEN",
]


def run(verb: str, folder: Path) -> str:
    command = [sys.executable, "-m", "deploy.local", verb, "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("local")
    try:
        run("up", folder)
        yield folder
    finally:
        run("down", folder)
        EmbeddedStack(folder / "stack").recall().remove()


def a_client(local: Path) -> httpx.Client:
    token = read_env(local / "env")["TOKEN"]
    return httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)


def an_order(number: int, customer: str = "ada") -> dict[str, str]:
    return {
        "id": f"try-{number}",
        "type": "order.paid.v1",
        "customer_id": customer,
        "order_id": str(number),
        "total": "42.00",
    }


def pending_of(client: httpx.Client, local: Path, customer: str = "ada") -> int | None:
    address = f"{read_env(local / 'env')['LEDGER_URL']}/v1/members/{customer}/balances"
    answer = client.get(address)
    if answer.status_code == 404:
        return None
    found = {each["asset"]: each["pending"] for each in answer.json()["balances"]}
    return found.get("points")


def test_the_addresses_stand_in_a_file_that_only_the_owner_reads(local: Path) -> None:
    assert list(read_env(local / "env")) == NAMES
    assert (local / "env").stat().st_mode & 0o777 == 0o600


def test_an_order_that_is_posted_earns_once_however_often_it_is_sent(local: Path) -> None:
    env = read_env(local / "env")
    with a_client(local) as client:
        for _ in range(3):
            answer = client.post(f"{env['GATEWAY_URL']}/events", json=an_order(1))
            assert answer.status_code == 202, answer.text
            assert (answer.json()["id"], answer.json()["topic"]) == ("try-1", "shop.orders")
        client.post(f"{env['GATEWAY_URL']}/v1/events", json=an_order(2)).raise_for_status()
        wait_until(lambda: pending_of(client, local) == 84, "both orders earn, each once")


def test_a_cloud_event_is_taken_as_it_is(local: Path) -> None:
    env = read_env(local / "env")
    order = an_order(10, "bela")
    event = {
        "specversion": "1.0",
        "id": order.pop("id"),
        "type": order.pop("type"),
        "source": "shop/test",
        "data": order,
    }
    with a_client(local) as client:
        client.post(f"{env['GATEWAY_URL']}/events", json=event).raise_for_status()
        wait_until(lambda: pending_of(client, local, "bela") == 42, "it earns")


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        ({"id": "1", "type": "order.paid.v1", "customer_id": "ada"}, 422, "invalid_event_data"),
        ({"id": "1", "type": "order.eaten.v1"}, 422, "unknown_event_type"),
        (
            {"id": "1", "type": "customer.signed_up.v1", "customer_id": "ada", "programid": "other"},
            403,
            "other_program",
        ),
    ],
)
def test_what_the_contract_refuses_is_not_published(
    local: Path, event: dict[str, str], status: int, code: str
) -> None:
    env = read_env(local / "env")
    with a_client(local) as client:
        answer = client.post(f"{env['GATEWAY_URL']}/events", json=event)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_without_a_token_nothing_is_published(local: Path) -> None:
    env = read_env(local / "env")
    assert httpx.post(f"{env['GATEWAY_URL']}/events", json=an_order(99)).status_code == 401


def test_every_door_shows_its_documentation(local: Path) -> None:
    env = read_env(local / "env")
    for name in ("LEDGER_URL", "TIERS_URL", "REFERRALS_URL", "NOTIFIER_URL", "GATEWAY_URL"):
        assert httpx.get(f"{env[name]}/docs").status_code == 200
    assert httpx.get(env["MAIL_URL"]).status_code == 200


def test_a_second_up_changes_nothing_and_says_the_same(local: Path) -> None:
    before = read_env(local / "env")
    pids = processes_naming(local)
    said = run("up", local)
    assert said.startswith("Habitué is up already.")
    assert before["TOKEN"] in said
    assert read_env(local / "env") == before
    assert processes_naming(local).keys() == pids.keys()


def test_a_killed_service_comes_back(local: Path) -> None:
    home = local.resolve() / "services" / "ledger"
    pid = living_pid(home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: living_pid(home) not in (None, pid), "it is started again")
    with a_client(local) as client:
        address = f"{read_env(local / 'env')['LEDGER_URL']}/readyz"

        def answers() -> bool:
            try:
                return client.get(address).status_code == 200
            except httpx.TransportError:
                return False

        wait_until(answers, "it answers at the same address")


def test_down_ends_every_process_and_data_outlive_it(local: Path) -> None:
    env = read_env(local / "env")
    with a_client(local) as client:
        client.post(f"{env['GATEWAY_URL']}/events", json=an_order(20, "chloe")).raise_for_status()
        wait_until(lambda: pending_of(client, local, "chloe") == 42, "the order earns")
        pids = list(processes_naming(local))
        run("down", local)
        assert not any(is_alive(pid) for pid in pids)
        assert not (local / "env").exists()
        run("up", local)
        assert read_env(local / "env")["LEDGER_URL"] == env["LEDGER_URL"]
        assert pending_of(client, local, "chloe") == 42
