"""The wiring of the notifier: the only place that knows all of its parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from prometheus_client import Counter

from services import notifier
from services.notifier import api, program
from services.notifier.actions import Actions
from services.notifier.domain.messages import State
from services.notifier.handlers import on
from services.notifier.jobs import jobs_of
from services.notifier.links import Links
from services.notifier.render import Templates
from services.notifier.sender import Sender, SenderOptions
from services.notifier.settings import Settings
from services.notifier.smtp import SmtpMailer, SmtpServer
from services.notifier.store import Store
from services.notifier.verify import verify
from shared.events import (
    MemberMerged,
    MemberUnsubscribed,
    MessageDeferred,
    MessageFailed,
    MessageSent,
    MessageSuppressed,
)
from shared.logs import get_logger
from shared.programs import Programs
from shared.service import Doors, Ports, Service

VERSION = "0.1.0"

log = get_logger(__name__)


def build(ports: Ports) -> Doors:
    """The doors of the notifier on these ports."""
    settings: Settings = ports.settings
    templates = Templates.load()
    links = Links(settings.keys, settings.public_url)
    programs = Programs(ports.machinery, program.parse)
    actions = Actions(
        machinery=ports.machinery,
        store=Store(ports.sql),
        programs=programs,
        languages=templates.languages,
        keys=settings.keys,
        when_in_doubt=settings.when_in_doubt,
    )
    senders = _senders(ports, settings, actions, templates, links)
    return Doors(
        handle=actions.handle,
        jobs=jobs_of(),
        state={"actions": actions, "programs": programs, "templates": templates, "links": links},
        background=[sender.run for sender in senders] or [_say_that_mail_is_off],
    )


def _senders(
    ports: Ports, settings: Settings, actions: Actions, templates: Templates, links: Links
) -> list[Sender]:
    if settings.smtp_url is None:
        return []
    server = SmtpServer.of_url(settings.smtp_url.get_secret_value(), settings.smtp_timeout_seconds)

    def clock() -> datetime:
        return (
            ports.clock()
        )  # Asked anew each time: who runs this service may set another clock on its ports.

    options = SenderOptions(
        sender=settings.sender,
        claim_size=settings.claim_size,
        claim_seconds=settings.claim_seconds,
        poll_seconds=settings.send_poll_seconds,
    )
    sent = _counter(ports)
    return [
        Sender(
            pool=ports.pool,
            actions=actions,
            templates=templates,
            links=links,
            mailer=SmtpMailer(server),
            clock=clock,
            random=ports.random,
            options=options,
            sent=sent,
        )
        for _ in range(settings.senders)
    ]


async def _say_that_mail_is_off(stop: asyncio.Event) -> None:
    log.warning("mail_is_off", reason=f"{Settings.variables('smtp_url')} is not set; e-mails wait for it")
    await stop.wait()


def _counter(ports: Ports) -> Callable[[State], None]:
    """Counts what came of e-mails, for the metrics."""
    counter = Counter(
        "mails",
        "E-mails that a sender had in hand, by what became of them.",
        ("service", "state"),
        namespace="habitue",
        registry=ports.metrics.registry,
    )
    children = {state: counter.labels("notifier", state.value) for state in State}
    return lambda state: children[state].inc()


SERVICE = Service(
    name="notifier",
    package=notifier,
    version=VERSION,
    settings=Settings,
    listens=(*on.classes, MemberMerged),
    announces=(MessageSent, MessageDeferred, MessageFailed, MessageSuppressed, MemberUnsubscribed),
    routers=(api.router,),
    public_routers=(api.public_router,),
    build=build,
    verify=verify,
    parse_program=program.parse,
    program_schema=program.schema,
)
