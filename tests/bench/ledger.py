"""The figures of the ledger, as ratios taken in one run on one machine: `make bench-ledger`.

`python -m tests.bench.ledger [--events N] [--rounds N] [--members N] [--only PART]` prints a table and writes
`.local/bench/ledger.json`. The parts:

- `worker`: the command `worker` (a process for each core, relay and jobs included) on a topic that is filled
  already, all checks on, against the same
  SQL looped over one connection, already decided; against itself one by one; against a bare consumer; against the same
  events once more (duplicates); against events of which one member has a half. A member's events are one partition's
  and so one lane's: what a hot member costs is told by one lane alone, and what all lanes make of it beside that, since
  most of them have nothing to do then.
- `cost`: CPU seconds per million events of worker, Postgres and Kafka, and the three dearest places.
- `spending`: the spend endpoint against a POST with the same body that does nothing, and one hot member against many.
- `books`: questions on a book of a million members and 20 million transfers against one of 10,000 members, over HTTP
  (what is asked for) and in the database alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from deploy.local.stack import EmbeddedStack
from shared.running import calm_garbage_collector
from tests.bench import books, cost, spending
from tests.bench.ground import Bench, fill, make_template, orders
from tests.bench.programs import TWENTY_RULES
from tests.bench.throughput import ONE_BY_ONE, ONE_LANE, bare_consumer, sql_loop, worker

ONE_BY_ONE_SHARE = 20  # a twentieth of the events is enough for the slow one
PROFILED_EVENTS = 10_000
PARTS = ("worker", "cost", "spending", "books")
RESULT = Path(".local/bench/ledger.json")
ASKED = {
    "worker_per_sql_loop": (0.7, "at least"),
    "worker_per_one_by_one": (25.0, "at least"),
    "duplicates_per_worker": (4.0, "at least"),
    "hot_lane_per_lane": (0.8, "at least"),
    "spend_per_noop": (0.5, "at least"),
    "hot_spend_per_spend": (0.8, "at least"),
    "large_book_ratio": (1.3, "at most"),
}


async def run(stack: EmbeddedStack, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of the parts that are asked for."""
    await make_template(stack)
    await fill(stack, orders(options.events))
    bare, records = await bare_consumer(stack, options.events)
    bench = Bench(stack, records)
    parts = [options.only] if options.only else PARTS
    result: dict[str, Any] = {"events": options.events, "rules": len(TWENTY_RULES["ledger"]["earn"])}
    if "worker" in parts:
        result |= await worker_figures(bench, options, bare)
    if "cost" in parts:
        result |= await cost_figures(bench)
    if "spending" in parts:
        result |= await spending.compare(bench)
    if "books" in parts:
        result["books"] = await books.compare(bench, options.members)
        result["large_book_ratio"] = result["books"]["large_book_ratio"]
    return result


