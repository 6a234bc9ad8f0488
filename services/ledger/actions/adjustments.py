"""What people do to balances by hand: adjust, and where the program asks for a second person, approve or reject."""

from __future__ import annotations

from datetime import datetime

from services.ledger.actions import Actions
from services.ledger.domain.adjusting import (
    APPLIED,
    PROPOSED,
    REJECTED,
    Adjustment,
    adjust,
    needs_second,
    require_known,
)
from services.ledger.errors import (
    AdjustmentConflict,
    AdjustmentDecided,
    OwnAdjustment,
    UnknownAdjustment,
)
from services.ledger.store import adjustments
from shared.database import AnyConnection
from shared.rows import replace


async def adjust_by_hand(
    actions: Actions, connection: AnyConnection, wanted: Adjustment, now: datetime
) -> Adjustment:
    """Adjust at once, or keep a proposal where the program asks for a second person; the same id again is the same.

    Raises:
        UnknownMember, MemberErased, UnknownAsset, NotReversible, AdjustmentConflict: see there.
    """
    key = (wanted.program_id, wanted.member_id)
    async with actions.command(connection, key, now) as book:
        before = await adjustments.read(connection, actions.sql, wanted.program_id, wanted.adjustment_id)
        if before is not None:
            return _same(before, wanted)
        program = book.versions_of(wanted.program_id).at(now).rules
        require_known(book, key, program, wanted.asset)
        made = wanted
        if not needs_second(program, wanted.asset, wanted.points):
            moved = adjust(
                book,
                key,
                name=wanted.adjustment_id,
                asset=wanted.asset,
                points=wanted.points,
                reason=wanted.reason,
                at=now,
            )
            made = replace(wanted, state=APPLIED, moved=moved)
        if not await adjustments.add(connection, actions.sql, made):
            raise AdjustmentConflict(f"another member has an adjustment {wanted.adjustment_id!r}")
    return made


async def approve(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    name: str,
    *,
    by: str,
    reason: str | None,
    now: datetime,
) -> Adjustment:
    """Another person agrees: what was proposed happens now.

    Raises:
        UnknownAdjustment, AdjustmentDecided, OwnAdjustment, MemberErased, UnknownAsset, NotReversible: see there.
    """
    seen = await _proposed(actions, connection, program_id, name, by)
    key = (program_id, seen.member_id)
    async with actions.command(connection, key, now) as book:
        found = await _proposed(actions, connection, program_id, name, by, locking=True)
        moved = adjust(
            book, key, name=name, asset=found.asset, points=found.points, reason=found.reason, at=now
        )
        made = replace(
            found, state=APPLIED, moved=moved, decided_by=by, decided_at=now, decision_reason=reason
        )
        await adjustments.decide(connection, actions.sql, made)
    return made


async def reject(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    name: str,
    *,
    by: str,
    reason: str | None,
    now: datetime,
) -> Adjustment:
    """Another person does not agree: nothing moves.

    Raises:
        UnknownAdjustment, AdjustmentDecided, OwnAdjustment: see there.
    """
    found = await _proposed(actions, connection, program_id, name, by, locking=True)
    made = replace(found, state=REJECTED, decided_by=by, decided_at=now, decision_reason=reason)
    await adjustments.decide(connection, actions.sql, made)
    return made


async def listed(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    *,
    after: str,
    state: str | None,
    member_id: str | None,
    limit: int,
) -> list[Adjustment]:
    """Those behind `after`, by id; of a state, of a member and whoever was merged into them."""
    return await adjustments.listed(
        connection, actions.sql, program_id, after=after, state=state, member_id=member_id, limit=limit
    )


async def _proposed(
    actions: Actions, connection: AnyConnection, program_id: str, name: str, by: str, *, locking: bool = False
) -> Adjustment:
    found = await adjustments.read(connection, actions.sql, program_id, name, locking=locking)
    if found is None:
        raise UnknownAdjustment(f"there is no adjustment {name!r}")
    if found.state != PROPOSED:
        raise AdjustmentDecided(f"adjustment {name!r} is {found.state} already")
    if found.proposed_by == by:
        raise OwnAdjustment(f"{by!r} proposed it; somebody else has to look at it")
    return found


def _same(before: Adjustment, wanted: Adjustment) -> Adjustment:
    """The one that is there, where it says the same."""
    asked = ("member_id", "asset", "points", "reason")
    if any(getattr(before, each) != getattr(wanted, each) for each in asked):
        raise AdjustmentConflict(f"there is an adjustment {wanted.adjustment_id!r} with other content")
    return before
