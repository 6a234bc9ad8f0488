"""What was in another system: bring it in, and look at its statement. Not for members' tokens, but the statement."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from services.ledger.actions.imports import Entry, Fault, bring_in_rows, history_of
from services.ledger.api.door import MemberId, Reader, actions_of, key_of, now_of
from services.ledger.errors import ImportRefused, UnknownMember
from services.ledger.importing import CSV, JSON_LINES, entries_of, entry_of
from services.ledger.schemas.imports import MOST_ROWS, FaultOut, HistoryOut, ImportIn, ImportOut
from shared.http.auth import requires
from shared.http.idempotency import DryRun, Write, door_router
from shared.http.openapi import refuses
from shared.http.paging import Cursors, CursorText, Limit, Page
from shared.http.problems import BodyUnreadable
from shared.http.transaction import Reading
from shared.programs import UnknownProgram
from shared.tokens import Caller

router: APIRouter = door_router(tags=["import, export, erase"])

HISTORY = Cursors("history", tuple[datetime, str])
Importer = Annotated[Caller, requires("ledger:write", staff=True)]
EXAMPLE = {
    "row": "lot-1",
    "kind": "points",
    "member_id": "customer-99",
    "points": 300,
    "earned_at": "2026-03-03T09:00:00Z",
    "expires_at": "never",
}


@router.post(
    "/import",
    responses=refuses(ImportRefused, UnknownProgram),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["rows"],
                        "properties": {
                            "rows": {"type": "array", "maxItems": MOST_ROWS, "items": {"type": "object"}}
                        },
                    },
                    "example": {"rows": [EXAMPLE]},
                },
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": json.dumps(EXAMPLE) + "\n",
                },
                CSV: {
                    "schema": {"type": "string"},
                    "example": "row,kind,member_id,points,expires_at\r\nlot-1,points,customer-99,300,never\r\n",
                },
            },
        }
    },
)
async def bring_in(request: Request, caller: Importer, write: Write, dry_run: DryRun = False) -> ImportOut:
    """Bring in up to 1,000 rows: opening balances and lots, still refundable orders, members, old statements.

    All of them or, where one is at fault, none; with `dry_run` every fault is told by its line. The same row again
    changes nothing. Nobody is written to because of it.
    """
    read = _read(request.headers.get("content-type", ""), await request.body())
    entries = [each for each in read if isinstance(each, Entry)]
    report = await bring_in_rows(actions_of(request), write, caller.program_id, entries, now_of(request))
    faults = sorted(
        [*report.faults, *(each for each in read if isinstance(each, Fault))], key=lambda fault: fault.line
    )
    if faults and not dry_run:
        told = [FaultOut.model_validate(each).model_dump() for each in faults]
        raise ImportRefused(f"{len(told)} of {len(read)} rows are at fault", faults=told)
    return ImportOut.model_validate({"imported": report.imported, "known": report.known, "faults": faults})


@router.get("/members/{member_id}/history", responses=refuses(UnknownMember))
async def history(
    request: Request,
    member_id: MemberId,
    caller: Reader,
    connection: Reading,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[HistoryOut]:
    """The statement of the system before this one, newest first. It explains; no balance follows from it.

    What was brought in under an id stands under that id, also after a merge."""
    rows = await history_of(
        actions_of(request), connection, key_of(caller, member_id), HISTORY.read(cursor), limit + 1
    )
    page, following = HISTORY.cut(rows, limit, lambda row: (row["happened_at"], row["row_id"]))
    return Page(items=[HistoryOut.model_validate(row) for row in page], next=following)


def _read(content_type: str, body: bytes) -> Sequence[Entry | Fault]:
    """The rows of a body, at most a thousand.

    Raises:
        BodyUnreadable: it is not UTF-8.
        RequestValidationError: it is no list of rows, or too long a one.
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode("utf-8-sig")
        if kind == CSV or kind in JSON_LINES:
            found = list(entries_of(io.StringIO(text, newline=""), is_csv=kind == CSV))
            ImportIn.model_validate({"rows": [{}] * len(found)})
            return found
        rows = ImportIn.model_validate_json(text).rows
    except UnicodeDecodeError:
        raise BodyUnreadable("The body is not UTF-8.") from None
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None
    return [entry_of(place, row) for place, row in enumerate(rows, 1)]
