"""What the ledger answers when it is asked: balances, lots, statements, and why an event earned what it earned.

What a newcomer would get wrong: why the *other* rules did not match is not stored. The decision is pure and the order
and the program's version are kept, so it is reckoned again when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from services.ledger.domain.awards import frozen_of
from services.ledger.domain.earned import Answer
from services.ledger.domain.earning import earn
from services.ledger.domain.goal_awards import why_not_counted
from services.ledger.domain.goals import Goal, Part, Progress, have_goals, progress_of
from services.ledger.domain.keeping import kept_of
from services.ledger.domain.orders import facts_of, of_asset, of_kept
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Award, MemberKey, Purchase
from services.ledger.domain.refunds import borne_of
from services.ledger.errors import UnknownDecision, UnknownMember
from services.ledger.schemas.points import AwardOut, CapAnswer, Decision, GoalAnswer, RuleAnswer
from services.ledger.store import Store
from shared.database import AnyConnection
from shared.money import to_decimal_string
from shared.orders import Share, exact, order_of
from shared.programs import BEGINNING_OF_TIME, Programs, Versions
from shared.queries import Queries

Moments = tuple[datetime | None, datetime | None]
"""As of when it had happened, and as of when it was written."""
LotPlace = tuple[str, datetime | None, datetime, int]
"""Where a lot stands in the order of spending: asset, expiry (None: never), opening, number."""
FIRST_LOT: LotPlace = ("", None, BEGINNING_OF_TIME, 0)
"""Before all lots: no asset has an empty name."""


class Reading:
    """The questions that the ledger answers; none of them locks or changes a row."""

    def __init__(self, sql: Queries, store: Store, programs: Programs[LedgerProgram]) -> None:
        self._sql = sql
        self._store = store
        self._programs = programs

    async def balances(
        self, connection: AnyConnection, key: MemberKey, as_of: Moments
    ) -> list[Mapping[str, Any]]:
        """All balances of a member, now or as of a moment.

        Raises:
            UnknownMember: see there.
        """
        if as_of == (None, None):
            rows = await connection.fetch(self._sql.load_balances, [key[0]], [key[1]])
        else:
            rows = await connection.fetch(self._sql.balances_as_of, *key, *as_of)
        if not rows:
            await self._require_member(connection, key)
        return [dict(row) for row in rows]

    async def lots(
        self, connection: AnyConnection, key: MemberKey, after: LotPlace, limit: int
    ) -> list[Mapping[str, Any]]:
        """The lots that still hold something, in spending order, behind the one at `after`.

        Raises:
            UnknownMember: see there.
        """
        rows = await connection.fetch(self._sql.open_lots, *key, *after, limit)
        if not rows:
            await self._require_member(connection, key)
        return [dict(row) for row in rows]

    async def statement(
        self, connection: AnyConnection, key: MemberKey, asset: str, before: int, as_of: Moments, limit: int
    ) -> list[Mapping[str, Any]]:
        """Entries with a version below `before`, newest first.

        Raises:
            UnknownMember: see there.
        """
        rows = await connection.fetch(self._sql.statement, *key, asset, before, *as_of, limit)
        if not rows:
            await self._require_member(connection, key)
        return [dict(row) for row in rows]

    async def budgets(
        self, connection: AnyConnection, program_id: str, after: tuple[str, str], limit: int
    ) -> list[Mapping[str, Any]]:
        """What is given of the budgets behind `after`, by name and bucket.

        Raises:
            UnknownProgram: nobody applied it.
        """
        newest = (await self._programs.one(connection, program_id)).newest.rules
        rows = await connection.fetch(self._sql.budgets_of, program_id, *after, limit)
        return [_budget_row(row, newest) for row in rows]

    async def waiting(
        self, connection: AnyConnection, program_id: str, after: tuple[datetime, str, str, str], limit: int
    ) -> list[Mapping[str, Any]]:
        """What came before its order or review, behind `after`: by first sight, what it waits for, member and id.

        Raises:
            UnknownProgram: nobody applied it.
        """
        await self._programs.one(connection, program_id)
        rows = await connection.fetch(self._sql.waiting, program_id, *after, limit)
        return [dict(row) for row in rows]

    async def decision(self, connection: AnyConnection, key: MemberKey, event_id: str) -> Decision:
        """What an event earned, and what every rule said; of a refund or an edit, what its order earned and holds.

        Raises:
            UnknownDecision: no rule was asked about it, or it has not arrived.
        """
        awards = await self._store.awards_of_cause(connection, key, event_id)
        order_id = next((award.order_id for award in awards if award.order_id is not None), None)
        if order_id is None:  # a program may have goals alone
            order_id = await self._store.order_of_goals(connection, key, event_id)
        purchase = None
        if order_id is not None:
            purchase = await self._store.purchase(connection, key, order_id)
        happened_at = awards[0].happened_at if awards else purchase.paid_at if purchase else None
        if happened_at is None:
            raise UnknownDecision(
                f"event {event_id!r} earned member {key[1]!r} nothing, and no rule was asked"
            )
        versions = await self._programs.one(connection, key[0])
        return Decision(
            event_id=event_id,
            member_id=key[1],
            happened_at=happened_at,
            awards=[explained(award, purchase, versions) for award in awards],
            goals=await self._goals(connection, purchase, versions),
        )

    async def _goals(
        self, connection: AnyConnection, purchase: Purchase | None, versions: Versions[LedgerProgram]
    ) -> list[GoalAnswer]:
        if purchase is None or not have_goals(versions):
            return []
        parts = await self._store.periods(connection, purchase, versions)
        return goals_of_book(parts, purchase, versions)

    async def _require_member(self, connection: AnyConnection, key: MemberKey) -> None:
        if not await connection.fetchval(self._sql.member_exists, *key):
            raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")


def _budget_row(row: Any, newest: LedgerProgram) -> Mapping[str, Any]:
    kind, _, name = row["budget"].partition(":")
    counts, _, period = row["bucket"].partition(":")
    asset = name if kind == "asset" else newest.asset_of(name)
    if kind == "partner":
        asset = newest.partners[name].asset if name in newest.partners else None
    used, left = (decimal(Fraction(sum(exact(part) for part in row[column]))) for column in ("used", "rest"))
    named = {
        "rule": name if kind == "rule" else None,
        "partner": name if kind == "partner" else None,
        "asset": asset,
        "counts": counts,
        "period": period,
    }
    return {**row, **named, "used": used, "left": left}


def goals_of_book(
    parts: list[Part], purchase: Purchase, versions: Versions[LedgerProgram]
) -> list[GoalAnswer]:
    """How far the goals are that an order counts towards; `parts` is all that counts in its periods."""
    found = []
    for part in parts:
        program = versions.numbered(part.program_version).rules
        goal = program.goal(part.rule)
        if part.order_id == purchase.order_id and goal is not None:
            why_not = why_not_counted(goal, part, purchase, program)
            progress = progress_of(parts, goal, part, _goal_at(versions, part.rule), why_not)
            found.append(_goal_answer(progress))
    return found


def explained(award: Award, purchase: Purchase | None, versions: Versions[LedgerProgram]) -> AwardOut:
    """An award with what every rule said; `purchase` is the order that it is of."""
    breakdown = award.breakdown
    return AwardOut(
        award_id=award.award_id,
        asset=award.asset,
        points=award.points,
        reversed=award.reversed,
        expired=max(0, award.written_off - borne_of(award)),
        borne=borne_of(award),
        state=award.state,
        due_at=award.due_at,
        program_version=award.program_version,
        by_line=breakdown.get("lines", []),
        bonus=breakdown.get("bonus", 0),
        earn_times=decimal(Fraction(breakdown.get("earn_times", "1"))),
        rules=_rules(award, purchase, versions),
        caps=[_cap_answer(*cut) for cut in breakdown.get("cuts", [])],
    )


def _rules(award: Award, purchase: Purchase | None, versions: Versions[LedgerProgram]) -> list[RuleAnswer]:
    """For an order reckoned again, also for what is kept of it; for another event as it was stored."""
    breakdown = award.breakdown
    if award.order_id is None or purchase is None or purchase.paid is None:
        matched = [Answer(rule, points, unit) for rule, points, unit in breakdown.get("rules", [])]
        others = [Answer(rule, why_not=why) for rule, why in breakdown.get("why_not", [])]
        return [_rule_answer(answer) for answer in matched + others]
    program = versions.numbered(award.program_version).rules
    order = order_of(purchase.paid, program.currency, purchase.removed_lines)
    facts, frozen = facts_of(program, purchase, order, breakdown), frozen_of(breakdown)
    answers = of_asset(earn(program, facts, frozen, explain=True), award.asset).answers
    kept = kept_of(purchase, order)
    if kept is None:
        return [_rule_answer(answer) for answer in answers]
    now = (
        of_asset(earn(program, of_kept(facts, kept), frozen), award.asset).answers if any(kept.shares) else ()
    )
    left = {answer.rule: answer.exact for answer in now}
    return [_rule_answer(answer, left.get(answer.rule, Fraction(0))) for answer in answers]


def _goal_at(versions: Versions[LedgerProgram], rule: str) -> Callable[[int], Goal | None]:
    return lambda number: versions.numbered(number).rules.goal(rule)


def _goal_answer(progress: Progress) -> GoalAnswer:
    goal = progress.goal
    return GoalAnswer(
        rule=goal.name,
        period=progress.period,
        matched=progress.why_not is None,
        why_not=progress.why_not,
        counted=_money(progress.counted, goal.currency),
        spent=_money(progress.spent, goal.currency),
        asked=_money(goal.spend_minor, goal.currency),
        times=progress.steps,
    )


def _money(minor: Share, currency: str) -> str:
    return f"{to_decimal_string(int(minor), currency)} {currency}"


def _rule_answer(answer: Answer, left: Fraction | None = None) -> RuleAnswer:
    return RuleAnswer(
        rule=answer.rule,
        matched=answer.why_not is None,
        points=decimal(answer.exact),
        why_not=answer.why_not,
        left=None if left is None else decimal(left),
    )


def _cap_answer(rule: str, cap: str, used: str | None, wanted: str, room: str) -> CapAnswer:
    return CapAnswer(
        rule=rule or None,
        cap=cap,
        used=None if used is None else decimal(Fraction(used)),
        wanted=decimal(Fraction(wanted)),
        room=decimal(Fraction(room)),
    )


def decimal(points: Fraction) -> str:
    """Exact where it can be written down, else as a fraction."""
    if points.denominator == 1:
        return str(points.numerator)
    millionths = points * 10**6
    if millionths.denominator == 1:
        whole, rest = divmod(millionths.numerator, 10**6)
        return f"{whole}.{rest:06}".rstrip("0")
    return str(points)
