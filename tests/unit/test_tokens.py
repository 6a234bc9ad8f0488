"""Tokens: who they let in, whom they keep out, and what a refusal says."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner

from shared import tokens
from shared.http.client import client_of
from shared.token_keys import (
    KeyFiles,
    KeySet,
    KeysUnavailable,
    KeysUnusable,
    VerificationKey,
    fingerprint,
    read_private_key,
    write_key_pair,
)
from shared.tokens import Caller, TokenExpired, TokenInvalid, Verifier, sign_token, verifier_from

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
RSA_KEY = generate_rsa_key(65537, 2048)


@dataclass
class SetClock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **span: float) -> None:
        self.now += timedelta(**span)


def a_token(key: Ed25519PrivateKey | RSAPrivateKey = KEY, **given: Any) -> str:
    usual: dict[str, Any] = {
        "program_id": "demo",
        "scopes": ["ledger:read"],
        "subject": "shop",
        "now": NOW,
        "lifetime": timedelta(hours=1),
    }
    return sign_token(key, **{**usual, **given})


def a_raw_token(claims: dict[str, Any], **headers: Any) -> str:
    usual = {"program": "demo", "sub": "shop", "scope": "", "exp": int(NOW.timestamp()) + 60}
    payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(payload, KEY, algorithm="EdDSA", headers=headers or None)


def a_verifier(clock: SetClock | None = None, **options: Any) -> Verifier:
    keys = KeyFiles([VerificationKey.of(KEY.public_key()), VerificationKey.of(RSA_KEY.public_key())])
    return Verifier(keys, clock=clock or SetClock(), **options)


async def refusal(token: str, verifier: Verifier | None = None) -> str:
    with pytest.raises(TokenInvalid) as caught:
        await (verifier or a_verifier()).verify(token)
    return caught.value.message


@pytest.mark.parametrize("key", [KEY, RSA_KEY], ids=["EdDSA", "RS256"])
async def test_a_signed_token_says_who_calls(key: Ed25519PrivateKey | RSAPrivateKey) -> None:
    token = a_token(key, scopes=["ledger:write", "ledger:read"], member_id="m-1")
    assert await a_verifier().verify(token) == Caller(
        program_id="demo", subject="shop", scopes=frozenset({"ledger:read", "ledger:write"}), member_id="m-1"
    )


async def test_a_remembered_token_still_expires_to_the_second() -> None:
    clock = SetClock()
    verifier = a_verifier(clock)
    token = a_token(lifetime=timedelta(seconds=30))
    await verifier.verify(token)
    clock.passes(seconds=29)
    await verifier.verify(token)
    clock.passes(seconds=1)
    with pytest.raises(TokenExpired):
        await verifier.verify(token)


async def test_a_token_of_a_strange_key_is_refused() -> None:
    stranger = Ed25519PrivateKey.generate()
    assert "signature" in await refusal(a_token(stranger))


async def test_a_token_whose_claims_were_changed_is_refused() -> None:
    head, _, signature = a_token().split(".")
    _, claims, _ = a_raw_token({"scope": "ledger:write"}).split(".")
    assert "signature" in await refusal(f"{head}.{claims}.{signature}")


async def test_a_token_cannot_choose_its_own_algorithm() -> None:
    public = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    claims = {"program": "demo", "sub": "x", "scope": "", "exp": 9e9}
    for token in (jwt.encode(claims, public, algorithm="HS256"), jwt.encode(claims, "", algorithm="none")):
        assert "EdDSA or RS256" in await refusal(token)


async def test_the_newer_name_of_the_algorithm_is_refused_with_a_hint() -> None:
    _, claims, signature = a_token().split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"Ed25519"}').decode()
    assert "must say `EdDSA`" in await refusal(f"{head}.{claims}.{signature}")


@pytest.mark.parametrize("claim", ["exp", "sub", "program", "scope"])
async def test_a_token_without_a_needed_claim_is_refused_by_its_name(claim: str) -> None:
    assert claim in await refusal(a_raw_token({claim: None}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("program", ""),
        ("program", "a\0b"),
        ("member", 7),
        ("scope", ["a"]),
        ("exp", "soon"),
    ],
)
async def test_a_claim_of_the_wrong_shape_is_refused(claim: str, value: object) -> None:
    assert await refusal(a_raw_token({claim: value}))


async def test_a_token_from_the_future_is_refused() -> None:
    begins = int(NOW.timestamp()) + tokens.SKEW_SECONDS
    await a_verifier().verify(a_raw_token({"nbf": begins}))
    assert "nbf" in await refusal(a_raw_token({"nbf": begins + 1}))


async def test_issuer_and_audience_are_checked_where_they_are_set() -> None:
    verifier = a_verifier(issuer="https://id.example", audience="habitue")
    await verifier.verify(a_token(iss="https://id.example", aud=["habitue", "other"]))
    assert "audience" in (await refusal(a_token(iss="https://id.example", aud="other"), verifier)).lower()
    assert "issuer" in (await refusal(a_token(iss="https://evil.example", aud="habitue"), verifier)).lower()


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "x" * 10_000])
async def test_what_is_no_token_is_refused(token: str) -> None:
    assert await refusal(token)


def test_a_member_sees_themselves_and_a_system_everybody() -> None:
    system = Caller(program_id="demo", subject="shop", scopes=frozenset())
    member = Caller(program_id="demo", subject="m-1", scopes=frozenset(), member_id="m-1")
    assert (system.may_see("m-2"), member.may_see("m-1"), member.may_see("m-2")) == (True, True, False)


# Key files


async def test_a_written_key_pair_signs_and_verifies_and_stays_private(tmp_path: Path) -> None:
    private_path, public_path = write_key_pair(tmp_path / "keys")
    assert private_path.stat().st_mode & 0o777 == 0o600
    token = a_token(read_private_key(private_path))
    async with client_of(Starlette()) as client:
        verifier = verifier_from(str(public_path), client=client, clock=SetClock())
        assert (await verifier.verify(token)).program_id == "demo"


def test_a_key_pair_is_never_overwritten(tmp_path: Path) -> None:
    write_key_pair(tmp_path)
    with pytest.raises(KeysUnusable, match="exists"):
        write_key_pair(tmp_path)


async def test_two_files_are_valid_at_once_so_that_a_key_can_be_replaced(tmp_path: Path) -> None:
    pairs = [write_key_pair(tmp_path / name) for name in ("old", "new")]
    keys = KeyFiles.read([public for _, public in pairs])
    for private, _ in pairs:
        await Verifier(keys, clock=SetClock()).verify(a_token(read_private_key(private)))


def test_a_file_without_a_usable_key_is_named(tmp_path: Path) -> None:
    empty, weak = tmp_path / "empty.pem", tmp_path / "weak.pem"
    empty.write_text("nothing")
    curve = generate_ec_key(SECP256R1()).public_key()
    weak.write_bytes(curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for path in (tmp_path / "missing.pem", empty):
        with pytest.raises(KeysUnusable, match=path.name):
            KeyFiles.read([path])
    with pytest.raises(KeysUnusable, match="Ed25519, or RSA"):
        KeyFiles.read([weak])
    with pytest.raises(KeysUnusable, match="TOKEN_KEYS"):
        KeyFiles.read([])


# An issuer's key set


@dataclass
class Issuer:
    """An issuer's JWKS address, with the real client in front of it."""

    keys: list[Any] = field(default_factory=list)
    asked: int = 0
    is_away: bool = False

    @property
    def application(self) -> Starlette:
        async def answer(_: Request) -> Response:
            self.asked += 1
            return Response(status_code=503) if self.is_away else JSONResponse({"keys": self.keys})

        return Starlette(routes=[Route("/jwks", answer)])

    def publishes(self, key: Ed25519PrivateKey | RSAPrivateKey, **members: Any) -> None:
        public = key.public_key()
        algorithm: Any = (
            jwt.algorithms.OKPAlgorithm if isinstance(key, Ed25519PrivateKey) else jwt.algorithms.RSAAlgorithm
        )
        self.keys.append({**json.loads(algorithm.to_jwk(public)), "kid": fingerprint(public), **members})


