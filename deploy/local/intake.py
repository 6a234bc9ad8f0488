"""The intake of the local stack: a shop without Kafka skills publishes by HTTP, and curl can be a shop.

    POST /events      (also /v1/events)    one event, as a CloudEvent or in the bare five-field form

It checks the token and the event, publishes it as it came to the topic of its type with `acks=all`, and answers 202
with its place. A newcomer would take it for the gateway: that is a service with batches, webhooks and limits. This is a
hundred lines for one's own machine, and promises no more than the broker does: what got a 202 is in Kafka.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, Field

from shared.clock import system_clock
from shared.cloudevents import STRUCTURED_HEADERS, decode
from shared.errors import Kind, ServiceError
from shared.events import Event, topic_of
from shared.http.app import create_app
from shared.http.auth import requires
from shared.http.client import http_client
from shared.http.openapi import refuses
from shared.kafka import CALL_SECONDS, KAFKA_NOT_NOW, KafkaAway, producer_client, started
from shared.metrics import Metrics
from shared.tokens import Caller, verifier_from

SHOP = "shop."
VERSION = "0.1.0"
WRITE = "gateway:write"

router = APIRouter(tags=["events"])


class NotFromShop(ServiceError):
    """Events of this type are announced by a service, never by a shop."""

    kind = Kind.INVALID
    code = "not_from_shop"


class OtherProgram(ServiceError):
    """The event names another program than the token."""

    kind = Kind.FORBIDDEN
    code = "other_program"


class Accepted(BaseModel):
    """Where the event is."""

    id: str = Field(examples=["evt-1"])
    type: str = Field(examples=["order.paid.v1"])
    topic: str = Field(examples=["shop.orders"])
    partition: int
    offset: int


_BARE = {"id": "evt-1", "type": "order.paid.v1", "customer_id": "ada", "order_id": "1001", "total": "42.00"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A CloudEvent 1.0 (structured), or `id`, `type` and the fields of the data in one object.",
        "content": {
            "application/json": {
                "schema": {"type": "object", "additionalProperties": True},
                "example": _BARE,
            },
            "application/cloudevents+json": {
                "schema": {"type": "object", "additionalProperties": True},
                "example": {
                    "specversion": "1.0",
                    "id": "evt-1",
                    "source": "shop/web",
                    "type": "order.paid.v1",
                    "time": "2026-11-05T10:00:00Z",
                    "data": {key: _BARE[key] for key in ("customer_id", "order_id", "total")},
                },
            },
        },
    }
}


@router.post(
    "/events",
    status_code=202,
    summary="Publish one event",
    openapi_extra=_BODY,
    responses=refuses(NotFromShop, OtherProgram, KafkaAway),
)
async def publish_event(request: Request, caller: Annotated[Caller, requires(WRITE)]) -> Accepted:
    """Publishes the event to the topic of its type. The same id may be sent again: it counts once."""
    body = await request.body()
    event = decode(body, topic=SHOP, key=None, timestamp=system_clock(), default_program=caller.program_id)
    if event.program_id != caller.program_id:
        raise OtherProgram(f"the token is good for {caller.program_id!r}, not for {event.program_id!r}")
    topic = topic_of(type(event.data))
    if not topic.startswith(SHOP):
        raise NotFromShop(f"{event.type} is announced by a service; a shop publishes to {SHOP}* only")
    place = await _publish(request.app.state.producer, topic, event, body)
    return Accepted(id=event.id, type=event.type, topic=topic, partition=place.partition, offset=place.offset)


async def _publish(producer: Any, topic: str, event: Event[Any], body: bytes) -> Any:
    """The event as it came: what is signed or hashed elsewhere stays the same bytes."""
    headers = STRUCTURED_HEADERS if event.source != SHOP else ()  # the bare form has no source
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await producer.send_and_wait(topic, body, key=event.key.encode(), headers=list(headers))
    except KAFKA_NOT_NOW as error:
        raise KafkaAway(f"no answer from Kafka: {type(error).__name__} {error}; is it running?") from error


def intake_app(bootstrap: str, token_keys: str) -> FastAPI:
    """The application; it connects to Kafka when it starts."""

    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        async with started(producer_client(bootstrap)) as producer:
            app.state.producer = producer
            yield

    return create_app(
        title="Habitué intake",
        description=__doc__.partition("\n\n")[0],
        service="intake",
        version=VERSION,
        routers=[router],
        public_routers=[router],
        metrics=Metrics("intake", version=VERSION),
        verifier=verifier_from(token_keys, client=http_client()),
        lifespan=connected,
    )


def main() -> None:
    """Serve on HTTP_PORT until SIGTERM or SIGINT."""
    app = intake_app(os.environ["KAFKA_BOOTSTRAP"], os.environ["TOKEN_KEYS"])
    uvicorn.run(
        app, host="127.0.0.1", port=int(os.environ["HTTP_PORT"]), access_log=False, server_header=False
    )


if __name__ == "__main__":
    main()
