"""Settings: looked up with the prefix first, then bare; errors name the variable and keep its value to themselves."""

from __future__ import annotations

import pytest
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings, SettingsError


class LedgerSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="LEDGER_")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in ServiceSettings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
        monkeypatch.delenv(f"LEDGER_{field.upper()}", raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgresql://shared@host/db")


def test_the_prefixed_variable_wins_over_the_bare_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANES", "3")
    assert LedgerSettings.read().lanes == 3
    monkeypatch.setenv("LEDGER_LANES", "4")
    assert LedgerSettings.read().lanes == 4
    assert LedgerSettings.read(lanes=5).lanes == 5


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", "")
    monkeypatch.setenv("LEDGER_LANES", "")
    settings = LedgerSettings.read()
    assert (settings.dsn, settings.lanes) == ("postgresql://shared@host/db", 2)


def test_migrations_use_the_admin_url_and_fall_back_to_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LedgerSettings.read().admin_dsn == "postgresql://shared@host/db"
    monkeypatch.setenv("DATABASE_ADMIN_URL", "postgresql://admin@host/db")
    assert LedgerSettings.read().admin_dsn == "postgresql://admin@host/db"


def test_an_error_names_every_variable_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("HTTP_PORT", "abc")
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "broker")
    with pytest.raises(SettingsError) as caught:
        LedgerSettings.read()
    assert caught.value.message.splitlines() == [
        "LEDGER_DATABASE_URL (or DATABASE_URL): is not set",
        "LEDGER_KAFKA_BOOTSTRAP (or KAFKA_BOOTSTRAP): should be host:port, several with commas between",
        "LEDGER_HTTP_PORT (or HTTP_PORT): Input should be a valid integer, unable to parse string as an integer",
    ]


def test_an_error_never_shows_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://u:hunter2@host/db")
    with pytest.raises(SettingsError) as caught:
        LedgerSettings.read()
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(LedgerSettings.read(database_url="postgresql://u:hunter2@host/db"))


def test_a_pool_cannot_be_larger_at_least_than_at_most() -> None:
    with pytest.raises(SettingsError, match=r"LEDGER_DATABASE_POOL_MIN .* is above LEDGER_DATABASE_POOL_MAX"):
        LedgerSettings.read(database_pool_min=5, database_pool_max=4)


def test_every_setting_is_documented() -> None:
    assert [name for name, field in ServiceSettings.model_fields.items() if not field.description] == []
