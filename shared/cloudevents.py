"""Reads and writes CloudEvents 1.0 on Kafka: a record's bytes and headers in, an `Event` out, and back.

Three forms are read: structured (the whole event is the value), binary (attributes in `ce_` headers, the data
is the value), and the bare JSON of a shop that knows nothing of CloudEvents: `{"id", "type", "customer_id",
"order_id", "total"}`, or any other fields of the type's data, in one flat object. Structured is written.

What a newcomer would get wrong: msgspec names only the first fault and is there to be fast; on a refusal
pydantic is asked for all faults, so that a dead letter says everything that is wrong at once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final

import msgspec
from asyncpg.pgproto.pgproto import UUID
from msgspec import Meta
from pydantic import TypeAdapter, ValidationError

from shared.errors import Kind, ServiceError
from shared.events import EVENT_TYPES, Event, OrderRefunded, ReviewPublished, ReviewRemoved, UnknownEventType

MAX_EVENT_BYTES: Final = 1024 * 1024
"""The limit of Kafka's own default; a basket of 2,000 lines takes half of it."""
MAX_SOURCE_LENGTH: Final = 500
MAX_FAULTS_NAMED: Final = 20
"""A dead letter is for people: nobody reads the two thousandth fault."""
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside of these are clock faults; periods and expiries can be reckoned with all inside."""

JSON: Final = "application/json"
STRUCTURED: Final = "application/cloudevents+json"
STRUCTURED_HEADERS: Final[tuple[tuple[str, bytes], ...]] = (
    ("content-type", b"application/cloudevents+json; charset=UTF-8"),
)
"""The headers of every record that carries `encode`'s bytes."""

NAMESPACE: Final = uuid.UUID("0917b136-d0bc-414d-8d0e-df7fbff695a0")
"""The uuid5 namespace of ids derived from their cause; changing it makes every republished event a new
one."""
_NAMESPACE_BYTES: Final = NAMESPACE.bytes
_VARIANTS: Final = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}

Headers = Sequence[tuple[str, bytes | None]]
Json = bytes | msgspec.Raw
"""JSON not yet read; msgspec reads either."""


class UndecodableEvent(ServiceError):
    """A record is not JSON in UTF-8, or nested beyond reason."""

    kind = Kind.INVALID
    code = "undecodable_event"


class NotACloudEvent(ServiceError):
    """A record is JSON, but has not the attributes of a CloudEvent 1.0, nor of the bare form."""

    kind = Kind.INVALID
    code = "not_a_cloud_event"


class InvalidEventData(ServiceError):
    """The data of an event breaks the contract; the message lists every fault."""

    kind = Kind.INVALID
    code = "invalid_event_data"


class EventTooLarge(ServiceError):
    """A record is larger than an event may be."""

    kind = Kind.TOO_LARGE
    code = "event_too_large"


class ProgramMissing(ServiceError):
    """Nothing says which program an event belongs to: no `programid`, no record key, no default."""

    kind = Kind.INVALID
    code = "program_missing"


_Id = Annotated[str, Meta(min_length=1, max_length=200)]
_Source = Annotated[str, Meta(min_length=1, max_length=MAX_SOURCE_LENGTH)]
_ProgramId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\Z")]
_NOTHING: Final = msgspec.Raw(b"")


class _Attributes(msgspec.Struct, gc=False):
    """What is read of an event before its type is known; the bare form has no `specversion`."""

    type: Annotated[str, Meta(min_length=1, max_length=200)]
    id: _Id
    specversion: str | None = None
    source: _Source | None = None
    programid: _ProgramId | None = None
    time: Annotated[datetime, Meta(tz=True)] | None = None
    subject: Annotated[str, Meta(max_length=2_000)] | None = None
    datacontenttype: Annotated[str, Meta(max_length=200)] | None = None
    replayed: bool = False
    traceparent: str | None = None
    data_base64: str | None = None
    data: msgspec.Raw = _NOTHING


