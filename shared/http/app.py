"""The HTTP application of a service, put together.

    app = create_app(title="Ledger", service="ledger", version=VERSION, routers=[members.router],
                     metrics=metrics, verifier=verifier, lifespan=resources,
                     health=Health(checks={"database": ping}))

Endpoints find what they need on `request.app.state`: `pool` (set by the service when it starts), `verifier`, `clock`,
`metrics`, `service`, `machinery` (the shared queries in this service's schema).

What a newcomer would get wrong: add routers here and not to the finished application: the names of routes that
metrics use are taken once, at the end. Addresses are matched as written, with no redirect for a slash too many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import Scope

from shared.clock import Clock, system_clock
from shared.http import openapi, problems
from shared.http.health import Health, probe_routes
from shared.http.requests import RequestMiddleware, RouteName
from shared.http.turns import Turns
from shared.metrics import Metrics
from shared.queries import load_queries
from shared.tokens import Verifier

PREFIX = "/v1"
MAX_BODY_BYTES = 1_048_576
UNMATCHED = "unmatched"

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    *,
    title: str,
    service: str,
    version: str,
    routers: Sequence[APIRouter],
    metrics: Metrics,
    verifier: Verifier,
    health: Health | None = None,
    lifespan: Lifespan | None = None,
    clock: Clock = system_clock,
    description: str = "",
    public_routers: Sequence[APIRouter] = (),
    max_body_bytes: int = MAX_BODY_BYTES,
) -> FastAPI:
    """The application of one service.

    Args:
        service: its name, which is also its schema.
        routers: its endpoints, placed under `/v1`.
        public_routers: addresses that members' browsers open, such as `/r/{code}`, placed at the root.
        lifespan: opens what the service needs, and puts its pool at `app.state.pool`.
    """
    app = FastAPI(
        title=title,
        version=version,
        description=description,
        lifespan=lifespan,
        separate_input_output_schemas=False,
        redirect_slashes=False,
        redoc_url=None,
    )
    for router in routers:
        app.include_router(router, prefix=PREFIX)
    for router in public_routers:
        app.include_router(router)
    app.router.routes.extend(probe_routes(health or Health(), metrics))
    _fill_state(app, service=service, metrics=metrics, verifier=verifier, clock=clock)
    problems.install(app)
    openapi.describe(app)
    app.add_middleware(
        RequestMiddleware, metrics=metrics, max_body_bytes=max_body_bytes, route_of=_route_names(app)
    )
    return app


def _fill_state(app: FastAPI, *, service: str, metrics: Metrics, verifier: Verifier, clock: Clock) -> None:
    app.state.service = service
    app.state.metrics = metrics
    app.state.verifier = verifier
    app.state.clock = clock
    app.state.turns = Turns()
    app.state.machinery = load_queries("shared", schema=service)


def _route_names(app: FastAPI) -> RouteName:
    """Answers the template of the route that a request took, with its prefixes: a label from a closed set."""
    names = {
        id(context.original_route): context.path_format or context.path or UNMATCHED
        for context in iter_route_contexts(app.routes)
    }

    def route_of(scope: Scope) -> str:
        return names.get(id(scope.get("route")), UNMATCHED)

    return route_of
