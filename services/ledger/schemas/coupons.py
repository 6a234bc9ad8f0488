"""The shapes of coupons: what a checkout asks of a code, and how codes are made and uploaded."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from services.ledger.schemas import Moment, Name, Shape, Whole, Wish
from services.ledger.schemas.cart import CartIn
from services.ledger.schemas.rewards import GrantIn, GrantOut, ReasonOut

MOST_CODES = 1_000  # of one request in JSON
MOST_CSV_CODES = 50_000  # what a body may hold anyway
CodeText = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, pattern=r"^[^/\u0000-\u001f]*[^/\u0000-\u0020-][^/\u0000-\u001f]*$"
    ),
    Field(
        description="As it is, or as people type it: case, spaces and hyphens do not matter. It has no slash.",
        examples=["K7QF-M3TW-9XHC"],
    ),
]
MemberOf = Annotated[
    Name | None, Field(description="Who uses it; asked for by a code of one member.", examples=["customer-7"])
]
Cart = Annotated[
    CartIn | None,
    Field(
        description="The order so far; without it, nothing that depends on it is judged.",
        examples=[{"total": "64.90"}],
    ),
]


class ValidateIn(Wish):
    """Can this code be used so?"""

    code: CodeText
    member_id: MemberOf = None
    order_id: Name | None = Field(default=None, examples=["order-1002"])
    cart: Cart = None


class ValidOut(Shape):
    """Whether a code can be used, what it gives, and every reason why not."""

    code: str = Field(examples=["K7QF-M3TW-9XHC"])
    valid: bool = Field(examples=[True])
    reasons: list[ReasonOut] = Field(description="Every reason why not; empty if it can be used.")
    gives: GrantOut | None = None
    takes_off: str | None = Field(
        default=None,
        description="What it takes off this cart, where that is a sum of money.",
        examples=["5.00"],
    )
    valid_until: datetime | None = None


class ReserveIn(Wish):
    """One use to keep for a checkout."""

    reservation_id: Name | None = Field(
        default=None,
        description="Your id of it, such as the checkout's; the same id again keeps it longer. Absent = made here.",
        examples=["checkout-88"],
    )
    member_id: MemberOf = None
    order_id: Name | None = Field(default=None, examples=[None])
    minutes: Annotated[Whole, Field(ge=1, le=10_080, examples=[30])] = 30
    cart: Cart = None


class CouponUseIn(Wish):
    """One use, for an order."""

    order_id: Name = Field(
        description="The same order again is the same use, with or without an `Idempotency-Key`.",
        examples=["order-1002"],
    )
    member_id: MemberOf = None
    reservation_id: Name | None = Field(default=None, examples=["checkout-88"])
    cart: Cart = None


class ReleaseIn(Wish):
    """What to set free: a reservation, or the use of an order."""

    reservation_id: Name | None = Field(default=None, examples=["checkout-88"])
    order_id: Name | None = Field(default=None, examples=[None])

    @model_validator(mode="after")
    def _names_one(self) -> ReleaseIn:
        if self.reservation_id is None and self.order_id is None:
            raise ValueError("name the `reservation_id` or the `order_id`")
        return self


class CouponUseOut(Shape):
    """One use of a code, or a reservation for one."""

    code: str = Field(examples=["K7QF-M3TW-9XHC"])
    reservation_id: str = Field(description="Its id; a use without a reservation has its order's.")
    state: Literal["reserved", "used", "released", "timed_out", "refused"]
    member_id: str | None = Field(default=None, examples=["customer-7"])
    order_id: str | None = Field(default=None, examples=["order-1002"])
    reserved_until: datetime | None = None
    changed_at: datetime
    reason: str | None = Field(
        default=None, description="Why a use that an order named does not count.", examples=[None]
    )


class CouponOut(Shape):
    """A code."""

    code: str = Field(examples=["K7QF-M3TW-9XHC"])
    state: Literal["open", "voided"]
    gives: GrantOut
    member_id: str | None = Field(
        default=None, description="Whose reward stands behind it.", examples=["customer-7"]
    )
    reward_id: str | None = Field(default=None, examples=["redemption-17"])
    anyone: bool = Field(description="False: only that member may use it.", examples=[False])
    pool: str | None = Field(default=None, examples=[None])
    uses: int | None = Field(
        description="How often it is good for; null = as often as one likes.", examples=[1]
    )
    per_member: int | None = Field(default=None, examples=[None])
    used: int | None = Field(description="How often it was used; null where `uses` is.", examples=[0])
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    made_at: datetime


class CouponDetail(CouponOut):
    """A code and its latest uses, a hundred at most."""

    latest: list[CouponUseOut]


class CouponsIn(Wish):
    """Codes that belong to nobody's reward, such as those of a campaign."""

    gives: GrantIn
    count: Annotated[Whole, Field(ge=1, le=MOST_CODES, examples=[100])] = 1
    code: CodeText | None = Field(
        default=None,
        description="A code of your own, for one coupon; absent = drawn, unguessable.",
        examples=[None],
    )
    uses: Annotated[Whole, Field(ge=1, le=10**9)] | None = Field(
        default=1, description="null = as often as one likes.", examples=[1]
    )
    per_member: Annotated[Whole, Field(ge=1, le=1000)] | None = Field(default=None, examples=[1])
    valid_from: Moment | None = Field(default=None, examples=["2026-11-27T00:00:00Z"])
    valid_until: Moment | None = Field(
        default=None, description="Exclusive; absent = for ever.", examples=["2026-12-01T00:00:00Z"]
    )

    @model_validator(mode="after")
    def _can_be_made(self) -> CouponsIn:
        if self.gives.kind in ("credit", "points"):
            raise ValueError(f"`{self.gives.kind}` is no coupon; give it to a member")
        if self.code is not None and self.count != 1:
            raise ValueError("a code of your own is one coupon; leave `count` out")
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError("`valid_until` is not after `valid_from`")
        return self


class CouponsOut(Shape):
    """The codes that were made."""

    coupons: list[CouponOut]


class PoolIn(Wish):
    """Codes of the shop's own."""

    codes: Annotated[list[CodeText], Field(min_length=1, max_length=MOST_CODES)]


class CsvIn(Wish):
    """The same as CSV."""

    codes: Annotated[list[CodeText], Field(min_length=1, max_length=MOST_CSV_CODES)]


class PoolFilledOut(Shape):
    """What became of an upload."""

    pool: str = Field(examples=["summer"])
    added: int = Field(examples=[998])
    duplicates: list[str] = Field(
        description="Known in this program already, or twice in this upload; each is there once.",
        examples=[["SUN-17"]],
    )
    left: int = Field(description="How many codes the pool has left now.", examples=[1498])


class PoolOut(Shape):
    """One pool of the shop's codes."""

    pool: str = Field(examples=["summer"])
    left: int = Field(examples=[1498])


class PoolsOut(Shape):
    """All pools that were ever filled."""

    pools: list[PoolOut]