class _Written(msgspec.Struct, gc=False, omit_defaults=True, kw_only=True):
    """An event as it is written."""

    id: str
    source: str
    type: str
    programid: str
    time: datetime
    data: Any
    specversion: str
    datacontenttype: str
    subject: str | None = None
    replayed: bool = False
    traceparent: str | None = None


_read_attributes: Final = msgspec.json.Decoder(_Attributes).decode
_NUL_ESCAPE: Final = b"\\u0000"
_STRUCTURED_BYTES: Final = STRUCTURED.encode()
_encoder: Final = msgspec.json.Encoder()
_readers: Final[Mapping[str, Callable[[Json], Any]]] = {
    type_: msgspec.json.Decoder(registration.data_class).decode for type_, registration in EVENT_TYPES.items()
}
_BARE_NAMES: Final[Mapping[type[Any], Mapping[str, str]]] = {
    OrderRefunded: {"refund_id": "id", "amount": "total"},
    ReviewPublished: {"review_id": "id"},
    ReviewRemoved: {"review_id": "id"},
}
"""Fields which the bare form may leave to its own five: data field → bare field."""


def decode(
    value: bytes | None,
    headers: Headers = (),
    *,
    topic: str,
    key: bytes | None,
    timestamp: datetime,
    default_program: str | None = None,
) -> Event[Any]:
    """Read one record.

    What an event leaves out comes from the record: `time` from its `timestamp`, `source` of the bare form
    from the `topic`, the program from `programid`, else the key (`program_id:member_id`), else
    `default_program`.

    Raises:
        EventTooLarge: more than `MAX_EVENT_BYTES`; nothing of it was read.
        UndecodableEvent: not JSON in UTF-8, or nested too deep.
        NotACloudEvent: an attribute is missing or wrong.
        UnknownEventType: the contract has no such type.
        InvalidEventData: the data breaks the contract; every fault is listed.
        ProgramMissing: nothing says which program it belongs to.
    """
    if value is None:
        raise UndecodableEvent("The record has no value.")
    if len(value) > MAX_EVENT_BYTES:
        raise EventTooLarge(f"{len(value)} bytes; an event has at most {MAX_EVENT_BYTES}.", bytes=len(value))
    may_hold_nul = _may_hold_nul(value)
    data: Json
    if headers and (binary := _binary_attributes(headers)) is not None:
        attributes = binary
        data = value
    else:
        attributes = _structured_attributes(value, may_hold_nul)
        data = _data_of(attributes, value)
    read = _readers.get(attributes.type)
    if read is None:
        raise _unknown(attributes.type)
    time = attributes.time
    return Event(
        id=attributes.id,
        source=attributes.source or topic,
        type=attributes.type,
        program_id=attributes.programid or _program_of(key, default_program),
        time=timestamp if time is None else _in_utc(time),
        data=_read_data(attributes, read, data, may_hold_nul or attributes.data_base64 is not None),
        subject=attributes.subject,
        replayed=attributes.replayed,
        traceparent=attributes.traceparent,
    )


def encode(event: Event[Any]) -> bytes:
    """The event in structured mode; the record's headers are `STRUCTURED_HEADERS`, its key is `event.key`."""
    return _encoder.encode(
        _Written(
            id=event.id,
            source=event.source,
            type=event.type,
            programid=event.program_id,
            time=event.time,
            data=event.data,
            specversion="1.0",
            datacontenttype=JSON,
            subject=event.subject,
            replayed=event.replayed,
            traceparent=event.traceparent,
        )
    )


def payload_hash(value: bytes) -> uuid.UUID:
    """16 bytes that stand for a record's value: a redelivered event is the same bytes, a changed one is
    not."""
    return _as_uuid(value)


def event_key(program_id: str, source: str, event_id: str) -> uuid.UUID:
    """16 bytes that stand for an event's name: `source` and `id` within a program."""
    return _as_uuid(f"{program_id}\0{source}\0{event_id}".encode())


