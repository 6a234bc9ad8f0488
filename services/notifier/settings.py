"""What the notifier can be told through its environment, besides what all services can."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from services.notifier.domain.sending import InDoubt
from services.notifier.program import mail_address
from shared.settings import ServiceSettings

MIN_KEY_CHARACTERS = 16


class Settings(ServiceSettings):
    """Environment variables, as `NOTIFIER_SMTP_URL` or, failing that, `SMTP_URL`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        **ServiceSettings.model_config | {"env_prefix": "NOTIFIER_"}
    )

    smtp_url: SecretStr | None = Field(
        default=None,
        description="The mail server: `smtp://user:password@host:587`, or `smtps://` for TLS from the start. "
        "`?starttls=required|auto|never`; required where a password is given. Without it no mail is sent.",
    )
    smtp_timeout_seconds: float = Field(
        default=30.0, gt=0, le=600, description="How long the mail server may take for one answer."
    )
    sender: str = Field(
        default="Habitué <habitue@localhost>",
        description="The sender of mails of programs that name none.",
    )
    public_url: str = Field(
        default="http://127.0.0.1:8004",
        description="Where members' browsers reach this service; links in mails begin with it.",
    )
    link_keys: SecretStr = Field(
        description="Keys that sign the links in mails and hash blocked addresses, commas between. The first "
        "signs, all are recognised: add a new one in front to change it, and keep the old ones for old mails."
    )
    senders: int = Field(
        default=2,
        ge=1,
        le=32,
        description="Mails that one worker sends side by side, each on its connection.",
    )
    claim_size: int = Field(
        default=20, ge=1, le=500, description="Messages that a sender takes in hand at a time."
    )
    claim_seconds: float = Field(
        default=300.0, gt=0, le=3600, description="How long it may keep them before others take over."
    )
    send_poll_seconds: float = Field(
        default=1.0, gt=0, le=60, description="How often a sender with nothing to do looks for due messages."
    )
    when_in_doubt: InDoubt = Field(
        default=InDoubt.LEAVE,
        description="`leave`: a mail whose fate is unknown after a crash is not sent again. `resend`: once more.",
    )

    @field_validator("sender")
    @classmethod
    def _is_address(cls, text: str) -> str:
        return mail_address(text)

    @field_validator("public_url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("should begin with https://")
        return url.rstrip("/")

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("smtp://", "smtps://")):
            raise ValueError("should begin with smtp:// or smtps://")
        return url

    @field_validator("link_keys")
    @classmethod
    def _are_long(cls, keys: SecretStr) -> SecretStr:
        if any(len(key.strip()) < MIN_KEY_CHARACTERS for key in keys.get_secret_value().split(",")):
            raise ValueError(f"each key should have at least {MIN_KEY_CHARACTERS} characters")
        return keys

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The link keys, the one that signs first."""
        return tuple(key.strip().encode() for key in self.link_keys.get_secret_value().split(","))
