"""Between rows of the database and the domain's values."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from services.referrals.domain.model import Paper, Reason, Referral, Signal, State, Touch, Via
from shared.cloudevents import read_data
from shared.events import Grant, event_type

_encoder: Final = msgspec.json.Encoder()
_grants: Final = msgspec.json.Decoder(tuple[Grant, ...])


class Row(Protocol):
    """A row as the driver gives it."""

    def __getitem__(self, column: str, /) -> Any: ...


def signal_of(row: Row) -> Signal:
    """A row of `signal`."""
    return Signal(row["program_id"], row["member_id"], row["kind"], row["digest"], row["first_at"])


def touch_of(row: Row) -> Touch:
    """A row of `touch`."""
    return Touch(
        program_id=row["program_id"],
        member_id=row["member_id"],
        touch_id=row["touch_id"],
        at=row["happened_at"],
        via=Via(row["via"]),
        code=row["code"],
        order_id=row["order_id"],
        reasons=reasons_of(row["reasons"]),
        open=row["open"],
    )


def touch_row(touch: Touch) -> tuple[Any, ...]:
    """A touch as a row of `touch`."""
    return (
        touch.program_id,
        touch.member_id,
        touch.touch_id,
        touch.at,
        touch.via.value,
        touch.code,
        touch.order_id,
        [reason.value for reason in touch.reasons],
        touch.open,
    )


def paper_of(row: Row) -> Paper:
    """A row of `paper`."""
    return Paper(
        program_id=row["program_id"],
        member_id=row["member_id"],
        order_id=row["order_id"],
        paper_id=row["paper_id"],
        at=row["happened_at"],
        data=read_data(row["kind"], row["data"].encode()),
    )


def paper_row(paper: Paper) -> tuple[Any, ...]:
    """A paper as a row of `paper`."""
    data = _encoder.encode(paper.data).decode()
    kind = event_type(type(paper.data))
    return paper.program_id, paper.member_id, paper.order_id, paper.paper_id, paper.at, kind, data


def referral_of(row: Row) -> Referral:
    """A row of `referral`."""
    return Referral(
        program_id=row["program_id"],
        member_id=row["member_id"],
        referral_id=row["referral_id"],
        advocate_id=row["advocate_id"],
        touch_id=row["touch_id"],
        code=row["code"],
        state=State(row["state"]),
        started_at=row["started_at"],
        version=row["version"],
        order_id=row["order_id"],
        due_at=row["due_at"],
        approved_at=row["approved_at"],
        voided_at=row["voided_at"],
        reasons=reasons_of(row["reasons"]),
        friend_rewards=read_grants(row["friend_rewards"]),
        advocate_rewards=read_grants(row["advocate_rewards"]),
    )


def referral_row(referral: Referral) -> tuple[Any, ...]:
    """A referral as a row of `referral`; who changed it when is added by the query."""
    return (
        referral.program_id,
        referral.member_id,
        referral.referral_id,
        referral.advocate_id,
        referral.touch_id,
        referral.code,
        referral.state.value,
        referral.started_at,
        referral.version,
        referral.order_id,
        referral.due_at,
        referral.approved_at,
        referral.voided_at,
        reasons_text(referral.reasons),
        write_grants(referral.friend_rewards),
        write_grants(referral.advocate_rewards),
    )


def advocacy_row(referral: Referral) -> tuple[Any, ...]:
    """The advocate's copy of a referral as a row of `advocacy`."""
    return (
        referral.program_id,
        referral.advocate_id,
        referral.referral_id,
        referral.member_id,
        referral.state.value,
        referral.started_at,
        referral.due_at,
        referral.approved_at,
        referral.voided_at,
        reasons_text(referral.reasons),
        write_grants(referral.advocate_rewards),
    )


def reasons_of(names: list[str]) -> tuple[Reason, ...]:
    """Reasons by their names."""
    return tuple(Reason(name) for name in names)


def reasons_text(reasons: tuple[Reason, ...]) -> str:
    """Reasons as one text, which a query takes apart again: arrays of arrays cannot be sent."""
    return ",".join(reason.value for reason in reasons)


def read_grants(text: str) -> tuple[Grant, ...]:
    """What a side got, from JSON."""
    return _grants.decode(text)


def write_grants(grants: tuple[Grant, ...]) -> str:
    """What a side got, as JSON."""
    return _encoder.encode(grants).decode()
