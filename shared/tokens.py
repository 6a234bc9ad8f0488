"""Bearer tokens: who calls, for which program, and what they may do.

A token is a JWT (EdDSA or RS256) with the claims `program`, `sub`, `exp` and `scope` ("ledger:read
ledger:write"), and with `member` if it belongs to one member, who then sees themselves and nobody else. One with
`partner` belongs to another company, which reaches what concerns it as a partner and nothing else.

What a newcomer would get wrong: checking a signature costs more than answering a small request, so a token
that passed is remembered for a minute. Its expiry is checked on every use all the same.

    python -m shared.tokens keys                                  # an Ed25519 pair into .local/keys/
    python -m shared.tokens create --program demo --scope "ledger:read ledger:write"
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import jwt
import typer
from cachetools import TTLCache
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from shared.clock import Clock, system_clock
from shared.errors import Kind, ServiceError
from shared.http.client import AsyncClient
from shared.token_keys import (
    PRIVATE_KEY,
    KeyFiles,
    KeySet,
    KeySource,
    KeysUnusable,
    VerificationKey,
    fingerprint,
    read_private_key,
    write_key_pair,
)

# How long a withdrawn key may still be honoured for a token that was seen before.
REMEMBER_SECONDS = 60
REMEMBERED_TOKENS = 10_000
# A token above this is no token of ours, and is not worth the work.
MAX_TOKEN_CHARACTERS = 8192
MAX_ID_CHARACTERS = 200
# Clocks of issuers run ahead a little; a token may say that it begins so far in the future.
SKEW_SECONDS = 30
KEYS_FOLDER = Path(".local/keys")

_ALGORITHMS = ["EdDSA", "RS256"]


class TokenMissing(ServiceError):
    """The request carries no bearer token."""

    kind = Kind.UNAUTHENTICATED
    code = "token_missing"


class TokenInvalid(ServiceError):
    """The bearer token is not valid."""

    kind = Kind.UNAUTHENTICATED
    code = "token_invalid"


class TokenExpired(ServiceError):
    """The bearer token has expired."""

    kind = Kind.UNAUTHENTICATED
    code = "token_expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as their token says."""

    program_id: str
    subject: str
    scopes: frozenset[str]
    member_id: str | None = None
    partner: str | None = None

    def may(self, scope: str) -> bool:
        """Whether the token holds this scope."""
        return scope in self.scopes

    def may_see(self, member_id: str) -> bool:
        """Whether this caller may see that member: a member only themselves, a system everybody."""
        return self.member_id is None or self.member_id == member_id


