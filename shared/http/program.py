"""The program of a merchant over HTTP, the same in every service: `/v1/program`.

`shared.service.app_of` gives it to all of them; a service puts its `programs` into the state of its doors.

What a newcomer would get wrong: the answer's document is not the sent text. Scalars are kept as text, comments and
layout are not kept; the file in the merchant's own repository stays the original.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from shared.errors import ServiceError
from shared.http.auth import requires
from shared.http.etags import (
    IfMatch,
    IfNoneMatch,
    PreconditionFailed,
    etag_of,
    is_unchanged,
    require_match,
)
from shared.http.idempotency import DryRun, Write, door_router
from shared.http.openapi import PROBLEM, refuses
from shared.http.paging import DEFAULT_LIMIT, Cursors, CursorText, Limit, Page
from shared.http.problems import MEDIA_TYPE, BodyUnreadable, UnsupportedMediaType
from shared.http.transaction import Connection, Reading
from shared.program_changes import changes_between
from shared.program_documents import (
    Lint,
    located,
    no_warnings,
    program_id_of,
    read_json,
    read_yaml,
    warnings_in,
)
from shared.program_file import ProgramFile, invalid, with_lines
from shared.programs import BEGINNING_OF_TIME, ProgramChanged, Programs, UnknownProgram, Version, Versions
from shared.tokens import Caller

YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
VERSIONS = Cursors("program_versions", tuple[int])

TryProgram = Callable[[Connection, Versions[Any], Version[Any], datetime], Awaitable[BaseModel]]
"""What a service may keep at `app.state.try_program`: it tries a version beside those that are known."""

Reader = Annotated[Caller, requires("program:read")]
Writer = Annotated[Caller, requires("program:write")]

_EXAMPLE = """\
program: demo
name: Tea & Cup Club
currency: EUR
time_zone: Europe/Paris
ledger:
  points: {expire: 12 months}
  earn:
    - {rule: base, on: order.paid, points: 1, per: 1.00 EUR}
