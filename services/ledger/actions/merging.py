"""Two members turn out to be one person: one is merged into the other.

What a newcomer would get wrong: both are settled under their own ids first, in the same transaction. What falls due
later falls due for the survivor.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.ledger.actions import Actions
from services.ledger.domain.book import Book
from services.ledger.domain.joined_goals import Period, hold_joined, join_reached
from services.ledger.domain.joining import Place, leave_merged, take_place
from services.ledger.domain.merging import Merged, merge
from services.ledger.domain.needs import Needs
from services.ledger.domain.records import MemberKey
from services.ledger.errors import (
    AlreadyMerged,
    MemberErased,
    MergedMeanwhile,
    SameMember,
    UnknownMember,
    merged_into,
)
from services.ledger.store import merging
from shared.database import AnyConnection

MERGES_SHOWN = 100


async def merge_members(actions: Actions, connection: AnyConnection, wanted: Merged) -> Merged:
    """Merge a member into the survivor; done once, it is done. All rows are locked in key order.

    Raises:
        SameMember: the two are one already by their ids.
        UnknownMember, MemberErased, MemberMerged: see there.
        AlreadyMerged: into somebody else.
        MergedMeanwhile: somebody was merged into the other one just now; try again.
    """
    survivor, other = (wanted.program_id, wanted.survivor_id), (wanted.program_id, wanted.member_id)
    if survivor == other:
        raise SameMember(f"{other[1]!r} is the member into whom to merge")
    known = await actions.store.known_members(connection, {survivor, other})
    for key in (survivor, other):
        if key not in known:
            raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")
    aliases = await merging.aliases_of(connection, actions.sql, other)
    book = await _lock(actions, connection, wanted, {survivor, other, *aliases})
    if (before := _merged_before(book, survivor, other)) is not None:
        return await merging.read(connection, actions.sql, before) or wanted
    if await merging.aliases_of(connection, actions.sql, other) != aliases:
        raise MergedMeanwhile(f"somebody was merged into {other[1]!r} just now; try again")
    place = leave_merged(book, survivor, other, wanted.merged_at)
    await actions.finish(connection, book)
    return await _join(actions, connection, wanted, aliases, place)


async def merges_into(actions: Actions, connection: AnyConnection, key: MemberKey) -> list[Merged]:
    """Who was merged into this member, the latest first.

    Raises:
        UnknownMember: see there.
    """
    if not await connection.fetchval(actions.sql.member_exists, *key):
        raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")
    return await merging.into(connection, actions.sql, key, MERGES_SHOWN)


async def _lock(actions: Actions, connection: AnyConnection, wanted: Merged, keys: set[MemberKey]) -> Book:
    """The book of all of them, settled."""
    programs = {wanted.program_id: await actions.programs.one(connection, wanted.program_id)}
    pooling = {(wanted.program_id, wanted.survivor_id), (wanted.program_id, wanted.member_id)}
    needs = Needs(members=dict.fromkeys(keys, wanted.merged_at), detailed=set(keys), pooling=pooling)
    return await actions.settled(connection, needs, programs)


def _merged_before(book: Book, survivor: MemberKey, other: MemberKey) -> MemberKey | None:
    """The one that was merged, where exactly this was done before; None where it is to be done."""
    for key in (survivor, other):
        if book.member(key).erased_at is not None:
            raise MemberErased(f"member {key[1]!r} asked to be forgotten")
    if (home := book.homes.get(survivor)) is not None:
        raise merged_into(survivor, home)
    home = book.homes.get(other)
    if home is not None and home != survivor:
        raise AlreadyMerged(f"member {other[1]!r} was merged into {home[1]!r}", member_id=home[1])
    return None if home is None else other


async def _join(
    actions: Actions,
    connection: AnyConnection,
    wanted: Merged,
    aliases: Iterable[MemberKey],
    place: Place | None,
) -> Merged:
    """Give all rows their new owner, then join what both have of the same kind."""
    survivor, other = (wanted.program_id, wanted.survivor_id), (wanted.program_id, wanted.member_id)
    programs = {wanted.program_id: await actions.programs.one(connection, wanted.program_id)}
    periods = await merging.goal_periods(connection, actions.sql, other)
    names = await merging.new_names(connection, actions.sql, survivor, other)
    goals = Book(programs)
    await _load_periods(actions, connection, goals, (survivor, other), periods)
    reached = [join_reached(goals, survivor, other, period, names) for period in periods]
    await merging.move_rows(connection, actions.sql, survivor, other, names, reached)
    needs = Needs(
        members=dict.fromkeys([survivor, other, *aliases], wanted.merged_at),
        detailed={survivor, other},
        persons={survivor, other},
        pools={(wanted.program_id, place[0])} if place is not None else set(),
    )
    book = await actions.store.load(connection, needs, programs)
    await merging.load_usage(connection, actions.sql, book, [survivor, other])
    await _load_periods(actions, connection, book, [survivor], periods)
    made = merge(book, wanted, aliases=aliases)
    hold_joined(book, survivor, periods, cause=other, at=wanted.merged_at)
    if place is not None:
        take_place(book, survivor, *place, wanted.merged_at)
    await actions.finish(connection, book)
    await merging.add(connection, actions.sql, made)
    return made


async def _load_periods(
    actions: Actions,
    connection: AnyConnection,
    book: Book,
    members: Iterable[MemberKey],
    periods: Iterable[Period],
) -> None:
    wanted = {(*key, *period) for key in members for period in periods}
    await actions.store.load_periods(connection, book, wanted)
