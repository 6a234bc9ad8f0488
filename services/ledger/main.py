"""Where the ledger is wired, and nothing else."""

from __future__ import annotations

import services.ledger
from services.ledger import api, jobs, program, verify
from services.ledger.actions import Actions
from services.ledger.actions.together import Together
from services.ledger.actions.trials import Trials
from services.ledger.domain.guests import Secret
from services.ledger.handlers import on
from services.ledger.moving import export, import_rows
from services.ledger.reporting import Reports
from services.ledger.settings import Settings
from services.ledger.showcase import Showcase
from services.ledger.simulation.command import simulate
from services.ledger.store import Store
from services.ledger.views import Reading
from shared.events import (
    MemberMerged,
    PointsDonated,
    PointsEarned,
    PointsExpired,
    PointsExpiring,
    PointsHeld,
    PointsPending,
    PointsReleased,
    PointsRestored,
    PointsReversed,
    PointsSpent,
    PointsTransferred,
    PoolJoined,
    PoolLeft,
    RewardExpired,
    RewardIssued,
    RewardUsed,
    RewardVoided,
)
from shared.programs import Programs
from shared.service import Doors, Ports, Service


def build(ports: Ports) -> Doors:
    """The ledger's doors on these ports."""
    programs = Programs(ports.machinery, program.parse)
    store = Store(ports.sql, ports.random)
    secret = Secret(ports.settings.hash_key.get_secret_value().encode())
    actions = Actions(ports.sql, ports.machinery, store, programs, ports.random, secret)
    return Doors(
        handle=actions.handle,
        jobs=jobs.jobs_of(ports, actions),
        decide=Together(actions).decide,
        state={
            "actions": actions,
            "reading": Reading(ports.sql, store, programs),
            "reports": Reports(ports.sql, programs),
            "showcase": Showcase(actions),
            "programs": programs,
            "try_program": Trials(actions),
        },
    )


SERVICE = Service(
    name="ledger",
    package=services.ledger,
    version="0.1.0",
    settings=Settings,
    listens=on.classes,
    announces=(
        PointsPending,
        PointsEarned,
        PointsHeld,
        PointsReleased,
        PointsSpent,
        PointsRestored,
        PointsReversed,
        PointsExpired,
        PointsExpiring,
        PointsDonated,
        PointsTransferred,
        MemberMerged,
        PoolJoined,
        PoolLeft,
        RewardIssued,
        RewardUsed,
        RewardVoided,
        RewardExpired,
    ),
    routers=api.routers,
    build=build,
    verify=verify.differences,
    parse_program=program.parse,
    program_schema=program.schema,
    program_warnings=program.warnings_of,
    commands=(simulate, import_rows, export),
)