"""
_DOCUMENT = read_yaml(_EXAMPLE).document

Number = Annotated[int, Field(examples=[1], description="The versions of a program count from 1.")]
Since = Annotated[
    datetime | None,
    Field(
        examples=[None],
        description="Events that happened from then on follow this version; null = from the beginning, "
        "as the first version does.",
    ),
]


class ProgramOut(BaseModel):
    """The version of the program that was applied last."""

    program: str = Field(examples=["demo"])
    version: Number
    since: Since
    applied_at: datetime
    document: dict[str, Any] = Field(
        examples=[_DOCUMENT], description="The program with all its sections; every scalar is text."
    )


class VersionOut(BaseModel):
    """One version of the program, without its document."""

    version: Number
    since: Since
    applied_at: datetime


class ChangeOut(BaseModel):
    """One place that differs from the version before."""

    kind: Literal["added", "changed", "removed"]
    path: str = Field(
        examples=["ledger.earn[base].points"], description="Entries of lists go by their names."
    )
    before: Any = Field(default=None, examples=["1"])
    after: Any = Field(default=None, examples=["2"])


class WarningOut(BaseModel):
    """A place that works and should be thought about again."""

    path: str = Field(examples=["ledger.spend.rewards[0].costs"])
    line: int | None = Field(default=None, examples=[12], description="The line of the YAML text, from 1.")
    message: str = Field(
        examples=["27 points for 5 %: nobody works that out in the head (…); take 25 points or 50 points"]
    )


class AppliedOut(BaseModel):
    """What is in force now, or would be after a dry run."""

    program: str = Field(examples=["demo"])
    version: Number
    since: Since
    applied_at: datetime
    dry_run: bool
    changes: list[ChangeOut] = Field(description="Empty = this document was in force already.")
    warnings: list[WarningOut] = Field(
        default_factory=list, description="What works and should be thought about again."
    )
    trial: dict[str, Any] | None = Field(
        default=None,
        description="Only in a dry run that changes something, of a service that tries programs: what past events "
        "would have come to, before and after.",
    )


def program_router(name: str, lint: Lint = no_warnings) -> APIRouter:
    """The endpoints of the program in the service `name`, which keeps its `Programs` at `app.state.programs`.

    `lint` says what somebody should think about again in a document that the service accepts.

    Scopes: `program:read`, `program:write`. The token says which program; a document of another one is refused.
    """
    router = door_router(prefix="/program", tags=["program"])
    router.add_api_route(
        "",
        read_program,
        summary="The program in force",
        responses={**refuses(UnknownProgram), 304: {"description": "Unchanged since `If-None-Match`."}},
    )
    router.add_api_route(
        "/versions", list_versions, summary="All versions of the program", responses=refuses(UnknownProgram)
    )
    router.add_api_route(
        "",
        _applying(lint),
        methods=["PUT"],
        summary="Apply a program",
        openapi_extra=_BODY,
        responses=_REFUSALS,
    )
    for route in router.routes:
        route.operation_id = f"{name}_{route.name}"  # type: ignore[attr-defined]
    return router


async def read_program(
    request: Request,
    response: Response,
    caller: Reader,
    connection: Reading,
    if_none_match: IfNoneMatch = None,
) -> ProgramOut:
    """The newest version with its document; its `ETag` is what a change must name in `If-Match`."""
    newest = (await _programs(request).one(connection, caller.program_id)).newest
    response.headers["ETag"] = etag_of(newest.number)
    if is_unchanged(if_none_match, newest.number):
        # An answer without a body; FastAPI takes a Response as it is.
        return Response(status_code=304, headers={"ETag": etag_of(newest.number)})  # type: ignore[return-value]
    return ProgramOut(**_head(newest), document=dict(newest.document))


async def list_versions(
    request: Request,
    caller: Reader,
    connection: Reading,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[VersionOut]:
    """The newest first. An event follows the version that was in force when it happened."""
    versions = (await _programs(request).one(connection, caller.program_id)).all
    after = VERSIONS.read(cursor)
    older = [version for version in reversed(versions) if after is None or version.number < after[0]]
    page, following = VERSIONS.cut(older[: limit + 1], limit, key=lambda version: (version.number,))
    return Page(items=[_version_out(version) for version in page], next=following)


def _applying(lint: Lint) -> Callable[..., Awaitable[AppliedOut]]:
    """The endpoint that applies a program; `lint` is the service's own."""

    async def apply_program(
        request: Request,
        response: Response,
        caller: Writer,
        write: Write,
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
        dry_run: DryRun = False,
    ) -> AppliedOut:
        """Check the program and put it in force for what happens from now on.

        The body is the whole file, as YAML or as JSON; each service reads its own section, so send it to each. The
        first version needs no `If-Match` and holds from the beginning of time, so that a history can be imported;
        each later one names what it replaces. The document in force, sent again, adds no version.
        """
        file = _read_body(request.headers.get("content-type", ""), await request.body())
        _require_own(file, caller.program_id)
        known = (await _programs(request).of(write, [caller.program_id])).get(caller.program_id)
        before = known.newest if known else None
        _require_preconditions(if_match, if_none_match, before.number if before else None)
        version = await _put_in_force(request, write, file, caller.program_id, before)
        trial = None
        if not dry_run:
            response.headers["ETag"] = etag_of(version.number)
        elif known is not None and version.number != known.newest.number:
            trial = await _try(request, write, known, version)
        warnings = [WarningOut(**each) for each in warnings_in(file, lint)]
        changes = _changes(before, file)
        return AppliedOut(**_head(version), dry_run=dry_run, changes=changes, warnings=warnings, trial=trial)

    return apply_program


async def _put_in_force(
    request: Request, connection: Connection, file: ProgramFile, program_id: str, before: Version[Any] | None
) -> Version[Any]:
    """The version that is in force now: a new one, or `before` where the file says the same.

    Raises:
        ServiceError: the program cannot work, with the lines of the file; or another request was faster.
    """
    try:
        return await _programs(request).apply(
            connection,
            program_id,
            file.document,
            now=request.app.state.clock(),
            expected_version=before.number if before else 0,
        )
    except ServiceError as error:
        raise located(error, file) from None


