"""The only place of the tiers service that wires: ports → store → actions → doors."""

from __future__ import annotations

import services.tiers
from services.tiers import api, program, verify
from services.tiers.actions import Actions
from services.tiers.handlers import on
from services.tiers.jobs import jobs_of
from services.tiers.settings import Settings
from services.tiers.store import Store
from shared.events import TierKept, TierLowered, TierRaised, TierWillLower
from shared.programs import Programs
from shared.service import Doors, Ports, Service

VERSION = "0.1.0"


def build(ports: Ports) -> Doors:
    """The service's doors on these ports."""
    programs = Programs(ports.machinery, program.parse)
    actions = Actions(ports, programs, Store(ports.sql))
    return Doors(
        handle=actions.handle,
        jobs=jobs_of(ports, actions),
        state={"actions": actions, "programs": programs},
    )


SERVICE = Service(
    name="tiers",
    package=services.tiers,
    version=VERSION,
    settings=Settings,
    listens=on.classes,
    announces=(TierRaised, TierKept, TierLowered, TierWillLower),
    routers=(api.router,),
    build=build,
    verify=verify.differences,
    parse_program=program.parse,
    program_schema=program.schema,
)
