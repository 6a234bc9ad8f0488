"""The wider steps of the model, as the service does them on Postgres."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from services.ledger.actions import Actions, coupons, imports, partners
from services.ledger.actions.imports import Entry
from services.ledger.domain.coupons import Attempt
from services.ledger.domain.importing import Brought, OldOrder
from services.ledger.domain.partners import Purchase
from services.ledger.errors import ImportFault
from shared.database import PooledConnection
from shared.errors import ServiceError
from tests.support.events import PROGRAM
from tests.support.model import PARTNER

WIDER = ("credits", "reverses", "imports", "reserves", "uses", "frees")
CODE = "SELECT code FROM ledger.reward WHERE member_id = $1 AND reward_id = $2"


async def asked(
    actions: Actions, connection: PooledConnection, what: str, now: datetime, **words: Any
) -> None:
    """A command comes in.

    Raises:
        ServiceError: it is refused.
    """
    match what:
        case "credits":
            purchase = Purchase(
                transaction_id=words["transaction_id"], member_id=words["member"], points=words["points"]
            )
            (outcome,) = await partners.credit(actions, connection, PROGRAM, PARTNER, [purchase], now)
            _raised(outcome)
        case "reverses":
            reversal = partners.Reversal(words["transaction_id"], points=words["points"])
            (outcome,) = await partners.reverse(actions, connection, PROGRAM, PARTNER, [reversal], now)
            _raised(outcome)
        case "imports":
            await _imported(actions, connection, words["member"], words["brought"], now)
        case _:
            await _of_a_code(actions, connection, what, now, **words)


async def _imported(
    actions: Actions, connection: PooledConnection, member: str, brought: Brought, now: datetime
) -> None:
    kind = "order" if isinstance(brought, OldOrder) else "points"
    entry = Entry(1, member, kind, {"row": brought.row}, brought)
    report = await imports.bring_in_rows(actions, connection, PROGRAM, [entry], now)
    if report.faults:
        raise ImportFault(report.faults[0].message)


async def _of_a_code(
    actions: Actions, connection: PooledConnection, what: str, now: datetime, **words: Any
) -> None:
    code = await connection.fetchval(CODE, words["member"], words["reward_id"])
    attempt = Attempt(
        at=now, member_id=words["member"], order_id=words.get("order_id"), use_id=words.get("use_id")
    )
    if what == "reserves":
        until = now + timedelta(minutes=words["minutes"])
        more = {"cart": None, "use_id": words["use_id"], "until": until}
        await coupons.reserve(actions, connection, PROGRAM, code, attempt, **more)
    elif what == "uses":
        await coupons.use(actions, connection, PROGRAM, code, attempt, cart=None)
    else:
        await coupons.release(actions, connection, PROGRAM, code, attempt)


def _raised(outcome: Any) -> None:
    if isinstance(outcome, ServiceError):
        raise outcome
