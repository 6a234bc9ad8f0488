"""Export: a member as the rows that an import reads, so that a program can move into an empty one and be the same.

Example: 300 points in two lots, 40 pending until Monday, an order of 80.00 that holds 100 of the 300: two `points` rows
with their dates, one with `available_at`, one `order` row, and the statement as `history`.

What a newcomer would get wrong: what is held for a checkout is exported in the lots it was drawn from, as if it were
released. A hold lasts for minutes, and the checkout that made it does not move along. The price of a reward comes with
the reward: an import pays it again, out of nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any

from services.ledger.domain.activity import OPEN
from services.ledger.domain.book import Book
from services.ledger.domain.catalogue import AT_ONCE
from services.ledger.domain.importing import NEVER_EXPIRES
from services.ledger.domain.issued import EXPIRED, ISSUED, VOIDED
from services.ledger.domain.keeping import kept_of
from services.ledger.domain.orders import OF_ORDER
from services.ledger.domain.records import PENDING, WAITING, Award, Lot, MemberKey, Purchase
from shared.events import Grant
from shared.money import largest_remainder, to_decimal_string
from shared.orders import Order, order_of

ImportRow = dict[str, Any]
LONGEST_ROW = 200
GIVEN = (
    "kind", "asset", "points", "percent", "amount", "currency", "at_most", "order_at_least", "product_id", "name",
    "charity",
)  # fmt: skip
"""What is told of what a reward gives; its code and its end are told with the reward."""


def rows_of(book: Book, key: MemberKey, now: datetime) -> Iterator[ImportRow]:
    """What an import needs to make a member again who is settled up to `now`; their statement is not in the book, and
    comes apart.
    """
    yield from _about(book, key)
    yield from _rewards(book, key, now)
    yield from _usage(book, key)
    orders = dict(_orders(book, key))
    yield from _lots(book, key, set(orders), now)
    for award in book.awards.of(key).values():
        if award.award_id not in orders and award.state in (PENDING, WAITING) and award.held_points:
            # Where it waits for a fulfilment that has no order, nothing can come of it there but the points.
            yield _points(key, f"award:{award.award_id}", award.asset, award.held_points) | {
                "available_at": text_of(award.due_at)
            }
    yield from orders.values()


def entry_row(
    member_id: str, asset: str, version: int, points: int, at: datetime, text: str, *, of: str | None = None
) -> ImportRow:
    """An entry of the statement as history; points are what the member gained or lost by it.

    `of`: whoever was merged into the member, and had that entry.
    """
    return {
        "row": short_row("entry", f"{asset}:{version}" if of is None else f"{asset}:{version}:{of}"),
        "kind": "history",
        "member_id": member_id,
        "asset": asset,
        "points": points,
        "at": text_of(at),
        "text": text,
    }


def _about(book: Book, key: MemberKey) -> Iterator[ImportRow]:
    person, member = book.person(key), book.member(key)
    facts = {
        "joined_at": text_of(member.joined_at),
        "birthday": None if person.birthday is None else "{:02}-{:02}".format(*person.birthday),
        "time_zone": person.time_zone,
        "first_paid_at": text_of(person.first_paid_at),
    }
    known: ImportRow = without_none(facts)
    if person.celebrated:
        known["celebrated"] = {each.trigger: each.day.isoformat() for each in person.celebrated}
    if person.segments:
        known["segments"] = [
            {"segment": each.segment, "since": text_of(each.since), "is_in": each.is_in}
            for each in person.segments
        ]
    if member.levels:
        known["levels"] = [
            {"level": each.name, "since": text_of(each.since), "earn_times": each.earn_times}
            for each in member.levels
        ]
    if known:
        yield {"row": "member", "kind": "member", "member_id": key[1], **known}


def _rewards(book: Book, key: MemberKey, now: datetime) -> Iterator[ImportRow]:
    """What the member owns or had, with its code; a checkout that has it in hand does not move along.

    So what such a checkout kept beyond its end has expired.
    """
    for reward_id, reward in sorted(book.shelf.rewards.of(key).items()):
        if reward.state == VOIDED:
            continue
        coupon = book.shelf.coupon_of(reward)
        uses = {"code": coupon.shown, "uses": coupon.uses, "used": coupon.used} if coupon is not None else {}
        ended = reward.state == ISSUED and reward.valid_until is not None and reward.valid_until <= now
        yield without_none(
            {
                "row": short_row("reward", reward_id),
                "kind": "reward",
                "member_id": key[1],
                "reward_id": reward_id,
                "reward": reward.reward,
                "gives": grant_told(reward.gives),
                "state": EXPIRED if ended else reward.state,
                **uses,
                "for_anyone": True if coupon is not None and coupon.anyone else None,
                "asset": reward.asset,
                "points": reward.price or None if reward.gives.kind not in AT_ONCE else None,
                "source": reward.source,
                "issued_at": text_of(reward.issued_at),
                "valid_until": text_of(reward.valid_until),
                "closed_at": text_of(reward.valid_until if ended else reward.closed_at),
                "order_id": reward.order_id if reward.state != ISSUED else None,
                "reason": reward.reason,
            }
        )


def grant_told(gives: Grant) -> ImportRow:
    """What a reward or a code gives, as a row says it."""
    said = {name: getattr(gives, name) for name in GIVEN if getattr(gives, name) not in (None, ())}
    return said | ({"products": list(gives.products)} if gives.products else {})


def _usage(book: Book, key: MemberKey) -> Iterator[ImportRow]:
    """What caps have counted, by rule (none: the caps of the program) and bucket."""
    for (rule, bucket), used in sorted(book.usage.of(key).items()):
        if used.times or used.points:
            yield {
                "row": short_row("usage", f"{rule}:{bucket}"),
                "kind": "usage",
                "member_id": key[1],
                **({"rule": rule} if rule else {}),
                "bucket": bucket,
                "times": used.times,
                "points": str(used.points),
            }


def short_row(kind: str, name: str) -> str:
    """An id of a row; a name that is too long for one is told by its digest."""
    found = f"{kind}:{name}"
    if len(found) <= LONGEST_ROW:
        return found
    return f"{kind}:{sha256(name.encode()).hexdigest()}"


def without_none(row: ImportRow) -> ImportRow:
    """The same row without what it does not say."""
    return {name: value for name, value in row.items() if value is not None}


def _lots(book: Book, key: MemberKey, orders: set[str], now: datetime) -> Iterator[ImportRow]:
    """What remains in lots or is held out of them.

    What is held of a lot that has expired would fill what the member owes once it is released, and expire else.
    """
    held: Counter[tuple[str, int]] = Counter()
    for hold in book.holds.of(key).values():
        if hold.state == OPEN:
            for each in hold.draws:
                held[(hold.asset, each.lot_no)] += each.points
    over: Counter[str] = Counter()
    for place, lot in book.lots.of(key).items():
        points = lot.remaining + held[place]
        if lot.expires_at is not None and lot.expires_at <= now:
            over[lot.asset] += points
        elif points:
            yield _lot(key, lot, points, orders) | _owner(book, lot)
    for asset, balance in book.balances.of(key).items():
        if balance.available + over[asset] < 0:
            yield _points(key, f"owed:{asset}", asset, balance.available + over[asset])


def _lot(key: MemberKey, lot: Lot, points: int, orders: set[str]) -> ImportRow:
    expires_at = NEVER_EXPIRES if lot.expires_at is None else text_of(lot.expires_at)
    row = _points(key, f"lot:{lot.asset}:{lot.lot_no}", lot.asset, points)
    row |= {"earned_at": text_of(lot.opened_at), "expires_at": expires_at}
    return row | ({"order_id": lot.order_id} if lot.award_id in orders else {})


def _owner(book: Book, lot: Lot) -> ImportRow:
    """Whose a lot is, where it is not its holder's; what a forgotten member lent stays with those who have it."""
    borrowed = book.borrowed.get((lot.program_id, lot.member_id), (lot.asset, lot.lot_no))
    if borrowed is None:
        return {}
    owner = book.members.get((lot.program_id, borrowed.from_member_id), "")
    if owner is not None and owner.erased_at is not None:
        return {}
    return {"belongs_to": borrowed.from_member_id, "pool_id": borrowed.pool_id}


