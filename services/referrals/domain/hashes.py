"""Codes and keyed hashes: what names a member to others, and what can be compared but not read.

What a newcomer would get wrong: a plain hash of an e-mail address is no protection, since addresses can be guessed by
the million. The key is what protects; program and purpose go into each hash, so that no two can be joined.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from typing import Final
from uuid import UUID

LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no I, L, O (read as 1, 1, 0) and no U."""
CODE_LENGTH: Final = 10  # 50 bits: a million members leave a guess one chance in a thousand million
_LOOK_ALIKE: Final = str.maketrans("ILO", "110", " -")
_READABLE: Final = re.compile(r"[0-9A-Z]{4,32}").fullmatch
_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})


class Secret:
    """The key of an installation, and what is made with it."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        assert len(key) >= 16, "a short key protects nothing"
        self._key = key

    def code(self, program_id: str, member_id: str, attempt: int = 0) -> str:
        """The code of a member. `attempt` counts up where another member has that code already."""
        bits = int.from_bytes(self._hash("code", program_id, member_id, str(attempt))[:8])
        return "".join(LETTERS[bits >> shift & 31] for shift in range(0, 5 * CODE_LENGTH, 5))

    def email(self, program_id: str, address: str) -> UUID | None:
        """What stands for an e-mail address, the same for all its spellings; None for what is no address."""
        plain = plain_address(address)
        return None if plain is None else UUID(bytes=self._hash("email", program_id, plain)[:16])

    def referral_id(self, program_id: str, friend_id: str, advocate_id: str) -> UUID:
        """The id of the referral between two members; it tells nobody who they are."""
        return UUID(bytes=self._hash("referral", program_id, friend_id, advocate_id)[:16])

    def _hash(self, *parts: str) -> bytes:
        return hmac.digest(self._key, "\0".join(parts).encode(), "sha256")


def read_code(text: str) -> str | None:
    """A code as people type it, in its one spelling; None for what can be no code.

    Small letters, spaces, hyphens and look-alike letters are forgiven.
    """
    code = text.strip().upper().translate(_LOOK_ALIKE)
    return code if _READABLE(code) else None


def plain_address(address: str) -> str | None:
    """An e-mail address without what does not tell people apart: case, `+tag`, and dots at Gmail."""
    local, at, domain = unicodedata.normalize("NFKC", address).strip().lower().rpartition("@")
    local = local.partition("+")[0]
    if domain in _GMAIL:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}" if at and local and domain else None
