"""Households: members who share what they earn, each with a purse of their own.

Example: Ana has 80, Ben 30, and Ben spends 100 for both. 70 go from Ana to Ben through `in_transit`, soonest expiry
first, and he spends 100. His order comes back: 100 return to the lots they were spent from, 70 of them to those that
came from Ana. Ana leaves the pool: she takes these 70 with her, and Ben keeps his 30.

What a newcomer would get wrong: the pool has no account. Everybody earns, owes and lets expire as they did before, and
a refund is the affair of whoever earned; a pool is the right to spend from each other. What moved is remembered by lot
(`Origins`), so that who leaves takes what they earned and is left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.lots import open_lots, spending_order
from services.ledger.domain.pool_terms import PoolTerms
from services.ledger.domain.records import Draw, Lot, MemberKey
from services.ledger.domain.transit import next_lot_no, send_lots
from services.ledger.errors import InsufficientPoints, NotPoolOwner, PoolsOff
from shared.events import PointsTransferred
from shared.rows import Row

POOL = "pool"
"""The kind of transfers between the members of a pool."""

LotKey = tuple[str, str, int]
"""Member, asset and number of a lot."""
Origins = Mapping[LotKey, str]
"""The lots that came from another member of the pool, and whose they were."""
Offer = tuple[Lot, int]


class Pool(Row, frozen=True, gc=False):
    """A pool and its members, those first who have been in it longest."""

    program_id: str
    pool_id: str
    members: tuple[str, ...]


def pool_terms_of(book: Book, program_id: str, at: datetime) -> PoolTerms:
    """How pools are at this moment.

    Raises:
        PoolsOff: there are none.
    """
    terms = book.versions_of(program_id).at(at).rules.pools
    if terms is None:
        raise PoolsOff("the program has no pools")
    return terms


def living(book: Book, pool: Pool) -> list[str]:
    """Its members who were not erased, in their order."""
    return [name for name in pool.members if book.member((pool.program_id, name)).erased_at is None]


def check_owner(book: Book, pool: Pool, member_id: str) -> None:
    """Make sure that it is the one who has been in the pool longest.

    Raises:
        NotPoolOwner: it is somebody else.
    """
    owner = living(book, pool)[0]
    if owner != member_id:
        raise NotPoolOwner("only the member who has been in the pool longest may do that", owner_id=owner)


def offers_to(
    book: Book, pool: Pool, key: MemberKey, asset: str, terms: PoolTerms, origins: Origins
) -> list[Offer]:
    """What the others' lots offer this member, in spending order; what came from somebody else is offered wholly."""
    found: list[Offer] = []
    for name in living(book, pool):
        if name == key[1] or asset not in terms.assets:
            continue
        for lot in open_lots(book, (pool.program_id, name), asset):
            came = (name, asset, lot.lot_no) in origins
            found.append((lot, lot.remaining if came else terms.offered(lot.amount, lot.remaining)))
    return sorted(
        found, key=lambda offer: (*spending_order(offer[0])[:2], offer[0].member_id, offer[0].lot_no)
    )


def bring(
    book: Book,
    pool: Pool,
    key: MemberKey,
    points: int,
    asset: str,
    origins: Origins,
    *,
    cause: str,
    at: datetime,
) -> Origins:
    """See to it that a member can spend so much: what they lack comes from the others; the origins after it.

    Raises:
        PoolsOff, NotPoolOwner: they may not spend from the others.
        InsufficientPoints: all together offer less.
    """
    available = book.balance(key, asset).available
    missing = points - available
    if missing <= 0:
        return origins
    terms = pool_terms_of(book, pool.program_id, at)
    if not terms.everybody:
        check_owner(book, pool, key[1])
    offers = offers_to(book, pool, key, asset, terms, origins)
    offered = sum(part for _, part in offers)
    if offered < missing:
        raise InsufficientPoints(
            f"{points} {asset} asked for, {max(0, available + offered)} are in the pool for this member",
            asked=points,
            available=max(0, available + offered),
        )
    taken: list[Offer] = []
    for lot, part in offers:
        if part and missing:
            taken.append((lot, min(part, missing)))
            missing -= taken[-1][1]
    return _move(book, key, asset, taken, origins, cause=cause, at=at)


def leave(
    book: Book, pool: Pool, leaving: Iterable[str], origins: Origins, *, cause: str, at: datetime
) -> Origins:
    """Give back what is left: to those who leave what others have of theirs, and from them what they have of others'.

    What is held at this moment stays with who holds it, as does what was theirs who have left or were erased.
    """
    alive, gone = set(living(book, pool)), set(leaving)
    left = dict(origins)
    back: dict[tuple[str, str], list[Offer]] = {}
    for place, owner in sorted(origins.items()):
        holder, asset, lot_no = place
        if not gone & {holder, owner}:
            continue
        del left[place]
        lot = book.lots.get((pool.program_id, holder), (asset, lot_no))
        if lot is not None and lot.remaining and owner in alive:
            back.setdefault((owner, asset), []).append((lot, lot.remaining))
    for (owner, asset), parts in back.items():
        _move(book, (pool.program_id, owner), asset, parts, {}, cause=cause, at=at)
    return left


def _move(
    book: Book,
    key: MemberKey,
    asset: str,
    taken: Iterable[Offer],
    origins: Origins,
    *,
    cause: str,
    at: datetime,
) -> Origins:
    """Move parts of the others' lots to a member, one transfer for each of the others; the origins after it."""
    by_sender: dict[str, list[Offer]] = {}
    for lot, part in taken:
        by_sender.setdefault(lot.member_id, []).append((lot, part))
    after = dict(origins)
    for sender, parts in sorted(by_sender.items()):
        first = next_lot_no(book, key, asset)
        draws = [Draw(lot.lot_no, part) for lot, part in parts]
        sent, received = send_lots(book, (key[0], sender), key, draws, asset, kind=POOL, cause=cause, at=at)
        for transfer, direction, counterpart in ((sent, "sent", key[1]), (received, "received", sender)):
            book.announce(
                transfer, PointsTransferred, kind=POOL, direction=direction, counterpart_id=counterpart
            )
        for number, (lot, _) in enumerate(parts):
            owner = origins.get((sender, asset, lot.lot_no), sender)
            if owner != key[1]:
                after[(key[1], asset, first - number)] = owner
    return after
