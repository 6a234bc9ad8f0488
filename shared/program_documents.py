"""Program documents on their way in: a file or a request body becomes text, faults get their lines.

What a newcomer would get wrong: a document says the same whether it came as YAML or as JSON. Every scalar is text, as
YAML has it: `100` of a JSON document becomes `"100"`, and a key with `null` is a key that is not there. So a program
that is applied from its file and by an editor's request is one program, and applying it twice adds no version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import yaml

from shared.errors import Kind, ServiceError
from shared.program_file import (
    MAX_BYTES,
    InvalidProgram,
    Path,
    ProgramFile,
    invalid,
    pointer,
    read_program,
    with_lines,
)

MAX_DEPTH = 32  # a merchant's deepest condition has ten levels; 50,000 would crash the YAML library
PROGRAM_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

Parse = Callable[[Mapping[str, Any]], Any]
Fault = tuple[Path, str]
"""A place of a document, and what is to say about it."""
Lint = Callable[[Mapping[str, Any]], Sequence[Fault]]


def no_warnings(document: Mapping[str, Any]) -> Sequence[Fault]:  # noqa: ARG001 - another service has some
    """A service that accepts a document and has nothing to say about it."""
    return ()


def read_yaml(text: str) -> ProgramFile:
    """Read a program file that anybody may have sent.

    Raises:
        InvalidProgram: it is no YAML, not a mapping, too large, too deep, or refers to itself.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise InvalidProgram(f"the program has more than {MAX_BYTES} bytes")
    _refuse_traps(text)
    return read_program(text)


def read_json(text: str) -> ProgramFile:
    """Read a program that was sent as JSON; its places have no lines.

    Raises:
        ValueError: it is no JSON.
        InvalidProgram: it is not an object, too large, too deep, or has a key twice or a `null` in a list.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise InvalidProgram(f"the program has more than {MAX_BYTES} bytes")
    try:
        found = json.loads(
            text, object_pairs_hook=_unique, parse_int=str, parse_float=str, parse_constant=_no_number
        )
    except RecursionError:
        raise InvalidProgram(f"the program is nested deeper than {MAX_DEPTH} levels") from None
    if not isinstance(found, dict):
        raise InvalidProgram('a program is an object that begins with `"program": "its-name"`')
    return ProgramFile(_as_text(found, ()), {})


def program_id_of(file: ProgramFile) -> str:
    """The id of the program that the document describes.

    Raises:
        InvalidProgram: `program` is missing or no id, or a text in the document cannot be stored.
    """
    faults = [((*path,), "this text holds a character that cannot be stored") for path in _unstorable(file)]
    if faults:
        raise with_lines(invalid(faults), file)
    program_id = file.document.get("program")
    if program_id is None:
        raise invalid([(("program",), "this is missing; a program file begins with `program: its-name`")])
    if not isinstance(program_id, str) or not PROGRAM_ID.fullmatch(program_id):
        message = "an id has 1 to 64 small letters, digits, `-` and `_`, and begins with a letter or a digit"
        raise with_lines(invalid([(("program",), message)]), file)
    return program_id


def check_program(file: ProgramFile, parse: Parse) -> str:
    """Let a service read its part of the document; the id of the program.

    Raises:
        InvalidProgram: `errors` lists each fault with its path, line and message.
    """
    program_id = program_id_of(file)
    try:
        parse(file.document)
    except ServiceError as error:
        raise located(error, file) from None
    return program_id


def warnings_in(file: ProgramFile, lint: Lint) -> list[dict[str, Any]]:
    """What a service would have somebody think about again: path, message, and the line where there is one."""
    found = []
    for path, message in lint(file.document):
        line = file.line_of(path)
        found.append({"path": pointer(path), **({"line": line} if line else {}), "message": message})
    return found


def located(error: ServiceError, file: ProgramFile) -> ServiceError:
    """What a service said against the document, as one error with a line for each fault; others stay as they are."""
    if error.kind is not Kind.INVALID:
        return error
    faults = error.extra.get("errors")
    if isinstance(faults, Sequence) and faults and all("path" in fault for fault in faults):
        with suppress(ValueError):  # a path that is not written as `pointer` writes it has no line
            return with_lines(InvalidProgram(error.message, errors=faults), file)
    return InvalidProgram(error.message, errors=[{"path": "", "message": error.message}])


def _refuse_traps(text: str) -> None:
    """Look through the file before it is built: depth and aliases cost memory or the process, not only time."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            line = _line_of(event.start_mark)
            if isinstance(event, yaml.AliasEvent):
                raise _at(line, f"write it out again; `*{event.anchor}` is not read here")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_DEPTH:
                raise _at(line, f"the program is nested deeper than {MAX_DEPTH} levels")
    except yaml.MarkedYAMLError as error:
        line = min(_line_of(error.problem_mark), len(text.splitlines()))  # the end lies behind the last line
        raise _at(line, f"this is no YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidProgram(f"this is no YAML: {str(error).splitlines()[0]}") from None


def _line_of(mark: Any) -> int:
    return int(mark.line) + 1 if mark is not None else 1


def _at(line: int, message: str) -> InvalidProgram:
    """A fault of the text itself: it has a line and no path yet."""
    return InvalidProgram(f"line {line}: {message}", errors=[{"path": "", "line": line, "message": message}])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidProgram(f"`{name}` stands twice in one object")
        found[name] = value
    return found


def _no_number(name: str) -> str:
    raise InvalidProgram(f"{name} is no number")


def _as_text(value: Any, path: Path) -> Any:
    if len(path) > MAX_DEPTH:
        raise InvalidProgram(f"the program is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {name: _as_text(item, (*path, name)) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_as_text(item, (*path, index)) for index, item in enumerate(value)]
    if value is None:
        raise InvalidProgram(f"{pointer(path)}: a list has no place for null")
    return str(value).lower() if isinstance(value, bool) else value


def _unstorable(file: ProgramFile) -> Iterator[Path]:
    """The places of texts that PostgreSQL or UTF-8 cannot hold."""
    waiting: list[tuple[Path, Any]] = [((), file.document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            for name, item in value.items():
                if _is_unstorable(name):
                    yield path
                waiting.append(((*path, name), item))
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]
        elif isinstance(value, str) and _is_unstorable(value):
            yield path


def _is_unstorable(text: str) -> bool:
    return "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text)
