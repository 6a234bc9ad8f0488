"""How the processes of the local stack find each other: addresses, passwords, keys, ports.

What a newcomer would get wrong: each service logs in to PostgreSQL as its own role, with its own password, as in
production. The administrator's address is for migrations and for `verify` by hand; no service is given it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from deploy.local import ports
from deploy.local.process import write_note
from deploy.local.services import Task
from shared.clock import system_clock
from shared.database import role_of
from shared.token_keys import PRIVATE_KEY, PUBLIC_KEY, KeysUnusable, read_private_key, write_key_pair
from shared.tokens import sign_token

SERVICES = ("ledger", "tiers", "referrals", "notifier")
DOORS_OF_HTTP = (*SERVICES, "intake", "mail")
DOORS = (*DOORS_OF_HTTP, "smtp")
PROGRAM = "demo"
TOKEN_LIFETIME = timedelta(days=365)
SECRETS = "secrets.json"
SCOPES = tuple(f"{room}:{verb}" for room in (*SERVICES, "gateway", "program") for verb in ("read", "write"))


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything that one local stack of services needs to know.

    `passwords` are those of the services' roles, `keys` is the folder of the token key pair, `ports` has one for each
    of `DOORS`, `mails` the folder of the mail sink. `settings` are further variables for all services.
    """

    database_url: str
    kafka_bootstrap: str
    passwords: Mapping[str, str]
    guest_key: str
    hash_key: str
    link_key: str
    keys: Path
    mails: Path
    ports: Mapping[str, int]
    settings: Mapping[str, str]

    def url(self, door: str) -> str:
        """The HTTP address of a door."""
        return f"http://{ports.HOST}:{self.ports[door]}"

    def database_of(self, service: str) -> str:
        """The database as the service logs in to it."""
        parts = urlsplit(self.database_url)
        place = f"{role_of(service)}:{self.passwords[service]}@{parts.hostname}:{parts.port}"
        return urlunsplit(parts._replace(netloc=place))

    def token(self, subject: str = "local") -> str:
        """A token with all scopes, for the program `demo`."""
        return sign_token(
            read_private_key(self.keys / PRIVATE_KEY),
            program_id=PROGRAM,
            scopes=SCOPES,
            subject=subject,
            now=system_clock(),
            lifetime=TOKEN_LIFETIME,
        )

    def environment(self, service: str) -> dict[str, str]:
        """The variables of one service."""
        return {
            "DATABASE_URL": self.database_of(service),
            "KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "HTTP_PORT": str(self.ports[service]),
            "TOKEN_KEYS": str(self.keys / PUBLIC_KEY),
            **self.settings,
            **self._own(service),
        }

    def _own(self, service: str) -> dict[str, str]:
        if service == "ledger":
            return {"LEDGER_HASH_KEY": self.guest_key}
        if service == "referrals":
            return {"REFERRALS_HASH_KEY": self.hash_key, "REFERRALS_PUBLIC_URL": self.url("referrals")}
        if service == "notifier":
            return {
                "NOTIFIER_LINK_KEYS": self.link_key,
                "NOTIFIER_PUBLIC_URL": self.url("notifier"),
                "NOTIFIER_SMTP_URL": f"smtp://{ports.HOST}:{self.ports['smtp']}?starttls=never",
            }
        return {}

    def tasks(self, workers: int = 1) -> list[Task]:
        """The mail sink, the intake, and every service: a process with all roles, and further workers beside it."""
        sink = (
            *("deploy.local.mail", "--folder", str(self.mails)),
            *("--smtp-port", str(self.ports["smtp"]), "--http-port", str(self.ports["mail"])),
        )
        intake = {
            "KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "HTTP_PORT": str(self.ports["intake"]),
            "TOKEN_KEYS": str(self.keys / PUBLIC_KEY),
        }
        return [
            Task("mail", sink),
            Task("intake", ("deploy.local.intake",), intake),
            *(Task(name, (f"services.{name}", "all"), self.environment(name)) for name in SERVICES),
            *(
                Task(f"{name}-worker-{number}", (f"services.{name}", "worker"), self.environment(name))
                for name in SERVICES
                for number in range(2, workers + 1)
            ),
        ]


def wire(
    folder: Path,
    database_url: str,
    kafka_bootstrap: str,
    *,
    keys: Path,
    settings: Mapping[str, str] | None = None,
) -> Wiring:
    """The wiring of a stack whose secrets lie in `folder`; they are made the first time, and kept.

    Ports stay the same as long as nobody else took them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(KeysUnusable):  # There is a pair already; its tokens go on working.
        write_key_pair(keys)
    note = folder / SECRETS
    known = _new_secrets()
    if note.exists():  # One of an older version may lack a secret.
        known |= json.loads(note.read_text(encoding="utf-8"))
    known["ports"] = {door: _port(known["ports"].get(door)) for door in DOORS}
    write_note(note, json.dumps(known, indent=2) + "\n")
    return Wiring(
        database_url=database_url,
        kafka_bootstrap=kafka_bootstrap,
        passwords=known["passwords"],
        guest_key=known["guest_key"],
        hash_key=known["hash_key"],
        link_key=known["link_key"],
        keys=keys.resolve(),
        mails=(folder / "mails").resolve(),
        ports=known["ports"],
        settings=settings or {},
    )


def _new_secrets() -> dict[str, Any]:
    return {
        "passwords": {name: secrets.token_urlsafe(24) for name in SERVICES},
        "guest_key": secrets.token_hex(32),
        "hash_key": secrets.token_hex(32),
        "link_key": secrets.token_hex(32),
        "ports": {},
    }


def _port(known: int | None) -> int:
    return known if known is not None and ports.is_free(known) else ports.free_port()
