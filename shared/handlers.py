"""Handlers: one small pure function per event type, and the loop that runs them over a batch.

What a newcomer would get wrong: a handler may raise at any point. Its changes to the book are undone, the event is
refused, and the events after it see the book as if it had never come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import structlog

from shared.errors import Kind, ServiceError
from shared.events import Event
from shared.rows import Journal

log = structlog.get_logger(__name__)


class HasJournal(Protocol):
    """A book: rows in memory with one journal for all of them."""

    @property
    def journal(self) -> Journal: ...


B = TypeVar("B", bound=HasJournal)
Handler = Callable[[Event[Any], Any], None]


class HandlerFailed(ServiceError):
    """A handler met something that nobody foresaw."""

    kind = Kind.INVALID
    code = "handler_failed"


class Handlers(Generic[B]):
    """The handlers of a service, by the class of the event's data.

    ```python
    on = Handlers[Book]()

    @on(OrderPaid)
    def award_order(event: Event[OrderPaid], book: Book) -> None: ...
    ```
    An event without a handler has no effect here; it counts as handled.
    """

    def __init__(self) -> None:
        self._handlers: dict[type, Handler] = {}

    def __call__(self, *classes: type) -> Callable[[Handler], Handler]:
        """Register a function for these classes of event data."""

        def register(handler: Handler) -> Handler:
            for data in classes:
                assert data not in self._handlers, f"two handlers for {data.__name__}"
                self._handlers[data] = handler
            return handler

        return register

    @property
    def classes(self) -> tuple[type, ...]:
        """The event data that this service handles."""
        return tuple(self._handlers)

    def run(self, events: Sequence[Event[Any]], book: B) -> dict[int, ServiceError]:
        """Handle the events in order; the refused ones, by their place, with the reason."""
        refused: dict[int, ServiceError] = {}
        for place, event in enumerate(events):
            handler = self._handlers.get(type(event.data))
            if handler is None:
                continue
            book.journal.mark()
            try:
                handler(event, book)
            except ServiceError as error:
                if error.is_retryable:
                    raise
                book.journal.undo()
                refused[place] = error
            except (
                Exception
            ) as error:  # a bug must cost one event, not a partition; it is kept as a dead letter
                book.journal.undo()
                log.exception("handler_failed", event_id=event.id, type=event.type)
                refused[place] = HandlerFailed(f"{type(error).__name__}: {error}")
        book.journal.mark()  # its last steps would keep the book alive until the garbage collector comes
        return refused
