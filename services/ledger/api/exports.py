"""A whole program as JSON lines that an import reads. Not for members' tokens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from services.ledger.actions.books import export_book
from services.ledger.actions.exports import export_program
from services.ledger.api.door import actions_of, now_of
from shared.http.auth import requires
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.transaction import connection_of
from shared.programs import UnknownProgram
from shared.tokens import Caller

router: APIRouter = door_router(tags=["import, export, erase"])

JSON_LINES = "application/x-ndjson"
StaffReader = Annotated[Caller, requires("ledger:read", staff=True)]
Form = Annotated[
    Literal["rows", "book"],
    Query(description="`rows` for any program and system, `book` for another installation of Habitué."),
]
EXAMPLE = {
    "row": "lot:points:1",
    "kind": "points",
    "member_id": "customer-7",
    "asset": "points",
    "points": 300,
}


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        **refuses(UnknownProgram),
        200: {"content": {JSON_LINES: {"schema": {"type": "string"}, "example": json.dumps(EXAMPLE) + "\n"}}},
    },
)
async def export(request: Request, caller: StaffReader, form: Form = "rows") -> StreamingResponse:
    """The whole program as the rows that `POST /v1/import` reads, as it is at one moment, beside live traffic.

    It is streamed, member after member; an answer that breaks off is not whole. Erased members are left out. As `book`
    it is every entry as it is, for another installation, where the command `import` reads it.
    """
    async with connection_of(request) as connection:
        await actions_of(request).programs.one(
            connection, caller.program_id
        )  # refused before the answer begins
    return StreamingResponse(_lines(request, caller.program_id, form), media_type=JSON_LINES)


async def _lines(request: Request, program_id: str, form: str) -> AsyncIterator[bytes]:
    actions, now = actions_of(request), now_of(request)
    async with (
        connection_of(request) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        if form == "book":
            async for line in export_book(actions, connection, program_id, now):
                yield line
            return
        async for row in export_program(actions, connection, program_id, now):
            yield json.dumps(row, ensure_ascii=False).encode() + b"\n"
