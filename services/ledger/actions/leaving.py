"""Members who leave: everything told, everything erased."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.ledger.actions import Actions
from services.ledger.domain.book import Book
from services.ledger.domain.erasure import ERASURE, erase
from services.ledger.domain.holds import OPEN
from services.ledger.domain.issued import ISSUED, ShelfNeeds
from services.ledger.domain.records import EXPIRED, MemberKey
from services.ledger.errors import UnknownMember
from services.ledger.store.merging import aliases_of
from shared.database import AnyConnection

PERSONAL = ("birthday", "time_zone", "first_paid_at", "segments", "celebrated")


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased of a member; `expired` by asset."""

    erased_at: datetime
    expired: dict[str, int]
    holds_released: int
    rewards_voided: int
    awards_cancelled: int
    facts_forgotten: tuple[str, ...]


async def erase_member(
    actions: Actions, connection: AnyConnection, key: MemberKey, *, reason: str, by: str, now: datetime
) -> Erasure:
    """Erase a member, and keep who asked for it and why. From now on nothing is booked for them.

    Raises:
        UnknownMember, MemberErased: see there.
    """
    async with actions.command(connection, key, now, shelf=ShelfNeeds(), returning=[key]) as book:
        found = _what_goes(book, key, now)
        erase(book, key, cause=f"erasure:{by}", at=now)
        found = replace(found, expired=_expired(book, key))
    report = {"expired": found.expired, "holds_released": found.holds_released}
    report |= {"rewards_voided": found.rewards_voided, "awards_cancelled": found.awards_cancelled}
    report["facts_forgotten"] = list(found.facts_forgotten)
    await connection.execute(actions.sql.insert_erasure, *key, reason, by, now, json.dumps(report))
    return found


def _what_goes(book: Book, key: MemberKey, now: datetime) -> Erasure:
    person = book.person(key)
    return Erasure(
        now,
        {},
        sum(hold.state == OPEN for hold in book.holds.of(key).values()),
        sum(reward.state == ISSUED for reward in book.shelf.rewards.of(key).values()),
        sum(award.due_at is not None for award in book.awards.of(key).values()),
        tuple(name for name in PERSONAL if getattr(person, name)),
    )


def _expired(book: Book, key: MemberKey) -> dict[str, int]:
    """What the member had of each asset in the end; below 0 what they owed."""
    found: Counter[str] = Counter()
    for each in book.transfers:
        if each.kind == ERASURE and (each.program_id, each.member_id) == key:
            found[each.asset] += each.amount if each.to_account == EXPIRED else -each.amount
    return {asset: points for asset, points in found.items() if points}


async def everything_about(
    actions: Actions, connection: AnyConnection, key: MemberKey
) -> dict[str, list[dict[str, Any]]]:
    """All rows about a member, and about those who were merged into them, by table.

    Raises:
        UnknownMember: see there.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in [key, *sorted(await aliases_of(connection, actions.sql, key))]:
        for row in await connection.fetch(actions.sql.export_member, *each):
            found[row["part"]].append(json.loads(row["entry"]))
    if not found:
        raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")
    return dict(found)
