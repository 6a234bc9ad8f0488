"""The HTTP door: a member's code and referrals, one referral, and the link that friends open.

What a newcomer would get wrong: `/r/{code}` asks for no token and says nothing about whose code it is; known or not, it
leads to the shop.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from fastapi import APIRouter, Path, Request
from fastapi.responses import RedirectResponse

from services.referrals.domain.hashes import read_code
from services.referrals.domain.model import MemberKey
from services.referrals.errors import MemberErased, NoLanding, ReferralNotFound
from services.referrals.schemas import MemberReferrals, Referral, ReferralDetails
from shared.http.auth import requires
from shared.http.openapi import refuses
from shared.http.paging import DEFAULT_LIMIT, CursorInvalid, CursorText, Limit
from shared.http.transaction import Reading, Transaction
from shared.programs import UnknownProgram
from shared.tokens import Caller

router = APIRouter(tags=["referrals"])
public = APIRouter(tags=["links"])

MemberId = Annotated[str, Path(min_length=1, max_length=200, examples=["customer-7"])]
READ = "referrals:read"
NOT_STORED = {"Cache-Control": "no-store"}


@router.get(
    "/members/{member_id}/referrals",
    summary="A member's code, link and referrals",
    responses=refuses(MemberErased, UnknownProgram, CursorInvalid),
)
async def member_referrals(
    request: Request,
    connection: Transaction,
    caller: Annotated[Caller, requires(READ)],
    member_id: MemberId,
    cursor: CursorText = None,
    limit: Limit = DEFAULT_LIMIT,
) -> MemberReferrals:
    """The code is given at first sight: asking for it makes the member known here.

    A member's token sees states and own rewards; who the other side is stays with the shop.
    """
    state: Any = request.app.state
    key: MemberKey = (caller.program_id, member_id)
    for_member = caller.member_id is not None
    member = await state.actions.meet(connection, key, state.clock())
    key, views = member.key, state.views
    brought, after = await views.brought(connection, key, cursor, limit, for_member=for_member)
    return MemberReferrals(
        member_id=member_id,
        code=member.code,
        link=f"{state.public_url or str(request.base_url).rstrip('/')}/r/{member.code}",
        counts=await views.how_many(connection, key),
        brought=brought,
        brought_by=await views.brought_by(connection, key, for_member=for_member),
        attempts=[] if for_member else await views.attempts(connection, key),
        next=after,
    )


@router.get(
    "/referrals/{referral_id}", summary="One referral", responses=refuses(ReferralNotFound, UnknownProgram)
)
async def one_referral(
    request: Request,
    connection: Reading,
    caller: Annotated[Caller, requires(READ, members=True)],
    referral_id: Annotated[UUID, Path(examples=["0b9e6a52-6f0e-5f0e-9a43-3f0c8b1c7d21"])],
) -> ReferralDetails | Referral:
    """Both sides for the shop; for a member's token, that member's side of a referral of theirs."""
    state: Any = request.app.state
    asking = caller.member_id
    if asking is not None:
        asking = (await state.actions.home(connection, (caller.program_id, asking)))[1]
    found: ReferralDetails | Referral = await state.views.referral(
        connection, caller.program_id, referral_id, asking
    )
    return found


@public.get(
    "/r/{code}",
    summary="A member's link",
    status_code=302,
    response_class=RedirectResponse,
    responses=refuses(NoLanding),
)
async def follow_link(
    request: Request,
    connection: Transaction,
    code: Annotated[str, Path(max_length=100, examples=["7Q4N0KX2MB"])],
) -> RedirectResponse:
    """Leads to the shop with the code (`ref`) and the id of this click (`click`).

    An unknown code leads there too, without either.
    """
    state: Any = request.app.state
    plain = read_code(code)
    program_id, known = await state.views.program_of_code(connection, plain or "")
    landing = await state.actions.landing(connection, program_id, state.clock()) if program_id else None
    if landing is None:
        raise NoLanding("the shop has not said yet where its links lead")
    if not known or plain is None:
        return RedirectResponse(landing, status_code=302, headers=NOT_STORED)
    click_id = state.draw_click_id()
    await state.views.note_click(connection, program_id, click_id, plain, state.clock())
    return RedirectResponse(_with(landing, ref=plain, click=click_id), status_code=302, headers=NOT_STORED)


def _with(address: str, **further: str) -> str:
    """The address with these in its query, beside what is there."""
    parts = urlsplit(address)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in further]
    return urlunsplit(parts._replace(query=urlencode([*query, *further.items()])))
