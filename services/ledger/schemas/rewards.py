"""The shapes of rewards: the catalogue, what a member buys or is given, and what they have."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from services.ledger.schemas import AssetBalance, Moment, Name, Points, Shape, Why, Wish
from shared.events import Amount, Currency

Code = Annotated[str | None, Field(description="As members read it.", examples=["K7QF-M3TW-9XHC"])]


class GrantOut(Shape):
    """What is given."""

    kind: str = Field(
        description="`coupon` (money or a percentage off), `free_shipping`, `product`, `gift_card`, `ticket`, "
        "`credit`, `points` or `donation`.",
        examples=["coupon"],
    )
    amount: str | None = Field(default=None, examples=["5.00"])
    percent: str | None = Field(default=None, examples=[None])
    at_most: str | None = Field(
        default=None, description="The most that a percentage takes off.", examples=[None]
    )
    currency: str | None = Field(default=None, examples=["EUR"])
    order_at_least: str | None = Field(default=None, examples=["30.00"])
    products: list[str] = Field(default=[], description="The only products it counts for; empty = all.")
    product_id: str | None = Field(default=None, description="The product that is free.", examples=[None])
    name: str | None = Field(default=None, description="What a ticket lets in to.", examples=[None])
    asset: str | None = Field(default=None, examples=[None])
    points: int | None = Field(default=None, description="Of the asset, at once.", examples=[None])
    charity: str | None = Field(default=None, examples=[None])


class ReasonOut(Shape):
    """One reason why something cannot be had or used."""

    code: str = Field(description="Stable, for programs.", examples=["not_enough"])
    text: str = Field(
        description="For people who help members.", examples=["500 points asked for, 420 available"]
    )


class TextOut(Shape):
    """What members read of a reward."""

    title: str = Field(examples=["5 € off"])
    text: str = Field(examples=["On your next order."])
    terms: str = Field(examples=["Once per order."])


class OfferOut(Shape):
    """One reward of the catalogue; `can_have` and `why_not` are there where a member is named."""

    reward: str = Field(examples=["five off"])
    language: str | None = Field(
        description="Of title, text and terms: the nearest that there is.", examples=["en"]
    )
    title: str = Field(description="Its name, where the catalogue has no text.", examples=["5 € off"])
    text: str = Field(examples=["On your next order."])
    terms: str = Field(examples=[""])
    texts: dict[str, TextOut] | None = Field(
        default=None, description="In all languages, if asked for.", examples=[None]
    )
    images: list[str] = Field(examples=[["https://shop.example/five-off.jpg"]])
    gives: GrantOut
    charities: list[str] = Field(
        description="Of which a donation goes to one, as the member chooses.", examples=[[]]
    )
    price: int = Field(description="0 = given by hand only.", examples=[500])
    asset: str = Field(examples=["points"])
    valid: str | None = Field(description="How long what is issued is good for.", examples=["60 days"])
    left: int | None = Field(description="How many are left; null = no stock is kept.", examples=[97])
    limit: str | None = Field(description="How many one member may have.", examples=["1 per month"])
    levels: list[str] = Field(
        description="Who may have it; empty = every level.", examples=[["Regular", "Habitué"]]
    )
    segments: list[str] = Field(examples=[[]])
    since: datetime | None = Field(examples=[None])
    until: datetime | None = Field(description="Exclusive.", examples=[None])
    can_have: bool | None = Field(default=None, examples=[False])
    why_not: list[ReasonOut] | None = None
    missing: int | None = Field(
        default=None, description="How much of the asset the member lacks.", examples=[80]
    )


class CatalogueOut(Shape):
    """All rewards of the catalogue, in the order of the program file."""

    rewards: list[OfferOut]


class RedemptionIn(Wish):
    """What a member buys."""

    reward: Name = Field(description="Its name in the catalogue.", examples=["five off"])
    reward_id: Name | None = Field(
        default=None,
        description="Your id of what is issued; the same id again is the same purchase. Absent = made here.",
        examples=["redemption-17"],
    )
    charity: Name | None = Field(default=None, description="Who gets a donation.", examples=[None])


class GrantIn(Wish):
    """What a gift gives, where it is not in the catalogue."""

    kind: Literal["coupon", "free_shipping", "product", "gift_card", "ticket", "credit", "points"] = Field(
        examples=["coupon"]
    )
    amount: Amount | None = Field(default=None, examples=["5.00"])
    percent: Annotated[str, Field(pattern=r"^(100|[1-9]?[0-9](\.[0-9]{1,2})?)$")] | None = Field(
        default=None, examples=[None]
    )
    at_most: Amount | None = Field(default=None, examples=[None])
    currency: Currency | None = Field(default=None, examples=["EUR"])
    order_at_least: Amount | None = Field(default=None, examples=["30.00"])
    products: Annotated[list[Name], Field(default_factory=list, max_length=100, examples=[[]])]
    product_id: Name | None = Field(default=None, examples=[None])
    name: Name | None = Field(default=None, examples=[None])
    points: Points | None = Field(default=None, description="Points to credit.", examples=[None])

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        self.require_sound()
        return self

    def require_sound(self) -> None:
        """Let it say what it gives.

        Raises:
            ValueError: it does not.
        """
        needed = {
            "coupon": bool(self.amount) != bool(self.percent),
            "product": self.product_id is not None,
            "gift_card": self.amount is not None,
            "credit": self.amount is not None,
            "ticket": self.name is not None,
            "points": self.points is not None,
        }
        if not needed.get(self.kind, True):
            raise ValueError(f"a gift of kind `{self.kind}` says what it gives: {_NEEDED[self.kind]}")
        amounts = [each for each in (self.amount, self.at_most, self.order_at_least) if each is not None]
        if amounts and self.currency is None:
            raise ValueError("an amount has a `currency`")
        if not all(each.strip("0.") for each in (*amounts, self.percent or "1")):
            raise ValueError("nothing is no amount; leave it out")


_NEEDED = {
    "coupon": "an `amount` or a `percent`",
    "product": "a `product_id`",
    "gift_card": "an `amount`",
    "credit": "an `amount`",
    "ticket": "a `name`",
    "points": "`points`",
}


class GiftIn(Wish):
    """What a person gives a member, and why: a reward of the catalogue, or one of their own making."""

    reward: Name | None = Field(
        default=None, description="A name of the catalogue.", examples=["surprise tea"]
    )
    gives: GrantIn | None = Field(default=None, examples=[None])
    valid_until: Annotated[Moment | None, Field(examples=[None])] = None
    reason: Why = Field(examples=["she found a typo in our book"])
    gift_id: Name | None = Field(
        default=None, description="Your id of it; the same id again is the same gift.", examples=["gift-3"]
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> GiftIn:
        if (self.reward is None) == (self.gives is None):
            raise ValueError("a gift names a `reward`, or says what it `gives`")
        if self.valid_until is not None and self.reward is not None:
            raise ValueError(
                "`valid_until` goes with `gives`; how long a reward is good for stands in the catalogue"
            )
        return self


class UseIn(Wish):
    """That a reward was used."""

    order_id: Name | None = Field(
        default=None, description="The order it was used for, if there is one.", examples=["order-1002"]
    )


class VoidIn(Wish):
    """Why something is taken back."""

    reason: Why | None = Field(default=None, examples=["bought by mistake"])


class RewardOut(Shape):
    """One reward of a member."""

    reward_id: str = Field(examples=["redemption-17"])
    reward: str = Field(
        description="Its name in the catalogue, or of what promised it.", examples=["five off"]
    )
    source: Literal["bought", "given", "promised"]
    state: Literal["issued", "used", "voided", "expired"]
    gives: GrantOut
    code: Code = None
    price: int = Field(examples=[500])
    asset: str = Field(examples=["points"])
    reason: str | None = Field(default=None, examples=[None])
    issued_at: datetime
    valid_until: datetime | None = None
    closed_at: datetime | None = Field(default=None, description="When it was used, voided or expired.")
    order_id: str | None = Field(default=None, examples=[None])


class IssuedOut(RewardOut):
    """A reward, and what the member has after it of what it costs."""

    balance: AssetBalance
