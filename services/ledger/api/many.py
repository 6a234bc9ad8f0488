"""What all forms of many writes in one request share: who may, and that the program is there."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends

from services.ledger.api.door import actions_of
from shared.http.auth import caller_of, requires
from shared.http.bulk import Many, many
from shared.http.transaction import connection_of
from shared.tokens import Caller

Writer = Annotated[Caller, requires("ledger:write", staff=True)]
CREATED, OK = HTTPStatus.CREATED, HTTPStatus.OK


async def many_of_program(wanted: Annotated[Many, Depends(many)]) -> Many:
    """Many writes in the caller's program.

    Raises:
        UnknownProgram: nobody applied it; told once, and not for each item.
    """
    async with connection_of(wanted.request) as connection:
        await actions_of(wanted.request).programs.one(connection, caller_of(wanted.request).program_id)
    return wanted


Bulk = Annotated[Many, Depends(many_of_program)]
"""Comes behind the caller."""