async def with_issuer(issuer: Issuer, story: Callable[[Verifier, SetClock], Awaitable[None]]) -> None:
    clock = SetClock()
    async with client_of(issuer.application) as client:
        await story(Verifier(KeySet("http://habitue.test/jwks", client, clock), clock=clock), clock)


async def test_a_key_set_is_fetched_once_and_again_for_a_key_it_does_not_hold() -> None:
    issuer = Issuer()
    issuer.publishes(KEY)

    async def story(verifier: Verifier, clock: SetClock) -> None:
        await verifier.verify(a_token())
        await verifier.verify(a_token(subject="another"))
        assert issuer.asked == 1
        issuer.publishes(RSA_KEY)
        clock.passes(seconds=30)
        await verifier.verify(a_token(RSA_KEY))
        assert issuer.asked == 2

    await with_issuer(issuer, story)


async def test_a_flood_of_unknown_keys_does_not_reach_the_issuer() -> None:
    issuer = Issuer()
    issuer.publishes(KEY)

    async def story(verifier: Verifier, _: SetClock) -> None:
        for number in range(20):
            assert "id" in await refusal(a_raw_token({}, kid=f"invented-{number}"), verifier)
        assert issuer.asked == 1

    await with_issuer(issuer, story)


async def test_a_withdrawn_key_stops_working_within_the_hour() -> None:
    issuer = Issuer()
    issuer.publishes(KEY)

    async def story(verifier: Verifier, clock: SetClock) -> None:
        await verifier.verify(a_token(lifetime=timedelta(hours=9)))
        issuer.keys.clear()
        issuer.publishes(RSA_KEY)
        clock.passes(hours=1)
        await refusal(a_token(lifetime=timedelta(hours=9)), verifier)

    await with_issuer(issuer, story)


