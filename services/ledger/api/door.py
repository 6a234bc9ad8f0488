"""What all endpoints of the ledger share: who asks, about whom, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Request

from services.ledger import views
from services.ledger.actions import Actions
from services.ledger.domain.records import MemberKey
from services.ledger.schemas import Moment
from services.ledger.showcase import Showcase
from shared.database import AnyConnection
from shared.events.fields import NO_NUL
from shared.http.auth import requires
from shared.http.gathering import Gathered, gathered
from shared.money import InvalidAmount, UnknownCurrency
from shared.orders import DuplicateLine
from shared.tokens import Caller

MemberId = Annotated[str, Path(max_length=200, pattern=NO_NUL, examples=["customer-7"])]
AsOf = Annotated[
    Moment | None,
    Query(description="Only what had happened by then.", examples=["2026-06-30T22:00:00Z"]),
]
WrittenBy = Annotated[
    Moment | None, Query(description="Only what was in the book by then: late events come in later.")
]
MONEY = (InvalidAmount, UnknownCurrency)
"""What amounts are refused with, wherever some are asked for."""
CART = (*MONEY, DuplicateLine)
Asset = Annotated[str, Query(max_length=64, examples=["points"])]
Reader = Annotated[Caller, requires("ledger:read")]
Writer = Annotated[Caller, requires("ledger:write")]
Together = Annotated[Gathered, Depends(gathered)]


def actions_of(request: Request) -> Actions:
    """What the ledger does."""
    actions: Actions = request.app.state.actions
    return actions


def reading_of(request: Request) -> views.Reading:
    """What the ledger answers."""
    found: views.Reading = request.app.state.reading
    return found


def showcase_of(request: Request) -> Showcase:
    """What the ledger answers about rewards and coupons."""
    found: Showcase = request.app.state.showcase
    return found


def key_of(caller: Caller, member_id: str) -> MemberKey:
    """The member in the caller's own program."""
    return (caller.program_id, member_id)


async def home_of(request: Request, connection: AnyConnection, caller: Caller, member_id: str) -> MemberKey:
    """The member whom an id means in the caller's own program: the one that it was merged into, where it was."""
    return await actions_of(request).store.home(connection, key_of(caller, member_id))


async def home_id_of(
    request: Request, connection: AnyConnection, caller: Caller, member_id: str | None
) -> str | None:
    """The same for an id that need not be told."""
    return None if member_id is None else (await home_of(request, connection, caller, member_id))[1]


def now_of(request: Request) -> datetime:
    """The moment of the request."""
    now: datetime = request.app.state.clock()
    return now