class Verifier:
    """Turns tokens into callers."""

    def __init__(
        self,
        keys: KeySource,
        *,
        clock: Clock = system_clock,
        issuer: str | None = None,
        audience: str | None = None,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._seen: TTLCache[str, tuple[Caller, float]] = TTLCache(
            REMEMBERED_TOKENS, REMEMBER_SECONDS, timer=lambda: clock().timestamp()
        )

    async def verify(self, token: str) -> Caller:
        """The caller that this token stands for.

        Raises:
            TokenInvalid: not signed by a known key, or its claims are incomplete.
            TokenExpired: it was valid once.
            KeysUnavailable: the issuer of the keys is away.
        """
        remembered = self._seen.get(token)
        if remembered is None:
            remembered = self._seen[token] = await self._check(token)
        caller, expires_at = remembered
        if self._clock().timestamp() >= expires_at:
            raise TokenExpired("The bearer token has expired; ask its issuer for a new one.")
        return caller

    async def _check(self, token: str) -> tuple[Caller, float]:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenInvalid(f"A token has at most {MAX_TOKEN_CHARACTERS} characters.")
        algorithm, key_id = _read_header(token)
        candidates = [key for key in await self._keys.keys(key_id) if key.algorithm == algorithm]
        if not candidates:
            raise TokenInvalid(f"No known {algorithm} key has the id {key_id!r}.")
        claims = self._claims(token, candidates)
        self._check_begin(claims)
        return _caller(claims), _number(claims, "exp")

    def _claims(self, token: str, candidates: Iterable[VerificationKey]) -> dict[str, Any]:
        for key in candidates:
            try:
                return jwt.decode(
                    token,
                    key=key.key,
                    algorithms=[key.algorithm],
                    issuer=self._issuer,
                    audience=self._audience,
                    options={
                        "require": ["exp", "sub", "program", "scope"],
                        "verify_exp": False,  # against the injected clock, on each use
                        "verify_nbf": False,
                        "verify_iat": False,
                        "verify_aud": self._audience is not None,
                    },
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as error:
                raise TokenInvalid(f"The bearer token is not valid: {error}") from None
        raise TokenInvalid("The signature of the bearer token does not fit its content.")

    def _check_begin(self, claims: dict[str, Any]) -> None:
        if "nbf" in claims and _number(claims, "nbf") > self._clock().timestamp() + SKEW_SECONDS:
            raise TokenInvalid("The bearer token is not valid yet (`nbf`).")


def verifier_from(
    token_keys: str,
    *,
    client: AsyncClient,
    clock: Clock = system_clock,
    issuer: str | None = None,
    audience: str | None = None,
) -> Verifier:
    """The verifier that the setting TOKEN_KEYS describes: PEM paths with commas between, or a JWKS' URL.

    Raises:
        KeysUnusable: a file is missing or holds no usable key, or nothing is named.
    """
    keys: KeySource
    if token_keys.startswith(("https://", "http://")):
        keys = KeySet(token_keys, client, clock)
    else:
        keys = KeyFiles.read(Path(path.strip()) for path in token_keys.split(",") if path.strip())
    return Verifier(keys, clock=clock, issuer=issuer, audience=audience)


def sign_token(
    private_key: Ed25519PrivateKey | RSAPrivateKey,
    *,
    program_id: str,
    scopes: Iterable[str],
    subject: str,
    now: datetime,
    lifetime: timedelta,
    member_id: str | None = None,
    partner: str | None = None,
    **claims: object,
) -> str:
    """A signed token for a caller; further `claims` (`iss`, `aud`) go in as they are."""
    payload: dict[str, object] = {
        **claims,
        "program": program_id,
        "sub": subject,
        "scope": " ".join(sorted(scopes)),
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    if member_id is not None:
        payload["member"] = member_id
    if partner is not None:
        payload["partner"] = partner
    algorithm = "EdDSA" if isinstance(private_key, Ed25519PrivateKey) else "RS256"
    headers = {"kid": fingerprint(private_key.public_key())}
    return jwt.encode(payload, private_key, algorithm=algorithm, headers=headers)


def _read_header(token: str) -> tuple[str, str | None]:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise TokenInvalid(f"The bearer token is not a JWT: {error}") from None
    algorithm = header.get("alg")
    if algorithm == "Ed25519":
        raise TokenInvalid("Tokens signed with Ed25519 must say `EdDSA` as algorithm, not `Ed25519`.")
    if algorithm not in _ALGORITHMS:
        raise TokenInvalid(f"Tokens are signed with {' or '.join(_ALGORITHMS)}, this one says {algorithm!r}.")
    return algorithm, header.get("kid")


def _caller(claims: dict[str, Any]) -> Caller:
    scope = claims["scope"]
    if not isinstance(scope, str):
        raise TokenInvalid("The claim `scope` must be one text with spaces between the scopes.")
    member_id = _text(claims, "member") if "member" in claims else None
    return Caller(
        program_id=_text(claims, "program"),
        subject=_text(claims, "sub"),
        scopes=frozenset(scope.split()),
        member_id=member_id,
        partner=_text(claims, "partner") if "partner" in claims else None,
    )


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARACTERS or "\0" in value:
        raise TokenInvalid(f"The claim `{name}` must be a text of 1 to {MAX_ID_CHARACTERS} characters.")
    return value


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenInvalid(f"The claim `{name}` must be a number of seconds.")
    return float(value)


cli = typer.Typer(help="Make keys and tokens for the HTTP doors.", no_args_is_help=True, add_completion=False)


@cli.command()
def keys(folder: Annotated[Path, typer.Option(help="Where the two files go.")] = KEYS_FOLDER) -> None:
    """Make an Ed25519 key pair; give the public file to the services as TOKEN_KEYS."""
    try:
        private_path, public_path = write_key_pair(folder)
    except KeysUnusable as error:
        raise SystemExit(error.message) from None
    typer.echo(f"private key: {private_path} (keep it)\npublic key:  {public_path} (TOKEN_KEYS)")


@cli.command()
def create(
    program: Annotated[str, typer.Option(help="The program that the token is good for.")],
    scope: Annotated[str, typer.Option(help='What it allows, such as "ledger:read ledger:write".')],
    subject: Annotated[str, typer.Option(help="Who bears it; shows up in logs and journals.")] = "local",
    member: Annotated[str | None, typer.Option(help="If set: this member's own token.")] = None,
    partner: Annotated[str | None, typer.Option(help="If set: this partner's own token.")] = None,
    days: Annotated[float, typer.Option(min=0.0, max=3650.0, help="How long it is valid.")] = 30.0,
    key: Annotated[Path, typer.Option(help="The private key.")] = KEYS_FOLDER / PRIVATE_KEY,
    issuer: Annotated[str | None, typer.Option(help="The claim `iss`.")] = None,
    audience: Annotated[str | None, typer.Option(help="The claim `aud`.")] = None,
) -> None:
    """Print a signed token."""
    claims = {name: value for name, value in (("iss", issuer), ("aud", audience)) if value}
    try:
        token = sign_token(
            read_private_key(key),
            program_id=program,
            scopes=scope.split(),
            subject=subject,
            now=system_clock(),
            lifetime=timedelta(days=days),
            member_id=member,
            partner=partner,
            **claims,
        )
    except KeysUnusable as error:
        raise SystemExit(error.message) from None
    typer.echo(token)


if __name__ == "__main__":
    cli()
