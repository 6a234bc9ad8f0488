"""What a cart would earn, before anybody pays."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Request

from services.ledger.actions.previews import preview_cart
from services.ledger.api.door import CART, actions_of, home_id_of, now_of
from services.ledger.domain.previews import NOBODY, Preview
from services.ledger.domain.program import LedgerProgram
from services.ledger.errors import MemberErased
from services.ledger.schemas.previews import AssetPoints, PreviewIn, PreviewOut, WouldEarn
from services.ledger.views import explained, goals_of_book
from shared.http.auth import OtherMember, requires
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.transaction import Reading
from shared.programs import UnknownProgram, Versions
from shared.rows import replace
from shared.tokens import Caller

router: APIRouter = door_router(tags=["points"])

Anybody = Annotated[Caller, requires("ledger:read", members=True)]


@router.post("/earning/preview", responses=refuses(UnknownProgram, MemberErased, OtherMember, *CART))
async def earning_preview(
    request: Request, body: PreviewIn, caller: Anybody, connection: Reading
) -> PreviewOut:
    """What would this cart earn, what would every rule say, and why not? Nothing is written; ask ever again."""
    if body.member_id is not None and not caller.may_see(body.member_id):
        raise OtherMember("The token is another member's.")
    member_id = await home_id_of(request, connection, caller, body.member_id or caller.member_id)
    told = body.as_order(member_id or NOBODY, str(uuid.uuid4()))
    cart = replace(
        told, channel=body.channel, payment_method=body.payment_method, card_partner=body.card_partner
    )
    key = (caller.program_id, member_id or NOBODY)
    found, book, known = await preview_cart(
        actions_of(request), connection, key, cart=cart, at=body.at or now_of(request)
    )
    versions = book.versions_of(key[0])
    return PreviewOut(
        member_id=member_id,
        member_known=known,
        at=found.event.time,
        program_version=versions.at(found.event.time).number,
        earns=[AssetPoints(asset=asset, points=points) for asset, points in found.earns.items()],
        awards=_awards(found, versions),
        goals=goals_of_book(list(book.goal_parts.of(key).values()), found.purchase, versions),
    )


def _awards(found: Preview, versions: Versions[LedgerProgram]) -> list[WouldEarn]:
    return [WouldEarn.model_validate(explained(award, found.purchase, versions)) for award in found.awards]