async def worker_figures(bench: Bench, options: argparse.Namespace, bare: float) -> dict[str, Any]:
    """The worker and the loop are measured in turn; the median of each is told, and that of their ratios."""
    runs, loops = [], []
    for number in range(options.rounds):
        runs.append(await worker(bench, f"worker{number}", until=options.events, twice=True))
        loops.append(await sql_loop(bench, f"loop{number}"))
    few = max(options.events // ONE_BY_ONE_SHARE, 1)
    slow = (await worker(bench, "one_by_one", shape=ONE_BY_ONE, until=few)).effects
    fast = statistics.median(run.effects for run in runs)
    hot = await hot_member(bench, options)
    ratios = [run.effects / loop for run, loop in zip(runs, loops, strict=True)]
    return {
        "worker_events_per_s": round(fast),
        "published_events_per_s": round(statistics.median(run.published for run in runs)),
        "sql_loop_events_per_s": round(statistics.median(loops)),
        "one_by_one_events_per_s": round(slow),
        "bare_consumer_events_per_s": round(bare),
        "duplicates_events_per_s": round(statistics.median(run.duplicates for run in runs)),
        "worker_per_sql_loop": round(statistics.median(ratios), 2),
        "worker_per_one_by_one": round(fast / slow, 1),
        "worker_per_bare_consumer": round(fast / bare, 2),
        "duplicates_per_worker": round(statistics.median(run.duplicates / run.effects for run in runs), 1),
        "hot_member_per_worker": round(hot["hot_member_events_per_s"] / fast, 2),
        **hot,
    }


async def hot_member(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """Where every other order is one member's: all lanes, and one lane in turn with one of uniform orders.

    On servers of their own, for a topic of their own.
    """
    events = options.events // 2
    with EmbeddedStack() as stack:
        await make_template(stack)
        await fill(stack, orders(events, hot=True))
        _, records = await bare_consumer(stack, events)
        hot = Bench(stack, records)
        whole = (await worker(hot, "hot", until=events)).effects
        lanes = [
            [
                (await worker(each, f"lane{number}", shape=ONE_LANE, until=events)).effects
                for each in (hot, bench)
            ]
            for number in range(options.rounds)
        ]
    return {
        "hot_member_events_per_s": round(whole),
        "hot_lane_events_per_s": round(statistics.median(of_hot for of_hot, _ in lanes)),
        "lane_events_per_s": round(statistics.median(uniform for _, uniform in lanes)),
        "hot_lane_per_lane": round(statistics.median(of_hot / uniform for of_hot, uniform in lanes), 2),
    }


async def cost_figures(bench: Bench) -> dict[str, Any]:
    """Who uses how much CPU for a million events, and where in the worker."""
    run = await worker(bench, "cost", until=len(bench.records))
    return {
        "cpu_seconds_per_million": dict(run.cpu),
        "dearest": await cost.dearest(bench, PROFILED_EVENTS),
    }


def show(result: dict[str, Any]) -> None:
    """The figures as a table, with what is asked for."""
    table = Table(title=f"ledger, {result['events']:,} orders, {result['rules']} rules", title_justify="left")
    for column in ("figure", "events/s", "ratio", "asked for"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    if "worker_events_per_s" in result:
        _worker_rows(table, result)
    if "spends_per_s" in result:
        _spending_rows(table, result, "", spending.CLIENTS)
        _spending_rows(table, result, "few_clients_", spending.FEW_CLIENTS)
    if table.row_count:
        Console().print(table)
    if "cpu_seconds_per_million" in result:
        _show_cost(result)
    if "books" in result:
        _show_books(result)


def _worker_rows(table: Table, result: dict[str, Any]) -> None:
    table.add_row("worker", f"{result['worker_events_per_s']:,}", "", "")
    published = f"{result['published_events_per_s']:,}"
    table.add_row("  and everything it announces is published", published, "", "")
    for label, rate, ratio in (
        ("the same SQL looped", "sql_loop_events_per_s", "worker_per_sql_loop"),
        ("one by one", "one_by_one_events_per_s", "worker_per_one_by_one"),
        ("bare consumer", "bare_consumer_events_per_s", "worker_per_bare_consumer"),
        ("the same events again", "duplicates_events_per_s", "duplicates_per_worker"),
        ("every other order one member's", "hot_member_events_per_s", "hot_member_per_worker"),
    ):
        _row(table, result, label, rate, ratio)
    table.add_row("one lane alone", f"{result['lane_events_per_s']:,}", "", "")
    _row(table, result, "  every other order one member's", "hot_lane_events_per_s", "hot_lane_per_lane")


def _spending_rows(table: Table, result: dict[str, Any], part: str, clients: int) -> None:
    rate = f"{result[f'{part}noop_posts_per_s']:,}"
    table.add_row(f"a POST that does nothing, {clients} clients", rate, "", "")
    _row(table, result, "  spend", f"{part}spends_per_s", f"{part}spend_per_noop")
    _row(table, result, "  spend, all of one member", f"{part}hot_spends_per_s", f"{part}hot_spend_per_spend")


def _row(table: Table, result: dict[str, Any], label: str, rate: str, ratio: str) -> None:
    least, sense = ASKED.get(ratio, (None, ""))
    asked = f"{sense} {least:g}" if least is not None else ""
    table.add_row(label, f"{result[rate]:,}", f"{result[ratio]:g} ×", asked)


def _show_cost(result: dict[str, Any]) -> None:
    table = Table(title="CPU seconds per million events", title_justify="left")
    for name in result["cpu_seconds_per_million"]:
        table.add_column(name, justify="right")
    table.add_row(*[f"{seconds:g}" for seconds in result["cpu_seconds_per_million"].values()])
    Console().print(table)
    for number, each in enumerate(result["dearest"], 1):
        Console().print(f"{number}. {each['place']}: {each['share']:.0%} of the worker's own code")


def _show_books(result: dict[str, Any]) -> None:
    found = result["books"]
    title = f"a book of {found['members']:,} members and {found['transfers']:,} transfers"
    table = Table(title=title, title_justify="left")
    columns = ("milliseconds", "10,000 members", f"{found['members']:,} members", "ratio", "asked for")
    for column in columns:
        table.add_column(column, justify="left" if column == "milliseconds" else "right")
    for part, where, asked in (
        ("questions", "over HTTP", "at most 1.3"),
        ("in_the_database", "in the database alone", ""),
    ):
        table.add_row(where, style="bold")
        for name, each in found[part].items():
            figures = (f"{each['small_ms']:g}", f"{each['large_ms']:g}", f"{each['ratio']:g} ×")
            table.add_row(f"  {name}", *figures, asked)
        table.add_section()
    Console().print(table)
    Console().print(
        f"verify: {found['verify_seconds']:g} s, while {found['events_beside_verify']:,} orders came in"
    )


def is_enough(result: dict[str, Any]) -> bool:
    """Whether every figure that was taken reaches what is asked for."""
    return all(
        result[name] >= bound if sense == "at least" else result[name] <= bound
        for name, (bound, sense) in ASKED.items()
        if name in result
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write; 1 where less than asked for was reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--members", type=int, default=1_000_000, help="of the large book")
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args(arguments)
    calm_garbage_collector()  # as a service does when it starts
    with EmbeddedStack() as stack:
        result = uvloop.run(run(stack, options))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    show(result)
    return 0 if is_enough(result) else 1


if __name__ == "__main__":
    sys.exit(main())
