"""What members do for each other: give points."""

from __future__ import annotations

from services.ledger.actions import Actions
from services.ledger.domain.book import Book
from services.ledger.domain.gifts import Gift, give, terms_of
from services.ledger.errors import GiftConflict, UnknownReceiver
from services.ledger.store import gifts
from shared.database import AnyConnection
from shared.rows import replace


async def give_points(
    actions: Actions, connection: AnyConnection, wanted: Gift, *, message: str | None
) -> tuple[Gift, Book]:
    """Give points to another member; the same id again is the same gift. Both rows are locked, in key order.

    Raises:
        UnknownMember, MemberErased, GiftsOff, UnknownReceiver, NotGivable, GiftLimitReached, InsufficientPoints,
        GiftConflict: see there.
    """
    key, receiver = (wanted.program_id, wanted.member_id), (wanted.program_id, wanted.to_member_id)
    others = set((await actions.store.known_members(connection, {receiver})).values())
    for _, home in others:
        wanted = replace(wanted, to_member_id=home)
    async with actions.command(connection, key, wanted.given_at, others=others - {key}) as book:
        before = await gifts.read(connection, actions.sql, key, wanted.transfer_id)
        if before is not None:
            return _same(before, wanted), book
        terms = terms_of(book, wanted.program_id, wanted.asset, wanted.given_at)
        if not others:
            raise UnknownReceiver(f"there is no member {wanted.to_member_id!r}")
        since = [limit.since(wanted.given_at, terms.zone) for limit in terms.limits]
        given = await gifts.given_since(connection, actions.sql, key, wanted.asset, since) if since else []
        give(book, wanted, given, message=message)
        await gifts.add(connection, actions.sql, wanted)
    return wanted, book


def _same(before: Gift, wanted: Gift) -> Gift:
    """The one that is there, where it says the same."""
    if replace(wanted, given_at=before.given_at) != before:
        raise GiftConflict(f"there is a transfer {wanted.transfer_id!r} with other content")
    return before
