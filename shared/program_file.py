"""Program files: YAML that a merchant can read aloud, with faults that name their line.

What a newcomer would get wrong: every scalar stays text. YAML's own types would read `on:` as True, `NO` as False and
`12:30` as 750; the models of the services know what each text should be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Kind, ServiceError
from shared.program_faults import Path, faults_of

__all__ = [
    "MAX_BYTES",
    "InvalidProgram",
    "Path",
    "ProgramFile",
    "Section",
    "check",
    "invalid",
    "pointer",
    "read_program",
    "with_lines",
]

MAX_BYTES = 1_000_000  # a program is read by people; this is a thousand pages


class InvalidProgram(ServiceError):
    """The program file says something that cannot work."""

    kind = Kind.INVALID
    code = "invalid_program"


@dataclass(frozen=True, slots=True)
class ProgramFile:
    """A program file as read: its content, and the line (from 1) on which each place of it stands."""

    document: dict[str, Any]
    lines: Mapping[Path, int]

    def line_of(self, path: Path) -> int | None:
        """The line of a place, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


class Section(BaseModel):
    """Base of all models of a program: an unknown word is a fault, not silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def read_program(text: str) -> ProgramFile:
    """Read a program file.

    Raises:
        InvalidProgram: it is no YAML, not a mapping, too large, or has a key twice.
    """
    if len(text.encode()) > MAX_BYTES:
        raise InvalidProgram(f"the file has more than {MAX_BYTES} bytes")
    try:
        node = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.YAMLError as error:
        raise InvalidProgram(f"this is no YAML: {error}") from None
    if not isinstance(node, yaml.MappingNode):
        raise InvalidProgram("a program file begins with `program: its-name`")
    lines: dict[Path, int] = {}
    return ProgramFile(_plain(node, (), lines), lines)


def check(model: type[BaseModel], section: str, content: object) -> Any:
    """The section as its model reads it.

    Raises:
        InvalidProgram: `errors` lists each fault with its path and what is wrong.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        prefix: Path = (section,) if section else ()
        faults = [((*prefix, *path), what) for path, what in faults_of(error, model, content)]
        raise invalid(faults) from None


def invalid(faults: Sequence[tuple[Path, str]]) -> InvalidProgram:
    """The error for these faults, each at its path."""
    listed = [{"path": pointer(path), "message": message} for path, message in faults]
    text = "; ".join(f"{fault['path']}: {fault['message']}" for fault in listed)
    return InvalidProgram(text, errors=listed)


def with_lines(error: InvalidProgram, file: ProgramFile) -> InvalidProgram:
    """The same error, with the line of each fault."""
    faults = []
    lines = {pointer(path): line for path, line in file.lines.items()}
    for fault in error.extra.get("errors", ()):  # type: ignore[attr-defined]
        line = _line_at(fault["path"], lines)
        faults.append(fault | {"line": line} if line else fault)
    text = "; ".join(
        f"line {fault['line']}: {fault['path']}: {fault['message']}" if "line" in fault else fault["message"]
        for fault in faults
    )
    return InvalidProgram(text or error.message, errors=faults)


def pointer(path: Path) -> str:
    """A path as people write it: `ledger.earn[2].points`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _line_at(text: str, lines: Mapping[str, int]) -> int | None:
    """The line of a written place, or of the nearest one around it; names such as `order.paid` have dots themselves."""
    while text and text not in lines:
        text = text[: max(text.rfind("."), text.rfind("["), 0)]
    return lines.get(text)


def _plain(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, i), lines) for i, item in enumerate(node.value)]
    assert isinstance(node, yaml.MappingNode), "YAML has scalars, sequences and mappings"
    found: dict[str, Any] = {}
    for key, value in node.value:
        name = str(key.value)
        if name in found:
            raise InvalidProgram(f"line {key.start_mark.line + 1}: `{name}` stands here twice")
        found[name] = _plain(value, (*path, name), lines)
        lines[(*path, name)] = key.start_mark.line + 1
    return found
