"""What referrals can be told through its environment, besides what all services share."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the referrals service.

    What a newcomer would get wrong: `hash_key` is for good. With another key, known e-mail addresses are no longer
    recognised and members who were never seen get other codes; codes that were given out go on working.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="REFERRALS_")

    hash_key: SecretStr = Field(
        min_length=16,
        description="The secret behind codes and hashes of e-mail addresses: 16 characters or more, such as from "
        "`openssl rand -hex 32`. Set it once and keep it.",
    )
    public_url: str = Field(
        default="",
        description="Where members reach this service, such as `https://refer.shop.example`: links begin with it. "
        "Absent = the address of the request.",
    )
    approval_quiet_seconds: float = Field(
        default=5.0,
        ge=0,
        le=86_400,
        description="A referral that is due is approved once its friend has been quiet for so long, so that a history "
        "that is being replayed can still tell of a refund.",
    )
