"""The one error tree of the platform.

An error says what is wrong for people (its message) and for machines (its `code`). It knows neither HTTP nor
Kafka: its `kind` decides the status of an answer *and* whether a worker retries or writes a dead letter.

What a newcomer would get wrong: `Kind.UNAVAILABLE` is the only kind that means "not now". Everything else is
"never": the same input would be refused again, so a worker must not wait for it.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """Why something was refused."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    PRECONDITION_FAILED = "precondition_failed"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


class ServiceError(Exception):
    """Something that a caller may meet.

    A subclass sets `kind` and a stable `code`; the first line of its docstring is the title of the problem.
    The message says what is wrong, where, and what to do. `extra` holds further members of the problem
    (plain JSON values), such as the balance that was too small.
    """

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "invalid"

    def __init__(self, message: str | None = None, **extra: object) -> None:
        self.message = message or self.title()
        self.extra = extra
        super().__init__(self.message)

    @classmethod
    def title(cls) -> str:
        """The first line of the class's docstring."""
        return (cls.__doc__ or cls.code).strip().splitlines()[0]

    @property
    def is_retryable(self) -> bool:
        """True for "not now", False for "never"."""
        return self.kind is Kind.UNAVAILABLE


class InvalidInput(ServiceError):
    """What was sent breaks a rule of its shape or of the program."""

    kind = Kind.INVALID
    code = "invalid_input"


class Unavailable(ServiceError):
    """Something this needs is away for the moment; try again."""

    kind = Kind.UNAVAILABLE
    code = "unavailable"
