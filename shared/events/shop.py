"""What a shop tells: orders, customers, shares, reviews, activity.

What a newcomer would get wrong: `OrderLine.total` is after the discounts of the line but before the discount
of the order, and what points, credit or gift cards paid stands in `paid_with`, never in a discount.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta
from pydantic import Field

from shared.events.data import Data
from shared.events.fields import (
    MAX_LABELS,
    MAX_LINES,
    Amount,
    Birthday,
    Count,
    Country,
    Currency,
    Flag,
    Id,
    Language,
    LongText,
    Quantity,
    Stars,
    Text,
    TimeZone,
    Word,
)
from shared.events.registry import event

Labels = Annotated[tuple[Id, ...], Meta(max_length=MAX_LABELS), Field(max_length=MAX_LABELS)]


class OfCustomer(Data, frozen=True, kw_only=True):
    """An event about one customer of the shop, who is the member."""

    customer_id: Id
    """The shop's id of the customer; it is the member's id."""

    @property
    def member_id(self) -> str:
        """Whom the event is about."""
        return self.customer_id


class OfOrder(Data, frozen=True, kw_only=True):
    """An event about one order, of a customer or of a guest."""

    order_id: Id
    """The shop's id of the order."""
    customer_id: Id | None = None
    """The shop's id of the customer; absent for a guest."""

    @property
    def member_id(self) -> str | None:
        """Whom the event is about; None for a guest."""
        return self.customer_id


class OrderLine(Data, frozen=True, kw_only=True):
    """One line of an order."""

    total: Amount
    """What the line costs after its own discounts, before the discount of the order."""
    line_id: Id | None = None
    """Named by refunds. A line without one is known by its place in the order: 1, 2, …"""
    product_id: Id | None = None
    sku: Id | None = None
    quantity: Quantity = "1"
    tax: Amount | None = None
    """The tax in `total`, or added to it where `tax_included` of the order is false."""
    categories: Labels = ()
    brand: Id | None = None
    collections: Labels = ()
    gift_card: Flag = False
    """True for a gift card that is sold: it earns when it is spent, not when it is bought."""


class PaidWith(Data, frozen=True, kw_only=True):
    """A part of an order that was not paid, or not given back, in money."""

    kind: Literal["points", "credit", "gift_card"]
    amount: Amount
    """Its worth in the currency of the order."""


Otherwise = Annotated[tuple[PaidWith, ...], Meta(max_length=MAX_LABELS), Field(max_length=MAX_LABELS)]


class Signals(Data, frozen=True, kw_only=True):
    """What referrals compare between two people; kept as keyed hashes only, so hashes are welcome here
    too."""

    device: Text | None = None
    ip: Text | None = None
    address: Text | None = None
    phone: Text | None = None
    payment: Text | None = None
    """A fingerprint of the card or account that paid."""


@event("order.paid.v1", topic="shop.orders")
class OrderPaid(OfOrder, frozen=True, kw_only=True):
    """An order was paid; a second one for the same order replaces the first, since the shop edited it.

    It states the order before any refund.
    """

    total: Amount
    """All that the order costs: lines less discounts, with shipping and tax, however it was paid."""
    currency: Currency | None = None
    """The currency of every amount; absent = the program's."""
    lines: Annotated[tuple[OrderLine, ...], Meta(max_length=MAX_LINES), Field(max_length=MAX_LINES)] = ()
    """An order that gives only a total is one line of that value."""
    discount: Amount = "0"
    """The discount of the whole order, which no line's `total` knows of yet."""
    shipping: Amount = "0"
    """What delivery costs, after its own discounts."""
    tax: Amount | None = None
    """All tax of the order, shipping's included; asked for only where the lines do not say theirs."""
    tax_included: Flag = True
    """False where prices are without tax and tax is added to them."""
    paid_with: Otherwise = ()
    """What points, credit and gift cards paid; part of `total`, never also in a discount."""
    email: Text | None = None
    """Whom to credit when a guest signs up; kept as a keyed hash only."""
    channel: Id | None = None
    """Where it was bought, such as `web`, `app`, `store`."""
    payment_method: Id | None = None
    card_partner: Id | None = None
    coupon_codes: Labels = ()
    referral_code: Id | None = None
    click_id: Id | None = None
    """The click on a referral link that led here."""
    hold_id: Id | None = None
    """The hold of points that this order captures."""
    country: Country | None = None
    signals: Signals | None = None


@event("order.fulfilled.v1", topic="shop.orders")
class OrderFulfilled(OfOrder, frozen=True, kw_only=True):
    """An order, or some lines of it, was handed over; the first fulfilment starts what waits for it."""

    line_ids: Annotated[tuple[Id, ...], Meta(max_length=MAX_LINES), Field(max_length=MAX_LINES)] = ()
    """Which lines; none = all."""


