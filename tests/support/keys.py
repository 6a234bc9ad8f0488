"""A key pair for tests, and tokens signed with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from shared.token_keys import read_private_key, write_key_pair
from shared.tokens import sign_token
from tests.support.events import NOON, PROGRAM


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where the two keys are."""

    private: Path
    public: Path

    def token(
        self,
        scopes: str,
        *,
        program: str = PROGRAM,
        member: str | None = None,
        partner: str | None = None,
        now: datetime = NOON,
        subject: str = "test",
    ) -> str:
        """A token with these scopes (blanks between), good for ten years of test time."""
        return sign_token(
            read_private_key(self.private),
            program_id=program,
            scopes=scopes.split(),
            subject=subject,
            now=now - timedelta(days=1),
            lifetime=timedelta(days=3650),
            member_id=member,
            partner=partner,
        )


def a_key_pair(folder: Path) -> KeyPair:
    """A fresh pair in this folder."""
    return KeyPair(*write_key_pair(folder))
