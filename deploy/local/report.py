"""What the demo says: its steps while it works, and the results as a table for people or as JSON for scripts.

What a newcomer would get wrong: steps go to standard error, results to standard output, so that `--json` can be piped.
Where no terminal is, nothing moves and nothing is coloured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from deploy.local.audit import Check
from deploy.local.expected import Terms
from deploy.local.figures import Figures
from deploy.local.latency import MEMBERS
from deploy.local.play import Played
from shared.events import CustomerSignedUp, OrderPaid, OrderRefunded, event_type

BAR = 30
WIDTH_OF_FILES = 110  # where no terminal says how wide it is
STEP_WIDTH = 66


@dataclass(frozen=True, slots=True)
class Line:
    """What, how much, and a note; a `part` belongs to the line above."""

    label: str
    number: str = ""
    note: str = ""
    part: bool = False


def console_of(*, stderr: bool) -> Console:
    """The terminal, or a file that wraps nothing."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH_OF_FILES)


class TerminalSteps:
    """Says each step when it is done, with its seconds; on a terminal it also shows the one that runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._text = ""

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """The time that a step takes."""
        began, self._text = time.perf_counter(), text
        shown = Spinner("dots", Text(f" {text}"))
        with Live(shown, console=self._console, transient=True, refresh_per_second=10) as live:
            self._live = live if self._console.is_terminal else None
            yield
        self._live = None
        seconds = Text(f"{time.perf_counter() - began:6.1f} s", style="dim")
        done = Table.grid(padding=(0, 1))
        done.add_column(width=1)
        done.add_column(width=STEP_WIDTH)
        done.add_column(justify="right")
        done.add_row(Text("✓", style="green"), text, seconds)
        self._console.print(done)

    def progress(self, done: int, of: int) -> None:
        """How far the step is: shown as a bar."""
        if self._live is None:
            return
        row = Table.grid(padding=(0, 1))
        counts = Text(f"{done:,} of {of:,}", style="dim")
        bar = ProgressBar(max(of, 1), done, width=BAR, complete_style="green", finished_style="green")
        row.add_row(Spinner("dots", Text(f" {self._text}")), bar, counts)
        self._live.update(row)


def show(played: Played, terms: Terms, name: str, source: str, console: Console) -> None:
    """The results for people."""
    day = f"{played.last_day:%A, %d %B %Y}"
    console.print()
    console.print(
        Text.assemble((name, "bold"), (f"   {source}, moved so that the last order was on {day}", "dim"))
    )
    console.print()
    blocks = (_intake(played), _points(played, terms), _people(played), _speed(played))
    for block in blocks:
        console.print(Padding(_table(block), (0, 0, 1, 2)))
    console.print(_verdict(played.checks))


def summary(played: Played, terms: Terms) -> dict[str, Any]:
    """The results for scripts."""
    figures, speed, found = played.figures, played.speed, played.latency
    return {
        "books_balance": played.balances,
        "orders": figures.orders["ledger"],
        "orders_of_file": played.story.counts[event_type(OrderPaid)],
        "events": dict(played.story.counts),
        "events_published": speed.events,
        "repetitions": played.story.repetitions,
        "members": figures.members,
        "points": {"issued": figures.issued, **_gains(figures, terms), **_places(figures)},
        "levels": dict(figures.levels),
        "referrals": {**figures.referrals, "blocked": figures.attempts_blocked},
        "messages": [
            {"channel": channel, "state": state, "count": count}
            for (channel, state), count in sorted(figures.messages.items())
        ],
        "messages_by_language": dict(figures.languages),
        "mails": played.mails,
        "dead_letters": sum(figures.dead_letters.values()),
        "events_per_second": round(speed.events_per_second, 1),
        "handled_per_second": round(speed.handled_per_second, 1),
        "flow_seconds": round(speed.flow_seconds, 3),
        "due_seconds": round(speed.due_seconds, 3),
        "latency_ms": {
            "orders": found.count,
            "p50": round(found.p50_ms, 2),
            "p99": round(found.p99_ms, 2),
            "worst": round(found.worst_ms, 2),
        },
        "checks": [
            {"claim": check.claim, "holds": check.holds, "against": list(check.against)}
            for check in played.checks
        ],
    }


def _intake(played: Played) -> list[Line]:
    figures, story = played.figures, played.story
    orders = played.expected.orders.values()
    of_file = story.counts[event_type(OrderPaid)]
    given = sum(order.total - order.kept() for order in orders)
    return [
        Line(
            "Orders in",
            f"{figures.orders['ledger']:,}",
            f"${_money(sum(order.total for order in orders))}; {of_file:,} of the file, "
            f"{played.latency.count:,} to measure the latency",
        ),
        Line(
            "refunds", f"{story.counts.get(event_type(OrderRefunded), 0):,}", f"${_money(given)}", part=True
        ),
        Line("repetitions", f"{story.repetitions:,}", "published twice, counted once", part=True),
        Line(
            "Members",
            f"{figures.members:,}",
            f"{story.counts[event_type(CustomerSignedUp)]:,} of the file, {MEMBERS:,} to measure the latency",
        ),
    ]


def _points(played: Played, terms: Terms) -> list[Line]:
    figures = played.figures
    now = ", ".join(f"{points:,} {place}" for place, points in _places(figures).items() if points)
    gains = {
        what: Line(what.replace("_", " "), f"{points:,}", part=True)
        for what, points in _gains(figures, terms).items()
    }
    gains["for_orders"] = replace(
        gains["for_orders"], note="each at the level that was known when it came in"
    )
    return [Line("Points issued", f"{figures.issued:,}", f"now {now}"), *gains.values()]


def _people(played: Played) -> list[Line]:
    figures = played.figures
    levels = played.expected.levels
    states = {**figures.referrals, "blocked (their own code)": figures.attempts_blocked}
    mails = {state: count for (channel, state), count in figures.messages.items() if channel == "email"}
    others = {_MAIL_STATES.get(state, state): count for state, count in mails.items() if state != "sent"}
    return [
        Line("Members per level"),
        *(Line(level, f"{figures.levels.get(level, 0):,}", part=True) for level in levels),
        Line("Referrals", f"{sum(figures.referrals.values()):,}", _listed(states)),
        Line("Messages", f"{sum(figures.messages.values()):,}", _listed(figures.languages)),
        Line("in the app", f"{figures.messages.get(('inbox', 'sent'), 0):,}", part=True),
        Line("by e-mail", f"{mails.get('sent', 0):,}", _listed(others), part=True),
    ]


def _speed(played: Played) -> list[Line]:
    speed, found = played.speed, played.latency
    return [
        Line(
            "Throughput",
            f"{speed.events_per_second:,.0f} /s",
            f"{speed.events:,} events end to end through all services in {speed.flow_seconds:.1f} s",
        ),
        Line(
            "all services together",
            f"{speed.handled_per_second:,.0f} /s",
            "with the events that they tell each other",
            part=True,
        ),
        Line(
            "Latency p50", f"{found.p50_ms:.1f} ms", "from the shop's order to its points on loyalty.points,"
        ),
        Line(
            "p99", f"{found.p99_ms:.1f} ms", f"{found.count} orders one by one, after the replay", part=True
        ),
    ]


_MAIL_STATES = {"suppressed": "too late to mail", "waiting": "wait for the morning"}


def _gains(figures: Figures, terms: Terms) -> dict[str, int]:
    """Points issued, by what they were for."""
    return {
        "for_orders": sum(award.points for award in figures.awards.values()),
        "welcome": figures.gained.get(terms.welcome_rule, 0),
        "shares": figures.gained.get(terms.share_rule, 0),
        "reviews": figures.gained.get(terms.review_rule, 0),
        "levels_reached": figures.gained.get("entry_reward", 0),
        "referrals": figures.gained.get("referral", 0),
    }


def _places(figures: Figures) -> dict[str, int]:
    """Where the points that were issued are now."""
    return {
        place: figures.accounts.get(place, 0)
        for place in ("pending", "available", "held", "redeemed", "reversed", "expired")
    }


def _verdict(checks: Sequence[Check]) -> Group:
    failed = [check for check in checks if not check.holds]
    if not failed:
        how = f"{len(checks)} checks hold; every order was reckoned anew"
        return Group(Text.assemble(("  ✓ ", "green"), ("books balance", "bold"), (f"   {how}", "dim")))
    lines = [Text.assemble(("  ✗ ", "red"), ("books do not balance", "bold"))]
    for check in failed:
        lines.append(Text(f"    not so: {check.claim}"))
        lines += [Text(f"      {reason}") for reason in check.against]
    return Group(*lines)


def _table(lines: Sequence[Line]) -> Table:
    """Labels, aligned numbers, notes."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=24)
    table.add_column(justify="right", width=10)
    table.add_column(style="dim", overflow="fold")
    for line in lines:
        table.add_row(Text(f"  {line.label}" if line.part else line.label), line.number, Text(line.note))
    return table


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()) if count)


def _money(minor: int) -> str:
    return f"{minor // 100:,}.{minor % 100:02}"
