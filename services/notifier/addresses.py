"""Mail addresses: whether one can be written to, and the keyed hash by which a blocked one is known.

What a newcomer would get wrong: the hash is of the whole address in lower case, nothing more. That two spellings may
reach one mailbox matters to the referrals' fraud checks, not to the question which address a server has refused.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from email.headerregistry import Address
from uuid import UUID

# RFC 5321, section 4.5.3.1: a path has at most 256 characters with its brackets.
MAX_CHARACTERS = 254


def deliverable(address: str) -> str | None:
    """The address as SMTP takes it, a domain of other letters in its ASCII form; None if nothing can be sent there."""
    try:
        parts = Address(addr_spec=address.strip())
        domain = parts.domain.encode("idna").decode()
    except Exception:  # headerregistry and the codec raise what their parsers stumble over
        return None
    plain = f"{parts.addr_spec.rpartition('@')[0]}@{domain}"
    if not parts.username or "." not in domain.strip(".") or len(plain) > MAX_CHARACTERS:
        return None
    return plain if plain.isascii() and plain.isprintable() and " " not in plain else None


def address_hashes(keys: Sequence[bytes], address: str) -> list[UUID]:
    """16 bytes that stand for an address, one for each key; the first is the one to keep."""
    name = address.strip().lower().encode()
    return [UUID(bytes=hmac.digest(key, b"address\0" + name, hashlib.sha256)[:16]) for key in keys]
