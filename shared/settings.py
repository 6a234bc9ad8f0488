"""What every service can be told through its environment.

A service subclasses `ServiceSettings` and names its prefix. Each field is looked up as
`LEDGER_DATABASE_URL` first and as `DATABASE_URL` second, so that one machine can run all services from one
short list of variables and still give one of them something of its own. An empty variable counts as absent
(compose files set many to "").

What a newcomer would get wrong: construct settings with `LedgerSettings.read()`, not with
`LedgerSettings()`. Both read the same variables, but only `read` says which variable is at fault, without
showing its value (a database URL holds a password).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from shared.errors import Kind, ServiceError

_POSTGRES_SCHEMES = ("postgresql://", "postgres://")


class SettingsError(ServiceError):
    """The environment does not say what the service needs to know."""

    kind = Kind.INVALID
    code = "settings_invalid"


class ServiceSettings(BaseSettings):
    """The settings that all services share; a service adds its own fields and sets `env_prefix`.

    ```python
    class LedgerSettings(ServiceSettings):
        model_config = SettingsConfigDict(env_prefix="LEDGER_")
    ```
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    # Servers
    database_url: SecretStr = Field(
        description="Where PostgreSQL is, as the service's own role: `postgresql://role:password@host:port/database`."
    )
    database_admin_url: SecretStr | None = Field(
        default=None,
        description="The same database as a role that may create schemas, roles, tables; used by `migrate` "
        "only. Falls back to DATABASE_URL.",
    )
    database_pool_min: int = Field(
        default=1, ge=0, le=1000, description="Connections kept open by one process."
    )
    database_pool_max: int = Field(default=10, ge=1, le=1000, description="Connections one process may open.")
    database_acquire_timeout_seconds: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="How long a request waits for a free connection before it answers 503.",
    )
    statement_timeout_seconds: float = Field(
        default=30.0, gt=0, le=3600, description="After this long PostgreSQL cancels a statement."
    )
    lock_timeout_seconds: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="After this long a statement stops waiting for a row that is locked.",
    )
    kafka_bootstrap: str = Field(
        default="",
        description="One or more brokers, `host:port` with commas between. Needed by workers.",
    )
    topic_partitions: int = Field(
        default=6,
        ge=1,
        le=10_000,
        description="Partitions of each topic when `topics` creates them; alike for all.",
    )
    topic_replication: int = Field(
        default=1,
        ge=1,
        le=9,
        description="Copies of each partition when `topics` creates them; 3 in production.",
    )

    # Doors
    http_host: str = Field(default="127.0.0.1", description="The address that the HTTP door listens on.")
    http_port: int = Field(
        default=0, ge=0, le=65_535, description="Its port; 0 takes any free one and logs it."
    )
    http_max_body_bytes: int = Field(
        default=1_048_576, ge=1024, le=104_857_600, description="Longer request bodies are answered with 413."
    )
    worker_metrics_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="Where a worker answers /livez, /readyz and /metrics; 0 takes any free port and logs it.",
    )

    # Who may call
    token_keys: str = Field(
        default="",
        description="Who signs the tokens: paths of PEM files with public keys (commas between), or the "
        "http(s) URL of an issuer's JWKS. Needed by the HTTP door.",
    )
    token_issuer: str | None = Field(default=None, description="If set, a token's `iss` must be this.")
    token_audience: str | None = Field(default=None, description="If set, a token's `aud` must contain this.")

    # Worker
    worker_processes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="So many processes the command `worker` runs, each with its partitions: one Python process "
        "decides on one core. Their ports for metrics follow on the first one's.",
    )
    lanes: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Batches that one worker handles side by side, each with its connection.",
    )
    batch_size: int = Field(
        default=1000, ge=1, le=10_000, description="Most events in one batch; above 1,000 only latency grows."
    )
    dead_letter_consecutive_limit: int = Field(
        default=100,
        ge=1,
        description="So many dead letters in a row stop the worker: a topic is never poured away.",
    )
    dead_letter_share_limit: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="So large a share of dead letters within the window stops the worker.",
    )
    dead_letter_window: int = Field(
        default=1000,
        ge=1,
        description="Over how many of the last events the share of dead letters is counted.",
    )
    session_timeout_seconds: float = Field(
        default=10.0,
        ge=1,
        le=300,
        description="After so long without a sign of life a worker loses its partitions.",
    )
    rebalance_timeout_seconds: float = Field(
        default=30.0,
        ge=1,
        le=600,
        description="How long workers may take to give partitions back when they move.",
    )
    worker_instance: str | None = Field(
        default=None,
        max_length=200,
        description="A name that stays the same over restarts (a StatefulSet's pod): its partitions wait for it.",
    )
    watchdog_seconds: float = Field(
        default=60.0,
        gt=0,
        description="A worker that stands still for so long with events waiting exits with an error.",
    )
    outbox_poll_seconds: float = Field(
        default=0.25,
        gt=0,
        le=60,
        description="How often the relay looks for outgoing bundles when nobody woke it.",
    )
    inbox_days: int = Field(
        default=120,
        ge=31,
        description="How long events are remembered to tell repetitions; longer than the topics keep them.",
    )
    shutdown_seconds: float = Field(
        default=20.0,
        gt=0,
        le=600,
        description="How long running requests and batches may take to finish on SIGTERM.",
    )
    default_program: str | None = Field(
        default=None,
        max_length=200,
        description="The program of events that name none (a shop that runs one program need not repeat it).",
    )

    # What it says
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important message that is written."
    )
    log_format: Literal["json", "console"] = Field(
        default="json",
        description="`json`: one object a line, for machines. `console`: coloured, for people.",
    )

    @classmethod
    def read(cls, **overrides: Any) -> Self:
        """Settings from the environment; `overrides` (by field name) win.

        Raises:
            SettingsError: names each variable that is missing or wrong, never its value.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise SettingsError("\n".join(cls._fault(fault) for fault in error.errors())) from None

    @property
    def dsn(self) -> str:
        """The database URL in clear text, password included: for the driver, never for a log."""
        return self.database_url.get_secret_value()

    @property
    def admin_dsn(self) -> str:
        """The database URL that migrations use, in clear text."""
        return (self.database_admin_url or self.database_url).get_secret_value()

    @classmethod
    def variables(cls, field: str) -> str:
        """The names under which `field` is looked up, as people read them."""
        bare, prefix = field.upper(), cls.model_config.get("env_prefix", "").upper()
        return f"{prefix}{bare} (or {bare})" if prefix else bare

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the prefixed variables, then the bare ones; no files."""
        return init_settings, env_settings, EnvSettingsSource(settings_cls, env_prefix="")

    @field_validator("database_url", "database_admin_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(_POSTGRES_SCHEMES):
            raise ValueError("should begin with postgresql://")
        return url

    @field_validator("kafka_bootstrap")
    @classmethod
    def _is_bootstrap(cls, servers: str) -> str:
        for server in filter(None, servers.split(",")):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdecimal():
                raise ValueError("should be host:port, several with commas between")
        return servers

    @model_validator(mode="after")
    def _pool_has_room(self) -> Self:
        if self.database_pool_min > self.database_pool_max:
            raise ValueError(
                f"{self.variables('database_pool_min')} is above {self.variables('database_pool_max')}"
            )
        return self

    @classmethod
    def _fault(cls, fault: Any) -> str:
        message = str(fault["msg"]).removeprefix("Value error, ")
        if fault["type"] == "missing":
            message = "is not set"
        return f"{cls.variables(str(fault['loc'][0]))}: {message}" if fault["loc"] else message
