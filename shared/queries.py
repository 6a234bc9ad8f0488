"""Named queries: every SQL statement is a block of a `sql/*.sql` file, under `-- name: its_name`.

The text keeps PostgreSQL's own `$1`, so that psql, a linter and `PREPARE` read what the service runs.

What a newcomer would get wrong: the files of `shared` write the schema as `service.`; the loader puts the real
one there, because the same machinery lives in the schema of each service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

NAME = re.compile(r"^-- name: (\w+)[ \t]*$", re.MULTILINE)


class Queries:
    """The queries of one package, as attributes: `sql.lock_members` is the text of that block."""

    def __init__(self, package: str, texts: Mapping[str, str]) -> None:
        self._package = package
        self._texts = dict(texts)

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            known = ", ".join(sorted(self._texts))
            raise AttributeError(f"{self._package} has no query {name!r}; it has: {known}") from None

    def names(self) -> list[str]:
        """The names of all queries, sorted."""
        return sorted(self._texts)


def load_queries(package: str, *, schema: str) -> Queries:
    """Read every `sql/*.sql` of `package`; `service.` and `habitue_service` become those of `schema`.

    Raises:
        ValueError: a name stands twice.
    """
    texts: dict[str, str] = {}
    for path in sorted(resources.files(package).joinpath("sql").iterdir(), key=lambda path: path.name):
        if path.name.endswith(".sql"):
            for name, text in _blocks(path.read_text(encoding="utf-8")):
                if name in texts:
                    raise ValueError(f"query {name!r} of {package} stands twice, again in {path.name}")
                texts[name] = in_schema(text, schema)
    return Queries(package, texts)


def in_schema(text: str, schema: str) -> str:
    """Put a service's schema and role into SQL that is written for any service."""
    return re.sub(r"\bservice\.", f"{schema}.", text).replace("habitue_service", f"habitue_{schema}")


def _blocks(text: str) -> list[tuple[str, str]]:
    parts = NAME.split(text)
    return [(name, body.strip()) for name, body in zip(parts[1::2], parts[2::2], strict=True)]
