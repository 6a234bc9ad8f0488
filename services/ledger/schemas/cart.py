"""The shape of a cart: an order that is not paid yet, told as `order.paid` would tell of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from services.ledger.schemas import Wish
from shared.events import Amount, Currency, OrderLine, OrderPaid, PaidWith

MAX_LINES = 2_000
Lines = Annotated[list[OrderLine], Field(default_factory=list, max_length=MAX_LINES)]


class CartIn(Wish):
    """A cart: its lines, or a total alone."""

    total: Amount | None = Field(
        default=None,
        description="All that it costs so far; asked for where there are no lines.",
        examples=["64.90"],
    )
    currency: Currency | None = Field(default=None, description="Absent = the program's.", examples=["EUR"])
    lines: Lines = Field(
        examples=[
            [
                {"line_id": "1", "total": "25.00", "categories": ["tea"]},
                {"line_id": "2", "total": "40.00"},
            ]
        ]
    )
    discount: Amount = Field(default="0", description="The discount of the whole cart.", examples=["5.00"])
    shipping: Amount = Field(default="0", examples=["4.90"])
    paid_with: Annotated[list[PaidWith], Field(default_factory=list, max_length=100)] = Field(
        description="What else pays for it, such as a gift card.",
        examples=[[{"kind": "gift_card", "amount": "10.00"}]],
    )

    @model_validator(mode="after")
    def _has_a_value(self) -> CartIn:
        if self.total is None and not self.lines:
            raise ValueError("a cart has `lines` or a `total`")
        return self

    def as_order(self, member_id: str, order_id: str = "cart") -> OrderPaid:
        """The order that it would be."""
        return OrderPaid(
            order_id=order_id,
            customer_id=member_id,
            total=self.total or "0",
            currency=self.currency,
            lines=tuple(self.lines),
            discount=self.discount,
            shipping=self.shipping,
            paid_with=tuple(self.paid_with),
        )
