"""The gallery: each program of `examples/programs/` lives its story, by events on Kafka and over HTTP, on real servers.

What a newcomer would get wrong: the numbers are worked by hand from what the program says, not taken from the code.
Money is in cents, as balances are.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from typer.testing import CliRunner

from services.ledger.main import SERVICE as LEDGER
from services.notifier.main import SERVICE as NOTIFIER
from services.referrals.main import SERVICE as REFERRALS
from services.tiers.main import SERVICE as TIERS
from shared.cli import application
from shared.events import Event, OrderLine, PaidWith, PointsDonated, RefundLine
from shared.program_file import read_program
from tests.support.events import (
    MEMBER,
    NOON,
    a_cancellation,
    a_line,
    a_refund,
    a_review,
    a_review_removed,
    a_share,
    a_sign_up,
    an_order_paid,
)
from tests.support.gallery import CDNOW, PROGRAMS, gallery, paragraphs_of_the_gallery
from tests.support.keys import KeyPair
from tests.support.ledger import at
from tests.support.servers import Servers
from tests.support.services import Running, running
from tests.support.town import Town, a_town

Database = Callable[[], Awaitable[str]]
CREDIT = "credit:USD"
DAY = timedelta(days=1)
LONG_ENOUGH = {"verified_purchase": True, "text_length": 80}
STORIES: set[str] = set()
POINT_VALUES = {"gift-card": "5.00 USD per 250", "donation": "1.00 USD per 100"}
"""What points are worth where they do not pay at the checkout."""
NOT_IN_THE_SAMPLE = {"surprise-gift", "stamps-card"}
"""The sample has no gifts by hand, and no categories."""


def story(name: str) -> Any:
    """A test that tells the story of this program, in a shop that runs it."""
    STORIES.add(name)
    return pytest.mark.parametrize("shop", [name], indirect=True)


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop with one program: what happens there goes to the ledger, whose answers it reads over HTTP."""

    town: Town
    client: AsyncClient

    @property
    def ledger(self) -> Running:
        """The ledger, to look into."""
        return self.town.ledger

    async def sees(self, *events: Event[Any]) -> None:
        """These things happen, one after the other: the shop publishes them, and the worker takes them from Kafka."""
        for event in events:
            self.ledger.now = max(self.ledger.now, event.time)
            await self.town.publishes(event)
            await self.town.has_handled()

    async def waits_until(self, moment: datetime) -> None:
        """The clock goes on, and what is due is done."""
        self.ledger.now = moment
        await self.ledger.runs("sweep_occasions")
        await self.ledger.runs("settle_due")

    async def has(self, asset: str = "points", *, pending: bool = False) -> int:
        """What the member has of it."""
        found = await self.gets("balances")
        each = {balance["asset"]: balance for balance in found["balances"]}.get(asset, {})
        return int(each.get("pending" if pending else "available", 0))

    async def why(self, event: Event[Any]) -> dict[str, str | None]:
        """What each rule said to an event: nothing where it gave, else the reason why not."""
        decision = await self.gets(f"decisions/{event.id}")
        return {rule["rule"]: rule["why_not"] for award in decision["awards"] for rule in award["rules"]}

    async def gets(self, path: str) -> Any:
        """What the ledger says of the member."""
        answer = await self.client.get(f"/v1/members/{MEMBER}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def buys(self, reward: str, **more: str) -> Any:
        """The member buys a reward."""
        return await self.posts(f"members/{MEMBER}/redemptions", 201, reward=reward, **more)

    async def posts(self, path: str, status: int = 200, **body: Any) -> Any:
        """The answer to a request that must end with this status."""
        answer = await self.client.post(f"/v1/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
async def shop(
    request: pytest.FixtureRequest, fresh_database: Database, servers: Servers, keys: KeyPair
) -> AsyncIterator[Shop]:
    """A shop that runs the program of this name; in the end its books are in order, and nothing was refused."""
    text = (PROGRAMS / f"{request.param}.yaml").read_text(encoding="utf-8")
    async with running(LEDGER, await fresh_database(), keys) as ledger:
        await ledger.applies(read_program(text).document)
        town = await a_town(ledger, servers.kafka_bootstrap)
        async with town.working(), ledger.client() as client:
            yield Shop(town, client)
        assert await ledger.differences() == []
        assert await ledger.dead_letters() == []


@story("gift-card")
async def test_250_points_are_a_gift_card_that_a_friend_can_use(shop: Shop) -> None:
    """240.75 + 9.50 dollars: 240 + 9 points are one too few; the 12 of a third order make 261."""
    await shop.sees(an_order_paid("240.75"), an_order_paid("9.50"))
    short = await shop.posts(f"members/{MEMBER}/redemptions", 409, reward="gift card of 5 dollars")
    assert (short["code"], await shop.has()) == ("insufficient_points", 249)
    await shop.sees(an_order_paid("16.00", shipping="4.00"))
    card = await shop.buys("gift card of 5 dollars")
    assert (card["gives"]["kind"], card["gives"]["amount"], await shop.has()) == ("gift_card", "5.00", 11)
    present = {"code": card["code"], "member_id": "a friend", "cart": {"total": "20.00"}}
    assert (await shop.posts("coupons/validate", **present))["valid"]
    await shop.sees(an_order_paid("20.00", member="a friend", coupon_codes=(card["code"],)))
    reasons = (await shop.posts("coupons/validate", **present))["reasons"]
    assert [reason["code"] for reason in reasons] == ["used_up"]


@story("welcome-review-share")
async def test_signing_up_reviews_and_shares_give_points_within_their_limits(shop: Shop) -> None:
    """50 + 20 + 5 are 75, two more days of sharing and another network 15: 90. Shares stop at 20 a month."""
    review = a_review(**LONG_ENOUGH, rating=1)
    await shop.sees(a_sign_up(), review, a_share())
    assert await shop.has() == 75
    again, short = a_review(**LONG_ENOUGH), a_review(product="tea-2", verified_purchase=True, text_length=39)
    await shop.sees(again, short, a_share(at=NOON + timedelta(hours=1)))
    assert await shop.has() == 75, "once for each product, with something to say, once a day"
    shares = [a_share(network="x"), *(a_share(at=NOON + number * DAY) for number in (1, 2, 3))]
    await shop.sees(*shares)
    assert await shop.has() == 90
    await shop.sees(a_review_removed(review, at=NOON + 4 * DAY))
    assert await shop.has() == 70, "a review that is gone has given nothing"
    await shop.sees(a_share(at=at("2026-06-01T12:00")), an_order_paid("99.00", at=at("2026-06-01T13:00")))
    assert await shop.has() == 75, "a new month; buying is not what this program is about"


@story("co-branded-card")
async def test_the_shops_own_card_earns_three_times_as_much(shop: Shop) -> None:
    """40.60 dollars are 40 points; with the card 40.60 + 2 x 40.60 = 121.80, so 121."""
    cash = an_order_paid("40.60", payment_method="card", card_partner="other-bank")
    await shop.sees(cash)
    assert await shop.has() == 40
    assert (await shop.why(cash))["two more with our card"] is not None
    card = an_order_paid("40.60", payment_method="card", card_partner="river-bank")
    await shop.sees(card)
    assert await shop.has() == 40 + 121
    assert await shop.why(card) == {"a point a dollar": None, "two more with our card": None}
    await shop.sees(a_cancellation(card, at=NOON + DAY))
    assert await shop.has() == 40


@story("cashback")
async def test_two_percent_come_back_as_store_credit_and_pay_at_the_checkout(shop: Shop) -> None:
    """2 % of 87.50 are 1.75; half of it is sent back, 43.75, and 87.5 cents stay: 0.87. It pays for the next order."""
    order = an_order_paid("87.50")
    await shop.sees(order)
    assert (await shop.has(CREDIT, pending=True), await shop.has(CREDIT)) == (175, 0)
    await shop.sees(a_refund(order, amount="43.75", at=NOON + DAY))
    await shop.waits_until(NOON + 14 * DAY)
    assert await shop.has(CREDIT) == 0, "until that day is over"
    await shop.waits_until(NOON + 15 * DAY)
    assert (await shop.has(CREDIT, pending=True), await shop.has(CREDIT)) == (0, 87)
    quote = await shop.posts(f"members/{MEMBER}/quote", total="20.00", asset=CREDIT)
    assert quote["worth"] == "0.87"
    hold = {"hold_id": "h-1", "points": 87, "asset": CREDIT, "order_id": "next"}
    await shop.posts(f"members/{MEMBER}/holds", 201, **hold)
    paid_with = (PaidWith(kind="credit", amount="0.87"),)
    await shop.sees(an_order_paid("20.00", order_id="next", paid_with=paid_with, at=NOON + 15 * DAY))
    assert await shop.has(CREDIT) == 0
    await shop.waits_until(NOON + 400 * DAY)
    assert await shop.has(CREDIT) == 0, "the 0.38 of the second order lived for a year"


@story("spend-threshold")
async def test_each_fifty_dollars_of_a_month_give_five(shop: Shop) -> None:
    """30 + 45 = 75: once. 75 + 40 = 115: twice. 115 - 45 = 70: once. June begins anew, with 49.99."""
    first, second, third = (an_order_paid(total, at=NOON) for total in ("30.00", "45.00", "40.00"))
    seen = []
    for event in (first, second, third, a_refund(second, amount="45.00", at=NOON + DAY)):
        await shop.sees(event)
        seen.append(await shop.has(CREDIT))
    assert seen == [0, 500, 1000, 500]
    await shop.sees(an_order_paid("49.99", at=at("2026-06-02T12:00")))
    assert await shop.has(CREDIT) == 500
    await shop.sees(an_order_paid("0.01", at=at("2026-06-30T12:00")))
    assert await shop.has(CREDIT) == 1000


@story("every-fifth-order")
async def test_the_fifth_and_the_tenth_order_bring_five_dollars(shop: Shop) -> None:
    orders = [an_order_paid("12.00", at=NOON + number * DAY) for number in range(10)]
    seen = []
    for order in orders:
        await shop.sees(order)
        seen.append(await shop.has(CREDIT))
    assert seen == [0, 0, 0, 0, 500, 500, 500, 500, 500, 1000]
    why_not = "it is order number 4, every number 5 asked for"
    assert await shop.why(orders[3]) == {"every fifth order": why_not}
    await shop.sees(orders[4])
    assert await shop.has(CREDIT) == 1000, "the same order again is the same order"
    await shop.sees(a_cancellation(orders[9], at=NOON + 11 * DAY))
    assert await shop.has(CREDIT) == 500


@story("birthday-and-anniversary")
async def test_a_birthday_and_a_year_of_buying_bring_five_dollars_at_the_members_midnight(shop: Shop) -> None:
    """Midnight in Los Angeles is 07:00 UTC in summer. What June brings is gone in September."""
    await shop.sees(a_sign_up(birthday="1990-06-10", time_zone="America/Los_Angeles"))
    await shop.sees(an_order_paid("20.00", at=NOON + DAY))
    seen = []
    for moment in (
        "2026-06-10T06:59",
        "2026-06-10T07:00",
        "2026-09-12T00:00",
        "2027-05-05T06:59",
        "2027-05-05T07:00",
        "2027-06-10T07:00",
    ):
        await shop.waits_until(at(moment))
        seen.append(await shop.has(CREDIT))
    assert seen == [0, 500, 0, 0, 500, 1000]
    told = [event.data.points for event in await shop.ledger.told() if event.type == "points.earned.v1"]
    assert told == [500, 500, 500]


@story("donation")
async def test_a_member_gives_points_to_a_cause_of_their_choice(shop: Shop) -> None:
    await shop.sees(an_order_paid("230.00"))
    given = await shop.buys("a dollar for a good cause", charity="food bank")
    assert (given["state"], given["gives"]["charity"], await shop.has()) == ("used", "food bank", 130)
    stranger = {"reward": "a dollar for a good cause", "charity": "my cousin"}
    refused = await shop.posts(f"members/{MEMBER}/redemptions", 422, **stranger)
    assert (refused["code"], await shop.has()) == ("charity_unknown", 130)
    await shop.buys("a dollar for a good cause", charity="forest")
    told = [event.data for event in await shop.ledger.told() if isinstance(event.data, PointsDonated)]
    assert [(each.charity, each.points) for each in told] == [("food bank", 100), ("forest", 100)]
    assert await shop.has() == 30


@story("merchant-gives")
async def test_each_item_sends_two_dollars_to_the_food_bank_until_it_comes_back(shop: Shop) -> None:
    """Three items are 6.00. One comes back: 4.00. The member's own points are none of it."""
    lines = (OrderLine(line_id="1", total="36.00", quantity="3"),)
    order = an_order_paid("36.00", lines=lines)
    await shop.sees(order)
    told = [event.data for event in await shop.ledger.told() if isinstance(event.data, PointsDonated)]
    assert [(each.charity, each.asset, each.points) for each in told] == [("food bank", "donation:USD", 600)]
    assert await shop.why(order) == {"two dollars an item": None}
    await shop.sees(a_refund(order, lines=(RefundLine(line_id="1", quantity="1"),), at=NOON + DAY))
    entries = (await shop.gets("statement?asset=donation:USD"))["items"]
    assert [(entry["from_account"], entry["to_account"], entry["amount"]) for entry in entries] == [
        ("charity:food bank", "reversed", 200), ("issued", "charity:food bank", 600),
    ]  # fmt: skip
    assert (await shop.has("donation:USD"), await shop.has()) == (0, 0)
    await shop.sees(a_cancellation(order, at=NOON + 2 * DAY))
    owed = "SELECT sum(amount) FROM ledger.movement WHERE account = 'charity:food bank'"
    assert await shop.ledger.ports.pool.fetchval(owed) == 0


@story("coalition")
async def test_what_a_bakery_gives_is_spent_at_the_cafe_and_paid_for_by_the_bakery(shop: Shop) -> None:
    """60.00 at the café are 60 points, 81.00 at the bakery 40; of these 20.00 come back, and 30 are owed for: 0.30."""
    await shop.sees(an_order_paid("60.00"))
    async with shop.ledger.client(partner="bakery") as till:
        bread = {"transaction_id": "till-1", "member_id": MEMBER, "amount": "81.00"}
        (made,) = (await till.post("/v1/partners/bakery/credits", json={"credits": [bread]})).json()[
            "results"
        ]
        assert (made["result"], made["credit"]["points"], await shop.has()) == ("done", 40, 100)
        assert (await till.get(f"/v1/members/{MEMBER}/balances")).status_code == 403
    quote = await shop.posts(f"members/{MEMBER}/quote", total="8.00")
    assert (quote["points"], quote["worth"]) == (100, "1.00")
    back = {"transaction_id": "till-1", "kept_amount": "61.00"}
    async with shop.ledger.client(partner="bakery") as till:
        await till.post("/v1/partners/bakery/reversals", json={"reversals": [back]})
        shop.ledger.now += DAY
        owed = (await till.get("/v1/partners/bakery/settlement")).json()
    assert (await shop.has(), owed["due"]) == (90, [{"currency": "USD", "amount": "0.30"}])
    entries = (await shop.gets("statement"))["items"]
    assert [entry["from_account"] for entry in entries[1:]] == ["partner:bakery", "issued"]


@story("surprise-gift")
async def test_a_present_is_given_by_hand_and_cannot_be_bought(shop: Shop) -> None:
    await shop.sees(an_order_paid("20.00"))
    assert await shop.has() == 0, "nothing is collected here"
    refused = await shop.posts(f"members/{MEMBER}/redemptions", 409, reward="tote bag")
    assert [reason["code"] for reason in refused["reasons"]] == ["not_for_sale"]
    gift = {"reward": "tote bag", "reason": "her parcel came late", "gift_id": "g-1"}
    given = await shop.posts(f"members/{MEMBER}/gifts", 201, **gift)
    assert (given["source"], given["price"], given["gives"]["product_id"]) == ("given", 0, "tote-bag")
    (mine,) = (await shop.gets("rewards"))["items"]
    assert (mine["code"], mine["state"], mine["reason"]) == (given["code"], "issued", "her parcel came late")
    again = await shop.posts(f"members/{MEMBER}/gifts", 201, **gift)
    assert again["code"] == given["code"], "clicked twice, given once"
    (offer,) = (await shop.client.get("/v1/rewards")).json()["rewards"]
    assert offer["left"] == 199
    await shop.sees(an_order_paid("15.00", coupon_codes=(given["code"],), at=NOON + DAY))
    (mine,) = (await shop.gets("rewards"))["items"]
    assert mine["state"] == "used"


@story("stamps-card")
async def test_ten_coffees_make_the_eleventh_free(shop: Shop) -> None:
    """Three coffees and a bun, then six, then one: 3 + 6 + 1 stamps. The coffee for them is no stamp."""
    coffee: dict[str, Any] = {"categories": ("coffee",)}
    lines = (a_line("12.00", quantity="3", **coffee), a_line("3.50", categories=("bakery",)))
    await shop.sees(an_order_paid("15.50", lines=lines))
    assert await shop.has("stamps") == 3
    six, one = a_line("24.00", quantity="6", **coffee), a_line("4.00", **coffee)
    await shop.sees(an_order_paid("24.00", lines=(six,), at=NOON + DAY))
    short = await shop.posts(f"members/{MEMBER}/redemptions", 409, reward="the eleventh coffee")
    assert (short["code"], await shop.has("stamps")) == ("insufficient_points", 9)
    await shop.sees(an_order_paid("4.00", lines=(one,), at=NOON + 2 * DAY))
    free = await shop.buys("the eleventh coffee")
    assert (free["price"], free["asset"], await shop.has("stamps")) == (10, "stamps", 0)
    assert (free["gives"]["product_id"], free["valid_until"]) == ("coffee", "2026-06-07T04:00:00Z")


def test_every_program_has_a_paragraph_and_a_story() -> None:
    paragraphs = paragraphs_of_the_gallery()
    assert sorted(paragraphs) == sorted(STORIES) == gallery()
    for name, paragraph in paragraphs.items():
        text = (PROGRAMS / f"{name}.yaml").read_text(encoding="utf-8")
        unindented = "\n".join(line.strip() for line in text.splitlines())
        (excerpt,) = re.findall(r"^```yml\n(.*?)^```$", paragraph, re.MULTILINE | re.DOTALL)
        assert "\n".join(line.strip() for line in excerpt.strip().splitlines()) in unindented, name
        assert all(f"**{word}" in paragraph for word in ("For**", "Members see**", "It costs**")), name


@pytest.mark.parametrize("name", gallery())
def test_a_program_is_fine_for_every_service_and_costs_what_the_gallery_says(
    name: str, tmp_path: Path
) -> None:
    """All of them count in the dollars of the sample; where it cannot know, the paragraph names no sum from it."""
    file = PROGRAMS / f"{name}.yaml"
    for service in (LEDGER, TIERS, REFERRALS, NOTIFIER):
        checked = CliRunner().invoke(application(service), ["program", "check", str(file)])
        assert (checked.exit_code, "warning" in checked.output) == (0, False), checked.output
    worth = ["--point-value", POINT_VALUES[name]] if name in POINT_VALUES else []
    pages = ["--html", str(tmp_path / "page.html")]
    tried = CliRunner().invoke(application(LEDGER), ["simulate", str(file), str(CDNOW), *pages, *worth])
    assert tried.exit_code == 0, tried.output
    costs = paragraphs_of_the_gallery()[name].partition("**It costs**")[2]
    figures = re.findall(r"\d+,\d{3}(?:\.\d\d)?|\d+\.\d %(?= of revenue)", costs.replace("\n", " "))
    assert [figure for figure in figures if figure not in tried.output] == []
    assert bool(figures) == (name not in NOT_IN_THE_SAMPLE)
    assert ("not known" in tried.output) == (name in NOT_IN_THE_SAMPLE)
