"""Who calls: the bearer token of a request as a dependency.

    caller: Annotated[Caller, requires("ledger:write")]

What a newcomer would get wrong: a member's token sees that member only, and this is checked *here*: an address with
`{member_id}` in it must name that member, and an address without it is closed to members unless the endpoint says
`members=True` and looks after `caller.may_see` itself. A partner's token is closed to every address but those that
name it as `{partner}`. Which program is meant is always the token's word, never the caller's.
"""

from __future__ import annotations

from typing import Any

from fastapi import Security
from fastapi.openapi.models import HTTPBearer as BearerModel
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from shared.errors import Kind, ServiceError
from shared.tokens import Caller, TokenMissing, Verifier

_CALLER = "habitue.caller"


class ScopeMissing(ServiceError):
    """The bearer token does not allow this."""

    kind = Kind.FORBIDDEN
    code = "scope_missing"


class OtherMember(ServiceError):
    """A member's token is good for that member only."""

    kind = Kind.FORBIDDEN
    code = "other_member"


class OtherPartner(ServiceError):
    """A partner's token is good for what concerns that partner only."""

    kind = Kind.FORBIDDEN
    code = "other_partner"


class Authorisation(SecurityBase):
    """Reads the bearer token, checks it, and answers the `Caller`.

    One callable does it all, because each further dependency costs a request as much as the check itself.
    """

    model = BearerModel(
        bearerFormat="JWT",
        description="A JWT with the claims `program`, `sub`, `scope`, `exp` and, if it is one member's, `member`, "
        "or one partner's, `partner`.",
    )
    scheme_name = "bearer"

    def __init__(self, *, members: bool, staff: bool = False) -> None:
        self._members = members
        self._staff = staff

    async def __call__(self, request: Request, needed: SecurityScopes) -> Caller:
        """See `requires`."""
        verifier: Verifier = request.app.state.verifier
        caller = await verifier.verify(_token_of(request))
        missing = [scope for scope in needed.scopes if not caller.may(scope)]
        if missing:
            raise ScopeMissing(f"The token lacks the scope {missing[0]}.", scope=needed.scope_str)
        self._check_member(request, caller)
        _check_partner(request, caller)
        request.scope[_CALLER] = caller
        return caller

    def _check_member(self, request: Request, caller: Caller) -> None:
        if caller.member_id is None:
            return
        named = request.path_params.get("member_id")
        if self._staff or (named is None and not self._members):
            raise OtherMember("This is not open to a member's token.")
        if named is not None and not caller.may_see(named):
            raise OtherMember("The token is another member's.")


def _check_partner(request: Request, caller: Caller) -> None:
    if caller.partner is not None and request.path_params.get("partner") != caller.partner:
        raise OtherPartner("A partner's token reaches the addresses of that partner only.")


_CLOSED_TO_MEMBERS = Authorisation(members=False)
_OPEN_TO_MEMBERS = Authorisation(members=True)
_FOR_STAFF = Authorisation(members=False, staff=True)


def requires(*scopes: str, members: bool = False, staff: bool = False) -> Any:
    """A dependency that answers the `Caller`, or refuses.

    Args:
        scopes: all of them must be in the token.
        members: a member's token may call although the address names no member.
        staff: no member's token may call, not even about that member, since what is asked is no member's to decide.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired: 401.
        ScopeMissing, OtherMember, OtherPartner: 403.
    """
    return Security(
        _FOR_STAFF if staff else _OPEN_TO_MEMBERS if members else _CLOSED_TO_MEMBERS, scopes=scopes
    )


def caller_of(request: Request) -> Caller:
    """Who calls, once a dependency made by `requires` has let them in."""
    caller: Caller = request.scope[_CALLER]
    return caller


def _token_of(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing("Send `Authorization: Bearer <token>`.")
    return token.strip()
