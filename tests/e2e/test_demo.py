"""`make demo` on a small file: everything is accounted for, and nothing is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.support.processes import processes_naming, wait_until

ROOT = Path(__file__).parents[2]
HEADER = "customer_id,date,quantity,amount_usd"
CUSTOMERS, ORDERS = 60, 400


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.local.demo", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Orders of two years, large enough that some members rise, with ids as shops have them."""
    draw, first = Random(3), date(2001, 3, 1)
    lines = [
        f"cust {draw.randrange(CUSTOMERS)} é,{first + timedelta(days=draw.randrange(700))},"
        f"{draw.randint(1, 9)},{draw.randint(0, 20_000) / 100:.2f}"
        for _ in range(ORDERS)
    ]
    path = tmp_path / "a shop's orders.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def test_every_order_of_another_file_is_accounted_for(orders: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = run_demo("--data", str(orders), "--folder", str(folder), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["books_balance"] is True
    assert [check["claim"] for check in told["checks"] if not check["holds"]] == []
    assert told["orders_of_file"] == ORDERS
    assert told["orders"] == ORDERS + told["latency_ms"]["orders"]
    assert told["events_published"] == sum(told["events"].values()) + told["repetitions"]
    assert told["repetitions"] > 0
    assert told["dead_letters"] == 0
    assert sum(told["levels"].values()) == told["members"]
    gains = ("for_orders", "welcome", "shares", "reviews", "levels_reached", "referrals")
    assert told["points"]["issued"] == sum(told["points"][gain] for gain in gains)
    assert told["mails"] > 0
    assert set(told["messages_by_language"]) == {"en", "fr"}
    assert not folder.exists()
    wait_until(lambda: not processes_naming(folder), "nothing is left running")


def test_a_file_that_cannot_be_replayed_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADER}\n1,1997-01-01,1,10.00\n2,1997-13-01,1,10.00\n", encoding="utf-8")
    done = run_demo("--data", str(path), "--folder", str(tmp_path / "demo"))
    assert done.returncode == 2
    assert "orders.csv, line 3: date '1997-13-01' should be a day" in done.stderr
    assert not (tmp_path / "demo").exists()
