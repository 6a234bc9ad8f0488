"""What the tiers service can be told through its environment, beside what all services share."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings with the prefix `TIERS_`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        **ServiceSettings.model_config | {"env_prefix": "TIERS_"}
    )

    due_every_seconds: float = Field(
        default=5.0, gt=0, le=3600, description="How often the service looks for standings that are due."
    )
    settle_after_seconds: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="How long after a turn of the year (or another due midnight) standings are judged, so that "
        "orders of the last minute have arrived; they are judged as of the midnight all the same.",
    )
    replay_quiet_seconds: float = Field(
        default=5.0,
        ge=0,
        le=3_600,
        description="While the past of a program is being replayed its due standings wait; so long after the last "
        "old event they no longer do.",
    )