def _as_uuid(value: bytes) -> uuid.UUID:
    # asyncpg's own UUID equals the standard one, but is made, compared and sent several times faster.
    return UUID(hashlib.blake2b(value, digest_size=16).digest())


def derived_id(*cause: str) -> str:
    """An id that follows from its cause: publishing again gives the same event, not a second one.

    The parts say what led to it and which of its effects it is: `derived_id(event.source, event.id,
    "earned")`.
    """
    # uuid.uuid5 by hand: it is made for every outgoing event, and the standard one takes four times as long.
    digits = hashlib.sha1(_NAMESPACE_BYTES + "\0".join(cause).encode(), usedforsecurity=False).hexdigest()
    return (
        f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:32]}"
    )


def read_data(type_: str, data: bytes) -> Any:
    """Read the data of an event whose type is known, from JSON.

    Raises:
        UnknownEventType: the contract has no such type.
        UndecodableEvent: not JSON in UTF-8, or nested too deep.
        InvalidEventData: the data breaks the contract; every fault is listed.
    """
    read = _readers.get(type_)
    if read is None:
        raise _unknown(type_)
    return _read(type_, read, data, _may_hold_nul(data))


def _structured_attributes(value: bytes, may_hold_nul: bool) -> _Attributes:
    try:
        attributes = _read_attributes(value)
    except msgspec.ValidationError as fault:
        raise NotACloudEvent(f"{fault}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise UndecodableEvent(f"Not JSON in UTF-8: {fault}.") from None
    if may_hold_nul:
        _refuse_nul(attributes)
    version = attributes.specversion
    if version is not None:
        if version != "1.0":
            raise NotACloudEvent(f"specversion {version[:20]!r}; this reads 1.0.")
        if attributes.source is None:
            raise NotACloudEvent("A CloudEvent has a `source`.")
    return attributes


def _may_hold_nul(value: bytes) -> bool:
    """In JSON a NUL is always an escape, so a search for a byte clears nearly every event.

    Where it does not, an ignored field or an escaped backslash may be the reason: pydantic's patterns tell.
    """
    return b"\\" in value and _NUL_ESCAPE in value


def _refuse_nul(attributes: _Attributes) -> None:
    """Refuse an attribute with NUL before Postgres, which cannot store it, refuses the whole batch."""
    for name in attributes.__struct_fields__:
        text = getattr(attributes, name)
        if isinstance(text, str) and "\0" in text:
            raise NotACloudEvent(f"The attribute `{name}` contains the character U+0000.")


def _data_of(attributes: _Attributes, value: bytes) -> Json:
    """The bytes of the data: the member `data`, or the whole value in the bare form."""
    if attributes.specversion is None:
        return value
    content_type = attributes.datacontenttype
    if content_type is not None and content_type != JSON:
        _require_json(content_type)
    if attributes.data_base64 is None:
        return attributes.data
    try:
        return base64.b64decode(attributes.data_base64, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise UndecodableEvent(f"`data_base64` is not base64: {fault}.") from None


def _binary_attributes(headers: Headers) -> _Attributes | None:
    """The attributes of binary mode; None where the headers are of another mode."""
    texts: dict[str, Any] = {}
    content_type = None
    for name, value in headers:
        if name == "content-type" and value is not None and value.startswith(_STRUCTURED_BYTES):
            return None
        lowered = name.lower()
        if lowered.startswith("ce_"):
            texts[lowered[3:]] = _header_text(name, value)
        elif lowered == "content-type":
            content_type = _header_text(name, value)
    if content_type is not None and content_type.startswith("application/cloudevents"):
        if not content_type.startswith(STRUCTURED):
            raise NotACloudEvent(f"Content type {content_type[:80]!r}; this reads {STRUCTURED}.")
        return None
    if "specversion" not in texts:
        return None
    if texts["specversion"] != "1.0":
        raise NotACloudEvent(f"specversion {texts['specversion'][:20]!r}; this reads 1.0.")
    if "source" not in texts:
        raise NotACloudEvent("A CloudEvent has a `source`: the header `ce_source` is missing.")
    if content_type is not None:
        _require_json(content_type)
    texts["replayed"] = texts.get("replayed", "").lower() == "true"
    texts.pop("data", None)
    try:
        return msgspec.convert(texts, _Attributes)
    except msgspec.ValidationError as fault:
        raise NotACloudEvent(f"{fault}.") from None


def _header_text(name: str, value: bytes | None) -> str:
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError:
        raise NotACloudEvent(f"The header {name[:80]!r} is not UTF-8.") from None
    if "\0" in text:
        raise NotACloudEvent(f"The header {name[:80]!r} contains the character U+0000.")
    return text


def _require_json(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != JSON and not media_type.endswith("+json"):
        raise NotACloudEvent(f"Data of content type {content_type[:80]!r}; this reads JSON.")


def _program_of(key: bytes | None, default_program: str | None) -> str:
    program_id = default_program
    if key is not None and b":" in key:
        program_id = key.partition(b":")[0].decode(errors="replace")
    if program_id is None:
        raise ProgramMissing(
            "Give the extension attribute `programid`, or a record key of the form program:member."
        )
    try:
        return msgspec.convert(program_id, _ProgramId)
    except msgspec.ValidationError:
        raise ProgramMissing(f"{program_id[:80]!r} is no program id.") from None


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is not UTC:
        try:
            time = time.astimezone(UTC)
        except OverflowError:
            raise NotACloudEvent("The `time` is out of reach.") from None
    if not EARLIEST <= time < LATEST:
        raise NotACloudEvent(f"The `time` {time.isoformat()} is not between 1970 and 2200.")
    return time


def _read_data(attributes: _Attributes, read: Callable[[Json], Any], data: Json, may_hold_nul: bool) -> Any:
    if attributes.specversion is None:
        names = _BARE_NAMES.get(EVENT_TYPES[attributes.type].data_class)
        if names is not None:
            data = _with_bare_names(data, names)
    return _read(attributes.type, read, data, may_hold_nul)


def _read(type_: str, read: Callable[[Json], Any], data: Json, may_hold_nul: bool) -> Any:
    try:
        read_in = read(data)
    except msgspec.ValidationError as fault:
        raise _invalid(type_, data, str(fault)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise UndecodableEvent(f"The data is not JSON in UTF-8: {fault}.") from None
    if may_hold_nul and faults_of(type_, bytes(data)):
        raise _invalid(type_, data, "a text contains NUL")
    return read_in


def _with_bare_names(value: Json, names: Mapping[str, str]) -> bytes:
    """Fill what the bare form says under its own names, such as the total of a refund."""
    raw = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    for name, bare_name in names.items():
        if name not in raw and bare_name in raw:
            raw[name] = raw[bare_name]
    return _encoder.encode(raw)


def _unknown(type_: str) -> UnknownEventType:
    return UnknownEventType(f"No event of type {type_[:200]!r} is part of the contract.", type=type_[:200])


def _invalid(type_: str, data: Json, first_fault: str) -> InvalidEventData:
    faults = faults_of(type_, bytes(data)) or [first_fault]
    named = "; ".join(faults[:MAX_FAULTS_NAMED])
    more = len(faults) - MAX_FAULTS_NAMED
    if more > 0:
        named += f"; and {more} more"
    return InvalidEventData(f"{type_}: {named}.", faults=faults[:MAX_FAULTS_NAMED])


def faults_of(type_: str, data: bytes) -> list[str]:
    """Everything that is wrong with the data of an event, each with its place; empty if nothing is."""
    try:
        adapter_of(type_).validate_json(data)
    except ValidationError as refusal:
        return [
            f"{'.'.join(map(str, error['loc'])) or 'data'}: {error['msg']}"
            for error in refusal.errors(include_url=False, include_input=False, include_context=False)
        ]
    return []


@cache
def adapter_of(type_: str) -> TypeAdapter[Any]:
    """pydantic's reader of the data of an event type, which must be of the contract."""
    return TypeAdapter(EVENT_TYPES[type_].data_class)
