"""The public keys that tokens are checked with: our own PEM files, or an issuer's JWKS.

What a newcomer would get wrong: the algorithm of a check comes from the *key* (Ed25519 → EdDSA, RSA →
RS256), never from the token, which its bearer wrote. And a key set skips what it does not understand
without a word, so keys that name the newer algorithm `Ed25519` (RFC 9864) are read here as what they are:
EdDSA keys.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from shared.clock import Clock
from shared.errors import Kind, ServiceError, Unavailable
from shared.http.client import AsyncClient, HTTPError
from shared.logs import get_logger

log = get_logger(__name__)

PublicKey = Ed25519PublicKey | RSAPublicKey

# An unknown key id asks the issuer again, but a flood of invented ids must not become a flood at the issuer.
REFRESH_SECONDS = 30.0
# A key that the issuer withdrew stops working after this long, even if nobody shows an unknown id.
MAX_AGE_SECONDS = 3600.0
MIN_RSA_BITS = 2048
PRIVATE_KEY, PUBLIC_KEY = "private.pem", "public.pem"
_PEM_END = "-----END PUBLIC KEY-----"


class KeysUnusable(ServiceError):
    """The keys that tokens are checked with cannot be used."""

    kind = Kind.INVALID
    code = "token_keys_unusable"


class KeysUnavailable(Unavailable):
    """The issuer's keys cannot be fetched at the moment."""

    code = "token_keys_unavailable"


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key with its id and the one algorithm it is used with."""

    key_id: str
    algorithm: str
    key: PublicKey

    @classmethod
    def of(cls, key: object, *, key_id: str | None = None) -> VerificationKey:
        """Wrap a public key; without an id it gets its fingerprint.

        Raises:
            KeysUnusable: neither Ed25519 nor RSA of at least 2,048 bits.
        """
        if isinstance(key, Ed25519PublicKey):
            return cls(key_id or fingerprint(key), "EdDSA", key)
        if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
            return cls(key_id or fingerprint(key), "RS256", key)
        raise KeysUnusable(f"A key must be Ed25519, or RSA with at least {MIN_RSA_BITS} bits.")


class KeySource(Protocol):
    """Where verification keys come from."""

    async def keys(self, key_id: str | None) -> list[VerificationKey]:
        """The keys that a token with this id (or none) may be signed with; empty if there are none."""


def fingerprint(key: PublicKey) -> str:
    """A short stable id: the start of the SHA-256 of the key's DER form, in hex."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:16]


class KeyFiles:
    """Keys of our own. Several are valid at once, so that a key can be replaced without a gap."""

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        self._keys = list(keys)
        self._by_id = {key.key_id: key for key in self._keys}

    @classmethod
    def read(cls, paths: Iterable[Path]) -> KeyFiles:
        """Read PEM files; each holds one or more public keys.

        Raises:
            KeysUnusable: names the file that is missing or holds no usable key.
        """
        keys = [key for path in paths for key in _keys_of_file(path)]
        if not keys:
            raise KeysUnusable("TOKEN_KEYS names no file; without keys no token can be checked.")
        return cls(keys)

    async def keys(self, key_id: str | None) -> list[VerificationKey]:
        """The key with this id; all of them where the token names none or one that is not ours."""
        known = self._by_id.get(key_id or "")
        return [known] if known else self._keys


class KeySet:
    """An issuer's JWKS, fetched when first needed and again when a token names a key it does not hold."""

    def __init__(self, url: str, client: AsyncClient, clock: Clock) -> None:
        self._url = url
        self._client = client
        self._clock = clock
        self._keys: dict[str, VerificationKey] = {}
        self._asked_at = float("-inf")
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def keys(self, key_id: str | None) -> list[VerificationKey]:
        """The key with this id; without an id all keys.

        Raises:
            KeysUnavailable: the issuer does not answer and the key is not known from before.
        """
        if self._is_old(self._fetched_at, MAX_AGE_SECONDS) or not self._knows(key_id):
            await self._refresh(key_id)
        if key_id is None:
            return list(self._keys.values())
        return [self._keys[key_id]] if key_id in self._keys else []

    def _knows(self, key_id: str | None) -> bool:
        return bool(self._keys) if key_id is None else key_id in self._keys

    def _is_old(self, moment: float, seconds: float) -> bool:
        return self._clock().timestamp() - moment >= seconds

    async def _refresh(self, key_id: str | None) -> None:
        async with self._lock:
            if self._is_old(self._asked_at, REFRESH_SECONDS):
                self._asked_at = self._clock().timestamp()
                await self._fetch()
        if self._is_old(self._fetched_at, MAX_AGE_SECONDS) and not self._knows(key_id):
            raise KeysUnavailable(f"The key set at {self._url} cannot be read; see the log for why.")

    async def _fetch(self) -> None:
        try:
            answer = await self._client.get(self._url)
            answer.raise_for_status()
            self._keys = read_key_set(answer.json())
            self._fetched_at = self._clock().timestamp()
        except (HTTPError, ValueError, KeysUnusable) as error:
            log.warning("key_set_not_read", url=self._url, error=repr(error))


def read_key_set(document: Any) -> dict[str, VerificationKey]:
    """The usable signing keys of a JWKS by id; what cannot be used is logged and left out.

    Raises:
        KeysUnusable: the document is not a JWKS, or holds no key that we can use.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise KeysUnusable("The document is not a JSON Web Key Set: it has no list `keys`.")
    keys = [key for entry in entries if (key := _key_of_entry(entry)) is not None]
    if not keys:
        raise KeysUnusable("The key set holds no Ed25519 or RSA signing key.")
    return {key.key_id: key for key in keys}


def write_key_pair(folder: Path) -> tuple[Path, Path]:
    """Make an Ed25519 pair, the private key readable by its owner only; returns both paths, private first.

    Raises:
        KeysUnusable: there is a pair already; tokens signed with it would stop working.
    """
    private_path, public_path = folder / PRIVATE_KEY, folder / PUBLIC_KEY
    if private_path.exists():
        raise KeysUnusable(f"{private_path} exists; move it away first if its tokens may stop working.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    private_path.touch(mode=0o600, exist_ok=False)
    private_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public_path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private_path, public_path


def read_private_key(path: Path) -> Ed25519PrivateKey | RSAPrivateKey:
    """The private key of a PEM file.

    Raises:
        KeysUnusable: the file is missing, or holds another kind of key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise KeysUnusable(f"{path}: {error}") from None
    if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
        raise KeysUnusable(f"{path}: tokens are signed with an Ed25519 or RSA key.")
    return key


def _key_of_entry(entry: Any) -> VerificationKey | None:
    try:
        if entry.get("use", "sig") != "sig":
            return None
        material = {name: value for name, value in entry.items() if name != "alg"}
        return VerificationKey.of(jwt.PyJWK(material).key, key_id=entry.get("kid"))
    except (AttributeError, jwt.PyJWTError, KeysUnusable) as error:
        log.warning("key_of_set_skipped", error=repr(error))
        return None


def _keys_of_file(path: Path) -> list[VerificationKey]:
    try:
        blocks = path.read_text(encoding="ascii").split(_PEM_END)[:-1]
        keys = [load_pem_public_key((block.strip() + "\n" + _PEM_END + "\n").encode()) for block in blocks]
    except (OSError, ValueError) as error:
        raise KeysUnusable(f"{path}: {error}") from None
    if not keys:
        raise KeysUnusable(f"{path}: holds no public key in PEM form (`{_PEM_END}`).")
    return [VerificationKey.of(key) for key in keys]