def _points(key: MemberKey, row: str, asset: str, points: int) -> ImportRow:
    return {"row": row, "kind": "points", "member_id": key[1], "asset": asset, "points": points}


def _orders(book: Book, key: MemberKey) -> Iterator[tuple[str, ImportRow]]:
    """What each order holds that may still come back, by award."""
    by_order: dict[str, list[Award]] = defaultdict(list)
    for award in book.awards.of(key).values():
        if award.order_id is not None and award.kind in OF_ORDER and award.held_points:
            by_order[award.order_id].append(award)
    for order_id, awards in by_order.items():
        purchase = book.purchases.get(key, order_id)
        if purchase is not None and purchase.paid is not None:
            kept = _what_is_kept(book, key, purchase)
            for award in awards:
                yield award.award_id, _order(key, purchase, award) | kept


def _order(key: MemberKey, purchase: Purchase, award: Award) -> ImportRow:
    row = {
        "row": award.award_id,
        "kind": "order",
        "member_id": key[1],
        "order_id": purchase.order_id,
        "paid_at": text_of(purchase.paid_at),
        "asset": award.asset,
        "points": award.held_points,
    }
    if award.state == PENDING:
        row["available_at"] = text_of(award.due_at)
    elif award.state == WAITING:
        row["waits_until"] = text_of(award.due_at)
    return row


def _what_is_kept(book: Book, key: MemberKey, purchase: Purchase) -> ImportRow:
    """What the customer keeps of the order, and of each line; a part of a cent goes to the larger remainder."""
    assert purchase.paid is not None, "what is kept is of an order"
    program = book.versions_of(key[0]).numbered(purchase.program_version or 1).rules
    order = order_of(purchase.paid, program.currency, purchase.removed_lines)
    left = kept_of(purchase, order)
    shares = left.shares if left is not None else (1,) * len(order.lines)
    exact = [line.cost * share for line, share in zip(order.lines, shares, strict=True)]
    total = int(sum(exact))
    parts = largest_remainder(total, exact) if total else [0] * len(exact)
    kept = {"total": to_decimal_string(total, order.currency), "currency": order.currency}
    if not purchase.paid.lines:
        return kept
    return kept | {
        "lines": [_line(order, place, parts[place]) for place, share in enumerate(shares) if share]
    }


def _line(order: Order, place: int, part: int) -> dict[str, Any]:
    line = order.lines[place]
    told = {"line_id": line.id, "total": to_decimal_string(part, order.currency)}
    return told | ({"product_id": line.item.product_id} if line.item.product_id is not None else {})


def text_of(moment: datetime | None) -> str | None:
    """A moment as a row says it; None where there is none."""
    return None if moment is None else moment.isoformat()
