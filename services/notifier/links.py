"""Signed links in mails: whoever holds one may do the one thing that it is for, without logging in.

What a newcomer would get wrong: such a link never expires. A mail may be read a year later, and its unsubscription must
still work; so what it allows is small, and it names no contact data.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from services.notifier.errors import LinkInvalid

_SIGNATURE_BYTES = 16
_MAX_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """Who wants no more of what, on which channel."""

    program_id: str
    member_id: str
    purpose: str
    channel: str


_Parts = tuple[str, str, str, str, str]
_KIND = "u1"


class Links:
    """Makes and reads links. The first key signs, all are recognised."""

    def __init__(self, keys: Sequence[bytes], public_url: str) -> None:
        self._keys = keys
        self._public_url = public_url

    def unsubscribe_url(self, link: Unsubscription) -> str:
        """The address at which this member unsubscribes."""
        return f"{self._public_url}/u/{self.token(link)}"

    def token(self, link: Unsubscription) -> str:
        """What stands for the unsubscription in an address."""
        parts: _Parts = (_KIND, link.program_id, link.member_id, link.purpose, link.channel)
        packed = msgspec.msgpack.encode(parts)
        return base64.urlsafe_b64encode(_signature(self._keys[0], packed) + packed).rstrip(b"=").decode()

    def read(self, token: str) -> Unsubscription:
        """What a token stands for.

        Raises:
            LinkInvalid: we did not sign it, or a part of it is missing.
        """
        try:
            if len(token) > _MAX_CHARACTERS:
                raise LinkInvalid
            raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
            signature, packed = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
            if not any(hmac.compare_digest(signature, _signature(key, packed)) for key in self._keys):
                raise LinkInvalid
            kind, *parts = msgspec.msgpack.decode(packed, type=_Parts)
        except (ValueError, binascii.Error, msgspec.MsgspecError):
            raise LinkInvalid from None
        if kind != _KIND:
            raise LinkInvalid
        return Unsubscription(*parts)


def _signature(key: bytes, packed: bytes) -> bytes:
    return hmac.digest(key, b"link\0" + packed, "sha256")[:_SIGNATURE_BYTES]