class RefundLine(Data, frozen=True, kw_only=True):
    """A line that came back, wholly or in part."""

    line_id: Id
    quantity: Quantity | None = None
    """How much of it came back; absent = as much as `amount` is of its worth, or all of it."""
    amount: Amount | None = None
    """What was given back for it in money; absent = its worth."""


@event("order.refunded.v1", topic="shop.orders")
class OrderRefunded(OfOrder, frozen=True, kw_only=True):
    """One refund of an order, with its own id; an order may have many."""

    refund_id: Id
    currency: Currency | None = None
    """Must be the order's; absent = the order's."""
    amount: Amount | None = None
    """All that was given back in money, named shipping included; absent = the worth of the lines named."""
    lines: Annotated[tuple[RefundLine, ...], Meta(max_length=MAX_LINES), Field(max_length=MAX_LINES)] = ()
    """What came back; a refund with an amount alone counts wholly as items."""
    shipping: Amount | None = None
    """What of it was given back for shipping."""
    given_back: Otherwise = ()
    """What went back as points, credit or gift card; not part of `amount`."""


@event("order.cancelled.v1", topic="shop.orders")
class OrderCancelled(OfOrder, frozen=True, kw_only=True):
    """A whole order was called off."""

    reason: Text | None = None


class Consent(Data, frozen=True, kw_only=True):
    """What a customer agreed to, or no longer agrees to."""

    granted: Flag
    purpose: Word = "marketing"
    channel: Word | None = None
    """Absent = on every channel."""
    proof: Text | None = None
    """How it is known, such as the form and its version."""


Consents = Annotated[tuple[Consent, ...], Meta(max_length=MAX_LABELS), Field(max_length=MAX_LABELS)]


@event("customer.signed_up.v1", topic="shop.customers")
class CustomerSignedUp(OfCustomer, frozen=True, kw_only=True):
    """Somebody opened an account. Only the notifier keeps name, e-mail and phone."""

    email: Text | None = None
    phone: Text | None = None
    name: Text | None = None
    language: Language | None = None
    time_zone: TimeZone | None = None
    country: Country | None = None
    birthday: Birthday | None = None
    referral_code: Id | None = None
    """The code of the member who sent them."""
    click_id: Id | None = None
    """The click on a referral link that led here."""
    consents: Consents = ()
    signals: Signals | None = None


@event("customer.updated.v1", topic="shop.customers")
class CustomerUpdated(OfCustomer, frozen=True, kw_only=True):
    """Something about a customer changed. What is absent or null stays; an empty text clears."""

    email: Text | None = None
    phone: Text | None = None
    name: Text | None = None
    language: Language | None = None
    time_zone: TimeZone | None = None
    country: Country | None = None
    birthday: Birthday | None = None
    consents: Consents = ()
    signals: Signals | None = None


@event("customer.deleted.v1", topic="shop.customers")
class CustomerDeleted(OfCustomer, frozen=True, kw_only=True):
    """A customer is to be forgotten: erased everywhere, with the books left balanced."""


@event("content.shared.v1", topic="shop.shares")
class ContentShared(OfCustomer, frozen=True, kw_only=True):
    """A customer shared something on a network."""

    network: Word
    share_id: Id | None = None
    url: Text | None = None
    """Where it can be seen."""
    proof: Text | None = None
    """How the shop knows, such as the network's id of the post."""


@event("review.published.v1", topic="shop.reviews")
class ReviewPublished(OfCustomer, frozen=True, kw_only=True):
    """A review went public. No reward may depend on `rating`: laws on fake reviews forbid it."""

    review_id: Id
    product_id: Id
    rating: Stars | None = None
    text: LongText | None = None
    text_length: Count | None = None
    """Characters after trimming, for a shop that keeps the text to itself."""
    photo: Flag = False
    video: Flag = False
    verified_purchase: Flag | None = None
    """The review app's word; absent = our own orders tell."""
    order_id: Id | None = None


@event("review.removed.v1", topic="shop.reviews")
class ReviewRemoved(OfCustomer, frozen=True, kw_only=True):
    """A review is no longer public; what it earned is taken back."""

    review_id: Id
    product_id: Id | None = None
    reason: Text | None = None


@event("activity.recorded.v1", topic="shop.activity")
class ActivityRecorded(OfCustomer, frozen=True, kw_only=True):
    """A customer did something else that a program may reward: newsletter, quiz, visit, cart abandoned, …"""

    activity: Word
    subject: Id | None = None
    """What it was about, such as the quiz or the cart."""
    amount: Amount | None = None
    """What it is worth, such as the cart."""
    currency: Currency | None = None
    url: Text | None = None
    """Where to go on, such as back to the cart."""
