"""An id with a slash in an address: `/v1/members/shop%2F17/balances` is of the member `shop/17`.

Servers decode an address before it is matched, so `%2F` looks like any other slash then. Here it is kept apart until
the address is matched, and is a slash again when an endpoint sees it.

What a newcomer would get wrong: nothing but a slash that came encoded is touched. `/v1/members/shop/17/balances` is
still an address that there is not.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.types import Scope

STAND_IN = "\ufdd0"
"""Unicode keeps this code point for use within a program: it is no character, and in no id."""
_ENCODED = re.compile(b"%2f", re.IGNORECASE)


class _Segment(StringConvertor):
    """What stands between two slashes of an address."""

    def convert(self, value: str) -> str:
        """The segment as it was meant."""
        return value.replace(STAND_IN, "/")


def install() -> None:
    """Let every `{name}` in the address of a route be read so."""
    register_url_convertor("str", _Segment())


def keep_apart(scope: Scope) -> None:
    """Mark the encoded slashes of a request's address, before it is matched."""
    raw: bytes = scope.get("raw_path") or b""
    if _ENCODED.search(raw):
        marked = _ENCODED.sub(STAND_IN.encode(), raw)
        scope["path"] = unquote(marked.decode("utf-8", "replace"))


def readable(path: str) -> str:
    """The address as it was sent, for those who read of it."""
    return path.replace(STAND_IN, "%2F")
