"""The base of the contract's data classes: structs for msgspec, and dataclasses where pydantic asks.

Workers read, make and write these by the million, and a struct is made ten times faster than a frozen dataclass. The
doors and the exported schemas belong to pydantic, which knows no structs: it is shown a dataclass with the same fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, make_dataclass
from functools import cache
from typing import Any, get_type_hints

import msgspec
from msgspec import NODEFAULT
from msgspec.structs import asdict, fields
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Data(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an event says, or a part of it.

    `gc=False`: a value holds no value that holds it, so counting references frees it.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """How pydantic reads and writes this class: by way of its twin."""
        del source
        twin = _twin(cls)

        def to_twin(value: Any) -> Any:
            return twin(**asdict(value)) if isinstance(value, cls) else value

        def to_struct(read: Any) -> Data:
            return cls(**vars(read))

        def write(value: Any, as_usual: Callable[[Any], Any]) -> Any:
            return as_usual(to_twin(value))

        seen = core_schema.no_info_before_validator_function(to_twin, handler.generate_schema(twin))
        return core_schema.no_info_after_validator_function(
            to_struct, seen, serialization=core_schema.wrap_serializer_function_ser_schema(write, schema=seen)
        )


@cache
def _twin(struct: type[Data]) -> type[Any]:
    """The dataclass with the name, the fields, the limits and the defaults of a struct."""
    hints = get_type_hints(struct, include_extras=True)
    members = [
        (each.name, hints[each.name])
        if each.default is NODEFAULT
        else (each.name, hints[each.name], field(default=each.default))
        for each in fields(struct)
    ]
    namespace = {"__module__": struct.__module__, "__doc__": struct.__doc__}
    return make_dataclass(struct.__name__, members, namespace=namespace, frozen=True, kw_only=True)
