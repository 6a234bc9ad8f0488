"""A new expiry policy moves existing expiries only later, at the moment from which its version of the program holds.

Examples, a lot opened on 10 January 2026, a new version on 1 July 2026: from `never` to `12 months` it lives until the
end of 1 July 2027: what never expired counts from the switch. From 12 to 24 months it lives until 10 January 2028. From
12 to 6 months nothing changes. To `never` it lives for ever.

What a newcomer would get wrong: this too falls due (`settling`), at the version's own moment and first of all, so that
nothing expires by a policy that does not hold any more. A member's row says up to which version its lots have followed;
a lot that is opened late, as of before a switch, follows it at once. A program that never switches pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from services.ledger.domain.activity import live_on, living_lots
from services.ledger.domain.book import Book
from services.ledger.domain.expiring import without_past
from services.ledger.domain.expiry import expiry_of
from services.ledger.domain.program import LedgerProgram, PointsPolicy
from services.ledger.domain.records import Lot, MemberKey
from shared.programs import Versions
from shared.rows import Row, replace


class Switch(Row, frozen=True, gc=False):
    """At this moment a version came into force whose points live otherwise than those of the version before it."""

    at: datetime
    version: int


def switches_of(versions: Versions[LedgerProgram]) -> tuple[Switch, ...]:
    """The versions that let something live otherwise than the version before, in their order."""
    pairs = zip(versions.all, versions.all[1:], strict=False)
    return tuple(
        Switch(new.since, new.number) for old, new in pairs if _lives(old.rules) != _lives(new.rules)
    )


def next_switch(book: Book, key: MemberKey) -> Iterator[Switch]:
    """The switch that the member's lots follow next, if there is one and they are all in memory."""
    if key in book.detailed:
        yield from unfollowed(book, key)


def unfollowed(book: Book, key: MemberKey) -> Iterator[Switch]:
    """The first switch that the member's lots have not followed, if there is one."""
    switches = switches_in(book, key[0])
    if switches:
        followed = book.member(key).lots_version
        yield from [switch for switch in switches if switch.version > followed][:1]


def switches_in(book: Book, program_id: str) -> tuple[Switch, ...]:
    """The switches of a program, reckoned once a book."""
    found = book.switches.get(program_id)
    if found is None:
        found = book.switches[program_id] = switches_of(book.versions_of(program_id))
    return found


def follow_switch(book: Book, key: MemberKey, switch: Switch) -> None:
    """Let all lots that were opened before live as the new version lets them, where that is longer; held parts too."""
    for lot in living_lots(book, key):
        moved = moved_by(book, lot, switch)
        if moved is not lot:
            live_on(book, moved)
    book.members.put(key, "", replace(book.member(key), lots_version=switch.version))


def follow_late(book: Book, key: MemberKey, lot: Lot) -> Lot:
    """A lot that is opened as of before a switch lives as if it had been there at it."""
    for switch in switches_in(book, key[0]):
        if lot.expires_at is None or switch.at < lot.expires_at:
            lot = moved_by(book, lot, switch)
    return lot


def moved_by(book: Book, lot: Lot, switch: Switch) -> Lot:
    """The lot as it lives from the switch on; the same one where nothing changes."""
    if lot.opened_at >= switch.at:
        return lot
    versions = book.versions_of(lot.program_id)
    before, policy = (
        versions.numbered(number).rules.policy_for(lot.asset)
        for number in (switch.version - 1, switch.version)
    )
    if _life(before) == _life(policy):
        return lot
    until = _until(policy, lot, switch.at)
    if until == lot.expires_at:
        return lot
    return without_past(book, replace(lot, expires_at=until), switch.at)


def _until(policy: PointsPolicy, lot: Lot, since: datetime) -> datetime | None:
    if lot.expires_at is None:
        return expiry_of(policy, since)
    as_new = expiry_of(policy, lot.opened_at)
    return None if as_new is None else max(lot.expires_at, as_new)


def _lives(program: LedgerProgram) -> tuple[object, ...]:
    """How everything lives under a version, to be compared."""
    others = {asset: _life(policy) for asset, policy in program.policies.items()}
    return (_life(program.points), others)


def _life(policy: PointsPolicy) -> tuple[object, ...]:
    rounded = (policy.expiry_rounded_to, policy.by_activity) if policy.expire_months is not None else ()
    least = policy.least_days if policy.expire_on is not None else 0
    return (policy.expire_months, policy.expire_on, *rounded, least)


def expiry_when_opened(
    book: Book, program_id: str, program: LedgerProgram, asset: str, at: datetime
) -> datetime | None:
    """When points expire that become available at `at`, of an award made under `program`, perhaps an older version.

    As of a lot that was there at a switch: by the version of this moment where that is longer, or where they would
    never have expired.
    """
    found = expiry_of(program.policy_for(asset), at)
    if not switches_in(book, program_id):
        return found
    as_new = expiry_of(book.versions_of(program_id).at(at).rules.policy_for(asset), at)
    if found is None or as_new is None:
        return as_new
    return max(found, as_new)


def catch_up(book: Book, key: MemberKey, now: datetime) -> None:
    """Follow all switches up to now: what is opened with a date of before is not theirs to move."""
    for switch in switches_in(book, key[0]):
        if book.member(key).lots_version < switch.version and switch.at <= now:
            follow_switch(book, key, switch)
