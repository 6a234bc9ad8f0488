"""Config resources change only for who has seen what they replace: ETag and If-Match (RFC 9110, section 13).

    version = await store.version(program_id)          # None: there is none yet
    require_match(if_match, version)
    response.headers["ETag"] = etag_of(version + 1)

What a newcomer would get wrong: `If-Match` compares strongly, so a weak tag (`W/"…"`, as a proxy may make of ours)
never matches; and leaving the header out is refused with 428 once there is something to overwrite.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

from shared.errors import Kind, ServiceError

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="The `ETag` of the version that this one replaces, or `*` for any."),
]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", description="An `ETag` seen before: 304 if it is still the current one."),
]


class PreconditionFailed(ServiceError):
    """The resource has changed since it was read."""

    kind = Kind.PRECONDITION_FAILED
    code = "precondition_failed"


class PreconditionRequired(ServiceError):
    """The request must say which version it replaces."""

    kind = Kind.PRECONDITION_FAILED
    code = "precondition_required"


def etag_of(version: int | str) -> str:
    """The strong ETag of a version."""
    return f'"{version}"'


def require_match(if_match: str | None, version: int | str | None) -> None:
    """Let a write through only if it replaces what is there; `version` None means that nothing is there yet.

    Raises:
        PreconditionRequired: something is there and `If-Match` was left out (428).
        PreconditionFailed: another version is there, or none (412).
    """
    if if_match is None:
        if version is None:
            return
        raise PreconditionRequired("Send `If-Match` with the ETag of the version that you have read.")
    if version is None:
        raise PreconditionFailed("There is nothing here yet; leave `If-Match` out to create it.")
    if if_match.strip() != "*" and etag_of(version) not in _strong_tags(if_match):
        raise PreconditionFailed(f"The current version is {version}; read it again.", current_version=version)


def is_unchanged(if_none_match: str | None, version: int | str) -> bool:
    """Whether a reader has the current version already (answer 304 then); compares weakly, as the RFC says."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or str(version) in {tag for _, tag in _TAG.findall(if_none_match)}


def _strong_tags(header: str) -> set[str]:
    return {f'"{tag}"' for weak, tag in _TAG.findall(header) if not weak}