def _changes(before: Version[Any] | None, file: ProgramFile) -> list[ChangeOut]:
    return [
        ChangeOut(kind=each.kind, path=each.path, before=each.before, after=each.after)
        for each in changes_between(before.document if before else {}, file.document)
    ]


async def _try(
    request: Request, connection: Connection, known: Versions[Any], wanted: Version[Any]
) -> dict[str, Any] | None:
    """What the service says of a version that is not in force; it finds both here, and asks `Programs` for none."""
    trial: TryProgram | None = getattr(request.app.state, "try_program", None)
    if trial is None:
        return None
    return (await trial(connection, known, wanted, request.app.state.clock())).model_dump(mode="json")


def _programs(request: Request) -> Programs[Any]:
    programs: Programs[Any] = request.app.state.programs
    return programs


def _head(version: Version[Any]) -> dict[str, Any]:
    return {"program": version.program_id, **_version_out(version).model_dump()}


def _version_out(version: Version[Any]) -> VersionOut:
    since = None if version.since == BEGINNING_OF_TIME else version.since
    return VersionOut(version=version.number, since=since, applied_at=version.applied_at)


def _read_body(content_type: str, body: bytes) -> ProgramFile:
    media = content_type.partition(";")[0].strip().lower()
    if media != "application/json" and media not in YAML_TYPES:
        raise UnsupportedMediaType(
            "Send the program with `Content-Type: application/yaml` or `application/json`."
        )
    try:
        text = body.decode()
        return read_json(text) if media == "application/json" else read_yaml(text)
    except ValueError:
        what = "JSON" if media == "application/json" else "YAML"
        raise BodyUnreadable(f"The body is not {what} in UTF-8.") from None


def _require_own(file: ProgramFile, program_id: str) -> None:
    named = program_id_of(file)
    if named != program_id:
        message = f"the token is good for the program {program_id!r}, not for {named!r}"
        raise with_lines(invalid([(("program",), message)]), file)


def _require_preconditions(if_match: str | None, if_none_match: str | None, version: int | None) -> None:
    if if_none_match is not None and version is not None and is_unchanged(if_none_match, version):
        raise PreconditionFailed(
            f"There is a program already, in version {version}; read it and send `If-Match`.",
            current_version=version,
        )
    require_match(if_match, version)


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The whole program file; `program` must be the token's.",
        "content": {
            "application/yaml": {"schema": {"type": "string"}, "example": _EXAMPLE},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["program"],
                    "properties": {"program": {"type": "string"}},
                    "additionalProperties": True,
                },
                "example": _DOCUMENT,
            },
        },
    }
}
_FAULTS: dict[str, Any] = {
    "type": "object",
    "title": "ProgramProblem",
    "description": "The program says something that cannot work; `errors` names each place.",
    "required": PROBLEM["required"],
    "properties": {
        **PROBLEM["properties"],
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {
                    "path": {"type": "string", "description": "Where, as in `ledger.earn[2].points`."},
                    "line": {"type": "integer", "description": "The line of the YAML text, from 1."},
                    "message": {"type": "string", "description": "What is wrong, and what would be right."},
                },
            },
        },
    },
    "additionalProperties": True,
}
_INVALID = {
    "type": "urn:habitue:problem:invalid_program",
    "title": "The program file says something that cannot work.",
    "status": 422,
    "detail": "line 7: ledger.earn[0].point: this word is not known here; did you mean `points`?",
    "code": "invalid_program",
    "instance": "/v1/program",
    "request_id": "6c1f…",
    "errors": [
        {
            "path": "ledger.earn[0].point",
            "line": 7,
            "message": "this word is not known here; did you mean `points`?",
        }
    ],
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    **refuses(ProgramChanged),
    422: {
        "description": "The program cannot work, or the request is not valid.",
        "content": {
            MEDIA_TYPE: {
                "schema": {"anyOf": [_FAULTS, {"$ref": "#/components/schemas/Problem"}]},
                "examples": {"invalid_program": {"value": _INVALID}},
            }
        },
    },
}
