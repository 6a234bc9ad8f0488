"""Wires the referrals service: settings, ports and doors. Nothing else does."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import services.referrals
from services.referrals import api
from services.referrals.actions import Actions
from services.referrals.domain.hashes import Secret
from services.referrals.handlers import on
from services.referrals.jobs import jobs_of
from services.referrals.program import parse, schema
from services.referrals.settings import Settings
from services.referrals.store import Store
from services.referrals.verify import differences
from services.referrals.views import Views
from shared.events import MemberMerged, ReferralApproved, ReferralQualified, ReferralStarted, ReferralVoided
from shared.programs import Programs
from shared.service import Doors, Ports, Service

VERSION = "0.1.0"
CLICK_BYTES = 12  # nobody guesses another's click


def build(ports: Ports) -> Doors:
    """The doors of this service."""
    actions = _actions(ports)
    return Doors(
        handle=actions.handle,
        jobs=jobs_of(ports, actions),
        state={
            "actions": actions,
            "programs": actions.programs,
            "views": Views(ports.sql),
            "public_url": ports.settings.public_url.rstrip("/"),
            "draw_click_id": lambda: urlsafe_b64encode(ports.random.randbytes(CLICK_BYTES)).decode(),
        },
    )


async def verify(ports: Ports) -> list[str]:
    """Recompute every referral from the papers; each place where it differs from what is kept."""
    actions = _actions(ports)
    return await differences(ports, actions.store, actions.programs)


def _actions(ports: Ports) -> Actions:
    secret = Secret(ports.settings.hash_key.get_secret_value().encode())
    return Actions(ports.machinery, Store(ports.sql, secret), Programs(ports.machinery, parse))


SERVICE = Service(
    name="referrals",
    package=services.referrals,
    version=VERSION,
    settings=Settings,
    listens=(*on.classes, MemberMerged),
    announces=(ReferralStarted, ReferralQualified, ReferralApproved, ReferralVoided),
    routers=(api.router,),
    build=build,
    verify=verify,
    parse_program=parse,
    program_schema=schema,
    public_routers=(api.public,),
)
