"""The shapes of the tiers service's HTTP door. Money is a decimal string with its currency; times are in UTC."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.tiers.actions import Entitled, LadderView
from services.tiers.domain.ladder import Ladder, Level
from services.tiers.domain.progress import Progress, Step
from shared.money import to_decimal_string

LADDER = "main"


class MoneyOut(BaseModel):
    """An amount of money."""

    amount: str = Field(examples=["32.50"])
    currency: str = Field(examples=["EUR"])


class SpendOut(BaseModel):
    """What has been spent in the running window."""

    year: int = Field(examples=[2026])
    spent: MoneyOut


class StepOut(BaseModel):
    """What is missing for a level."""

    level: str = Field(examples=["Habitué"])
    missing: MoneyOut
    by: date = Field(description="The last day on which it counts.", examples=["2026-12-31"])
    words: str = Field(examples=["32.50 EUR to Habitué by 31 December"])


class DropOut(BaseModel):
    """Where a drop would lead."""

    level: str = Field(examples=["Guest"])
    at: datetime = Field(examples=["2026-12-31T23:00:00Z"])


class StandingOut(BaseModel):
    """Where a member stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "member_id": "c-17",
                    "ladder": LADDER,
                    "level": "Regular",
                    "since": "2026-03-02T10:00:00Z",
                    "valid_until": "2027-12-31T23:00:00Z",
                    "progress": {"year": 2026, "spent": {"amount": "967.50", "currency": "EUR"}},
                    "next": {
                        "level": "Habitué",
                        "missing": {"amount": "32.50", "currency": "EUR"},
                        "by": "2026-12-31",
                        "words": "32.50 EUR to Habitué by 31 December",
                    },
                    "to_stay": {
                        "level": "Regular",
                        "missing": {"amount": "350.00", "currency": "EUR"},
                        "by": "2027-12-31",
                        "words": "350.00 EUR in 2027 keeps Regular through 2028",
                    },
                    "on_drop": {"level": "Guest", "at": "2027-12-31T23:00:00Z"},
                }
            ]
        }
    )

    member_id: str
    ladder: str
    level: str
    since: datetime = Field(description="Since when the level is held without a break.")
    valid_until: datetime | None = Field(description="Exclusive; null for the base level, which never ends.")
    progress: SpendOut
    next: StepOut | None = Field(description="What is missing for the next level; null at the top.")
    to_stay: StepOut | None = Field(
        description="What keeps the level beyond its end; null for the base level, and where each year begins anew."
    )
    on_drop: DropOut | None = Field(
        description="Where the member lands if nothing more is spent; null if the level would be kept."
    )


class EntitlementsOut(BaseModel):
    """What a member may have now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "member_id": "c-17",
                    "level": "Regular",
                    "valid_until": "2027-12-31T23:00:00Z",
                    "earn_times": "1.25",
                    "entitlements": {"free_shipping": {"order_at_least": "30.00 EUR"}},
                }
            ]
        }
    )

    member_id: str
    level: str
    valid_until: datetime | None
    earn_times: str = Field(description="By what the points of an order are multiplied.")
    entitlements: dict[str, Any] = Field(description="As the program file says it of the level.")


class RewardOut(BaseModel):
    """What entering a level gives."""

    kind: str = Field(examples=["points"])
    points: int | None = Field(examples=[500])


class LevelOut(BaseModel):
    """One level of the ladder."""

    level: str = Field(examples=["Habitué"])
    from_: MoneyOut = Field(alias="from", description="The spend that reaches it, inclusive.")
    earn_times: str = Field(examples=["1.5"])
    entitles: dict[str, Any]
    on_entry: list[RewardOut]


class ComingOut(BaseModel):
    """The levels that will hold from a moment on."""

    at: datetime
    levels: list[LevelOut]


class LevelsOut(BaseModel):
    """The ladder, lowest level first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ladder": LADDER,
                    "by": "spend",
                    "window": "calendar year",
                    "keep_until": "end of next year",
                    "step_down": "one level",
                    "levels": [
                        {
                            "level": "Habitué",
                            "from": {"amount": "1000.00", "currency": "EUR"},
                            "earn_times": "1.5",
                            "entitles": {"free_shipping": True},
                            "on_entry": [{"kind": "points", "points": 500}],
                        }
                    ],
                    "coming": None,
                }
            ]
        }
    )

    ladder: str = Field(examples=[LADDER])
    by: str = Field(examples=["spend"])
    window: str = Field(examples=["calendar year"])
    keep_until: str = Field(examples=["end of next year"])
    step_down: str = Field(examples=["one level"])
    levels: list[LevelOut]
    coming: ComingOut | None = Field(description="What a newer version of the program says, and from when.")


def standing_out(member_id: str, standing: Progress) -> StandingOut:
    """A standing as the door shows it."""
    drop = standing.on_drop
    return StandingOut(
        member_id=member_id,
        ladder=LADDER,
        level=standing.level.name,
        since=standing.since,
        valid_until=standing.valid_until,
        progress=SpendOut(year=standing.year, spent=_money(standing.spent_minor, standing.currency)),
        next=_step(standing.next, standing.currency),
        to_stay=_step(standing.to_stay, standing.currency),
        on_drop=None if drop is None else DropOut(level=drop.level.name, at=drop.at),
    )


def entitlements_out(member_id: str, entitled: Entitled) -> EntitlementsOut:
    """Entitlements as the door shows them."""
    return EntitlementsOut(
        member_id=member_id,
        level=entitled.level.name,
        valid_until=entitled.valid_until,
        earn_times=entitled.level.earn_times,
        entitlements=dict(entitled.level.entitles),
    )


def levels_out(view: LadderView) -> LevelsOut:
    """A ladder as the door shows it."""
    coming = None
    if view.changes_at is not None and view.coming is not None:
        coming = ComingOut(at=view.changes_at, levels=_levels(view.coming, view.currency))
    return LevelsOut(
        ladder=LADDER,
        by="spend",
        window="calendar year",
        keep_until=view.ladder.keep_until.value,
        step_down=view.ladder.step_down.value,
        levels=_levels(view.ladder, view.currency),
        coming=coming,
    )


def _levels(ladder: Ladder, currency: str) -> list[LevelOut]:
    return [_level(level, currency) for level in ladder.levels]


def _level(level: Level, currency: str) -> LevelOut:
    return LevelOut.model_validate(
        {
            "level": level.name,
            "from": _money(level.from_minor, currency),
            "earn_times": level.earn_times,
            "entitles": dict(level.entitles),
            "on_entry": [RewardOut(kind=grant.kind, points=grant.points) for grant in level.on_entry],
        }
    )


def _step(step: Step | None, currency: str) -> StepOut | None:
    if step is None:
        return None
    missing = _money(step.missing_minor, currency)
    return StepOut(level=step.level.name, missing=missing, by=step.by, words=step.words)


def _money(minor: int, currency: str) -> MoneyOut:
    return MoneyOut(amount=to_decimal_string(minor, currency), currency=currency)
