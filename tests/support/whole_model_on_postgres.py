"""The steps of the whole model, as the service does them on Postgres: codes and guests are told apart from the memory.

What a newcomer would get wrong: a code is drawn by chance, so Postgres has another one than the memory for the same
reward. An event that names codes is told with those of Postgres, and once told so, always so.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from services.ledger.actions import Actions, coupons
from services.ledger.domain.issued import Shelf, canonical
from shared.database import PooledConnection
from shared.events import Event
from tests.support.events import PROGRAM
from tests.support.whole_model import SHOP_CODE, the_shops_coupon
from tests.support.wider_model_on_postgres import CODE

GUEST_ORDERS = """
SELECT order_id, address, member_id, cause, forget_at FROM ledger.guest_order
WHERE kept IS NOT NULL OR member_id IS NOT NULL
"""
ADDRESSES = """
SELECT address, a.member_id, since FROM ledger.guest_address AS a JOIN ledger.member USING (program_id, member_id)
WHERE erased_at IS NULL
"""


async def make_the_shops_coupon(actions: Actions, connection: PooledConnection) -> None:
    """The merchant makes a coupon that belongs to nobody's reward."""
    await coupons.make(actions, connection, the_shops_coupon(), count=1, own_code=SHOP_CODE)


class CodesOfPostgres:
    """The codes of Postgres by those of the memory."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    async def learn(self, connection: PooledConnection, shelf: Shelf, text: str) -> None:
        """Ask for the code of the reward that has this one in memory; one behind which none stands is the same."""
        coupon = shelf.coupons.get(PROGRAM, canonical(text))
        if text not in self._known and coupon is not None and coupon.member_id is not None:
            self._known[text] = await connection.fetchval(CODE, coupon.member_id, coupon.reward_id)

    def told_to_postgres(self, event: Event[Any]) -> Event[Any]:
        """The event with the codes of Postgres."""
        named = getattr(event.data, "coupon_codes", ())
        if not named:
            return event
        codes = tuple(self._known.get(code, code) for code in named)
        return replace(event, data=replace(event.data, coupon_codes=codes))
