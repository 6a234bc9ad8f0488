"""What the ledger can be told through its environment (`LEDGER_...`, or the bare name)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The ledger's settings; most are those of every service."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        **ServiceSettings.model_config | {"env_prefix": "LEDGER_"}
    )

    hash_key: SecretStr = Field(
        min_length=16,
        description="The secret behind the hashes of guests' e-mail addresses: 16 characters or more, such as from "
        "`openssl rand -hex 32`. Set it once and keep it: with another key, orders that wait find nobody.",
    )
    due_every_seconds: float = Field(
        default=5.0, gt=0, le=3600, description="How often the ledger looks for what has fallen due."
    )
    fold_every_seconds: float = Field(
        default=15.0,
        gt=0,
        le=3600,
        description="How often the accounts of the programs are folded and the books are checked.",
    )