async def test_an_issuer_that_is_away_means_not_now_and_known_keys_go_on_working() -> None:
    issuer = Issuer(is_away=True)
    issuer.publishes(KEY)

    async def story(verifier: Verifier, clock: SetClock) -> None:
        with pytest.raises(KeysUnavailable):
            await verifier.verify(a_token())
        issuer.is_away = False
        clock.passes(seconds=30)
        await verifier.verify(a_token())
        issuer.is_away = True
        clock.passes(hours=2)
        await verifier.verify(a_token(lifetime=timedelta(hours=9)))

    await with_issuer(issuer, story)


async def test_keys_that_cannot_be_used_are_left_out_and_the_newer_algorithm_name_is_understood() -> None:
    issuer = Issuer()
    issuer.keys += [{"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}, "nonsense", {"kid": "empty"}]
    issuer.publishes(RSA_KEY, use="enc")
    issuer.publishes(KEY, alg="Ed25519")

    async def story(verifier: Verifier, _: SetClock) -> None:
        await verifier.verify(a_token())
        assert "id" in await refusal(a_token(RSA_KEY), verifier)

    await with_issuer(issuer, story)


# The command line


def test_the_command_line_makes_keys_and_tokens(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(tokens.cli, ["keys", "--folder", str(tmp_path)]).exit_code == 0
    made = runner.invoke(
        tokens.cli,
        [
            "create",
            "--program",
            "demo",
            "--scope",
            "a b",
            "--member",
            "m-1",
            "--key",
            str(tmp_path / "private.pem"),
        ],
    )
    claims = jwt.decode(made.stdout.strip(), options={"verify_signature": False})
    assert (claims["program"], claims["scope"], claims["member"]) == ("demo", "a b", "m-1")


def test_the_command_line_says_which_key_is_missing(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pem")
    made = CliRunner().invoke(tokens.cli, ["create", "--program", "demo", "--scope", "a", "--key", missing])
    assert made.exit_code == 1
    assert "none.pem" in str(made.exception)
