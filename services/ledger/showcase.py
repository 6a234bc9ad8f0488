"""What the ledger answers about rewards and coupons: the catalogue, a member's rewards, whether a code can be used.

What a newcomer would get wrong: nothing here locks or writes. What a member cannot have now is said with every reason,
but only buying decides, under the locks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.ledger.actions import Actions
from services.ledger.domain import coupons
from services.ledger.domain.catalogue import Buyer, Offer, Reason, reasons_against, text_in
from services.ledger.domain.coupons import Attempt
from services.ledger.domain.issued import Coupon, CouponUse, canonical
from services.ledger.domain.obtaining import buyer_of
from services.ledger.domain.records import MemberKey
from services.ledger.errors import UnknownCoupon, UnknownMember
from services.ledger.schemas.rewards import GrantOut, OfferOut, ReasonOut, TextOut
from services.ledger.store.rewards import read_coupon, read_uses
from shared.database import AnyConnection
from shared.events import Grant, OrderPaid
from shared.money import to_decimal_string
from shared.orders import order_of
from shared.rows import replace

_grant = msgspec.json.Decoder(Grant)
USES_SHOWN = 100


class Showcase:
    """The questions about rewards and coupons."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self._sql = actions.sql

    async def catalogue(
        self,
        connection: AnyConnection,
        program_id: str,
        *,
        member_id: str | None,
        languages: Sequence[str],
        all_texts: bool,
        now: datetime,
    ) -> list[OfferOut]:
        """All rewards of the catalogue; with a member, whether they can have each, and every reason why not.

        Raises:
            UnknownMember, MemberErased: see there.
        """
        version = (await self._actions.programs.one(connection, program_id)).at(now)
        program = version.rules
        sold = {
            row["reward"]: row["sold"]
            for row in await connection.fetch(self._sql.stocks_of_program, program_id)
        }
        buyer = await self._buyer(connection, (program_id, member_id), now) if member_id is not None else None
        shown = []
        for offer in program.catalogue.values():
            out = _offer_out(offer, sold.get(offer.name, 0), languages, program.language, all_texts=all_texts)
            if buyer is not None:
                against = reasons_against(
                    offer, buyer, sold=sold.get(offer.name, 0), at=now, zone=program.zone
                )
                out = _for_member(out, offer, buyer, against)
            shown.append(out)
        return shown

    async def rewards(
        self,
        connection: AnyConnection,
        key: MemberKey,
        *,
        state: str | None,
        before: tuple[datetime, str],
        limit: int,
    ) -> list[Mapping[str, Any]]:
        """The rewards of a member that were issued before, newest first.

        Raises:
            UnknownMember: see there.
        """
        rows = await connection.fetch(self._sql.rewards_of_member, *key, state, *before, limit)
        if not rows and not await connection.fetchval(self._sql.member_exists, *key):
            raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")
        return [{**dict(row), "gives": _grant.decode(row["gives"])} for row in rows]

    async def check(
        self,
        connection: AnyConnection,
        program_id: str,
        code: str,
        *,
        member_id: str | None,
        order_id: str | None,
        cart: OrderPaid | None,
        now: datetime,
    ) -> tuple[Coupon | None, tuple[Reason, ...], str | None]:
        """Whether a code can be used so: the coupon, every reason against it, and what it takes off the cart."""
        coupon = await read_coupon(connection, self._sql, program_id, canonical(code))
        if coupon is None or coupon.gives is None:
            return None, (Reason("unknown", "there is no such code"),), None
        program = (await self._actions.programs.one(connection, program_id)).at(now).rules
        order = order_of(cart, program.currency) if cart is not None else None
        uses = await read_uses(connection, self._sql, coupon, order_id=order_id, member_id=member_id)
        attempt = Attempt(at=now, member_id=member_id, order_id=order_id, order=order)
        against = coupons.reasons_against(coupon, uses, attempt)
        worth = coupons.worth(coupon.gives, order) if order is not None else None
        if order is None or worth is None:
            return coupon, against, None
        return coupon, against, to_decimal_string(worth, order.currency)

    async def coupon(
        self, connection: AnyConnection, program_id: str, code: str
    ) -> tuple[Coupon, list[CouponUse]]:
        """A code and its latest uses.

        Raises:
            UnknownCoupon: there is none.
        """
        coupon = await read_coupon(connection, self._sql, program_id, canonical(code))
        if coupon is None or coupon.gives is None:
            raise UnknownCoupon(f"there is no coupon {code!r}")
        rows = await connection.fetch(self._sql.uses_of_coupon, program_id, coupon.code, USES_SHOWN)
        return coupon, [CouponUse(program_id=program_id, code=coupon.code, **dict(row)) for row in rows]

    async def pools(self, connection: AnyConnection, program_id: str) -> dict[str, int]:
        """How many codes each pool has left.

        Raises:
            UnknownProgram: nobody applied it.
        """
        await self._actions.programs.one(connection, program_id)
        return {row["pool"]: row["free"] for row in await connection.fetch(self._sql.pools, program_id)}

    async def _buyer(self, connection: AnyConnection, key: MemberKey, now: datetime) -> Buyer:
        """What the catalogue looks at in a member, settled up to now in memory."""
        had: dict[str, list[datetime]] = {}
        for row in await connection.fetch(self._sql.rewards_had, *key):
            had.setdefault(row["reward"], []).append(row["issued_at"])
        book = await self._actions.look(connection, key, now, person=True)
        return replace(buyer_of(book, key, now), had=had)


def _offer_out(
    offer: Offer, sold: int, languages: Sequence[str], default: str, *, all_texts: bool
) -> OfferOut:
    found = text_in(offer.texts, languages, default)
    return OfferOut(
        reward=offer.name,
        language=found[0] if found else None,
        title=found[1].title if found else offer.name,
        text=found[1].text if found else "",
        terms=found[1].terms if found else "",
        texts={tag: TextOut.model_validate(text) for tag, text in offer.texts.items()} if all_texts else None,
        images=list(offer.images),
        gives=GrantOut.model_validate(offer.gives),
        charities=list(offer.charities),
        price=offer.price,
        asset=offer.asset,
        valid=str(offer.lasting) if offer.lasting else None,
        left=max(0, offer.stock - sold) if offer.stock is not None else None,
        limit=str(offer.per_member) if offer.per_member else None,
        levels=sorted(offer.audience.levels),
        segments=sorted(offer.audience.segments),
        since=offer.since,
        until=offer.until,
    )


def _for_member(out: OfferOut, offer: Offer, buyer: Buyer, against: Sequence[Reason]) -> OfferOut:
    available = max(0, buyer.available.get(offer.asset, 0))
    return out.model_copy(
        update={
            "can_have": not against,
            "why_not": [ReasonOut.model_validate(each) for each in against],
            "missing": max(0, offer.price - available),
        }
    )
