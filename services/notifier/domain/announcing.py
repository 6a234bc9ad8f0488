"""What the platform is told of a message: sent, deferred, failed, suppressed.

What a newcomer would get wrong: the ids follow from the message and what became of it, and so does all of the content
but the time. Telling it again is the same event, and a reader's inbox drops it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from services.notifier.domain.messages import Message, State, Why
from shared.cloudevents import derived_id
from shared.events import (
    Event,
    MemberUnsubscribed,
    MessageDeferred,
    MessageFailed,
    MessageSent,
    MessageSuppressed,
    event_type,
)

SOURCE: Final = "habitue/notifier"
_SETTLED: Final[dict[State, type[MessageSent] | type[MessageFailed] | type[MessageSuppressed]]] = {
    State.SENT: MessageSent,
    State.FAILED: MessageFailed,
    State.SUPPRESSED: MessageSuppressed,
}


def announcement(message: Message, now: datetime) -> Event[Any] | None:
    """What is told of a message in the state that it has just reached; None for what only concerns ourselves."""
    if message.state is State.WAITING and message.why is Why.QUIET and message.due_at is not None:
        until = message.due_at
        return _event(message, MessageDeferred, now, until.isoformat(), deferred_until=until)
    told = _SETTLED.get(message.state)
    return None if told is None else _event(message, told, now)


def unsubscribed(
    program_id: str, member_id: str, purpose: str, channel: str | None, at: datetime
) -> Event[Any]:
    """A member wants no more of something."""
    name = (program_id, member_id, purpose, channel or "", at.isoformat())
    return Event(
        id=derived_id(SOURCE, "unsubscribed", *name),
        source=SOURCE,
        type=event_type(MemberUnsubscribed),
        program_id=program_id,
        time=at,
        data=MemberUnsubscribed(member_id=member_id, purpose=purpose, channel=channel),
    )


def _event(message: Message, data_class: Any, now: datetime, *more: str, **fields: Any) -> Event[Any]:
    kind = event_type(data_class)
    return Event(
        id=derived_id(SOURCE, kind, str(message.message_id), *more),
        source=SOURCE,
        type=kind,
        program_id=message.program_id,
        time=now,
        data=data_class(
            member_id=message.member_id,
            cause=message.cause[:200],
            reason=message.why.value if message.why else None,
            message_id=str(message.message_id),
            channel=message.channel.value,
            template=message.template,
            language=message.language,
            **fields,
        ),
    )
