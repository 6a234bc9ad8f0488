"""The command line of a service, the same for all: `python -m services.<name>`.

| module | its subject |
|---|---|
| `application` | puts the commands together; the roles |
| `speech` | what is printed, and how a refusal is said in one sentence |
| `session` | the service, its settings and its servers, as a command needs them |
| `upkeep` | `migrate`, `topics`, `verify` |
| `progress` | `lag` |
| `replaying` | `replay` |
| `offsets` | what Kafka says about offsets |
| `dead_letters` | `dead-letters list`, `show`, `replay`, `discard` |
| `programs` | `program show`, `check`, `apply`, `schema` |

What a newcomer would get wrong: no command talks to a running process. All of it works on the service's schema and on
Kafka, with the service's own settings and role, so it works just as well where nothing runs.
"""

from shared.cli.application import application, run_service

__all__ = ["application", "run_service"]
