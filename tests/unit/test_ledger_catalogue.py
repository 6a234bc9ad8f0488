"""The words of the rewards catalogue: what they become, and each fault with its path."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.ledger.domain.catalogue import Lasting, Text, text_in
from services.ledger.pools import warned_below
from services.ledger.program import parse
from shared.program_file import InvalidProgram
from tests.support.ledger import at
from tests.support.rewards import a_reward, a_shop

PARIS = ZoneInfo("Europe/Paris")


def faults_of(*catalogue: dict[str, Any], **spend: Any) -> list[tuple[str, str]]:
    """The faults of a program with this catalogue: path, and what would be right."""
    with pytest.raises(InvalidProgram) as refused:
        parse(a_shop(*catalogue, **spend))
    listed: Any = refused.value.extra["errors"]
    return [(fault["path"].removeprefix("ledger.spend."), fault["message"]) for fault in listed]


@pytest.mark.parametrize(
    ("words", "path", "what"),
    [
        ({"gives": {}}, "rewards[0].gives", "a reward gives one of"),
        ({"gives": {"money_off": "5 EUR", "product": "x"}}, "rewards[0].gives", "money_off and product"),
        ({"gives": {"money_off": "5 EUR", "at_most": "3 EUR"}}, "rewards[0].gives", "bounds a percentage"),
        ({"gives": {"money_off": "5.001 EUR"}}, "rewards[0].gives.money_off", "has 2 decimals"),
        ({"gives": {"money_off": "0.00 EUR"}}, "rewards[0].gives.money_off", "nothing is no amount"),
        ({"gives": {"money_off": "5 XYZ"}}, "rewards[0].gives.money_off", "no currency"),
        ({"gives": {"percent_off": "0 %"}}, "rewards[0].gives.percent_off", "more than 0 %"),
        ({"gives": {"percent_off": "101 %"}}, "rewards[0].gives.percent_off", "write a part in percent"),
        (
            {"gives": {"money_off": "5 EUR", "order_at_least": "30 USD"}},
            "rewards[0].gives.order_at_least",
            "write it in EUR",
        ),
        ({"gives": {"credit": "5 EUR", "pool": "p"}}, "rewards[0].gives.pool", "takes effect at once"),
        ({"gives": {"credit": "5 EUR", "uses": "2"}}, "rewards[0].gives.uses", "and once"),
        (
            {"gives": {"ticket": "x", "pool": "p", "uses": "2"}},
            "rewards[0].gives.uses",
            "counted by the shop",
        ),
        ({"gives": {"donate_to": "forest", "valid": "2 days"}}, "rewards[0].gives.valid", "does not end"),
        ({"gives": {"points": "50"}}, "rewards[0].gives.points", "no reward"),
        ({"gives": {"ticket": "x", "valid": "soon"}}, "rewards[0].gives.valid", "so many days or months"),
        ({"costs": "0"}, "rewards[0].costs", "given by hand"),
        ({"costs": "10 shells"}, "rewards[0].costs", "no asset 'shells'"),
        ({"costs": "1.5 stamps"}, "rewards[0].costs", "no whole number"),
        ({"costs": "much"}, "rewards[0].costs", "how many of what"),
        ({"limit": "0"}, "rewards[0].limit", "`2 per month`, not '0'"),
        ({"limit": "1 per decade"}, "rewards[0].limit", "`2 per month`"),
        ({"stock": "-1"}, "rewards[0].stock", "write at least 0, not '-1'"),
        ({"from_": "2026-06-01", "until": "2026-05-31"}, "rewards[0].until", "ends before it begins"),
        ({"images": ["five.jpg"]}, "rewards[0].images[0]", "https://"),
        ({"texts": {"fr": {"text": "x"}}}, "rewards[0].texts.fr.title", "this is missing"),
        ({"for_": {"tier": "Gold"}}, "rewards[0].for.tier", "not known here"),
        ({"color": "red"}, "rewards[0].color", "not known here"),
    ],
)
def test_what_cannot_work_is_named_with_its_path(words: dict[str, Any], path: str, what: str) -> None:
    found = faults_of(a_reward(**words))
    assert [where for where, _ in found] == [path], found
    assert what in found[0][1]


def test_a_donation_without_a_price_gives_nothing() -> None:
    assert faults_of(a_reward(costs=None, gives={"donate_to": "forest"}))[0][0] == "rewards[0].costs"


def test_two_rewards_need_two_names() -> None:
    assert faults_of(a_reward(), a_reward())[0][0] == "rewards[1].reward"


def test_whether_coupons_come_back_is_one_of_two_words() -> None:
    assert faults_of(used_coupons_back="perhaps")[0][0] == "used_coupons_back"
    assert parse(a_shop()).coupons_back is True
    assert parse(a_shop(used_coupons_back="never")).coupons_back is False


@pytest.mark.parametrize("price", ["500", 500, "500 points"])
def test_a_number_alone_counts_points(price: Any) -> None:
    offer = parse(a_shop(a_reward() | {"costs": price})).catalogue["five off"]
    assert (offer.price, offer.asset) == (500, "points")


def test_a_price_may_be_store_credit() -> None:
    offer = parse(a_shop(a_reward(costs="5.00 EUR"))).catalogue["five off"]
    assert (offer.price, offer.asset) == (500, "credit:EUR")


@pytest.mark.parametrize(
    ("lasting", "issued", "ends", "says"),
    [
        (Lasting(days=60), "2026-05-04T12:00", "2026-07-03T22:00", "60 days"),
        (Lasting(days=1), "2026-05-04T21:59", "2026-05-05T22:00", "1 day"),
        (Lasting(days=1), "2026-05-04T22:00", "2026-05-06T22:00", "1 day"),
        (Lasting(months=1), "2026-01-31T12:00", "2026-02-28T23:00", "1 month"),
        (Lasting(months=12), "2028-02-29T12:00", "2029-02-28T23:00", "12 months"),
    ],
)
def test_what_is_issued_lasts_to_the_end_of_a_day_of_the_program(
    lasting: Lasting, issued: str, ends: str, says: str
) -> None:
    assert (lasting.ends(at(issued), PARIS), str(lasting)) == (at(ends), says)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["ro-MD"], "ro"),
        (["fr_CA"], "fr-CA"),
        (["de", "FR"], "fr"),
        (["de"], "ro"),
        ([], "ro"),
    ],
)
def test_a_text_comes_in_the_nearest_language(wanted: list[str], found: str) -> None:
    texts = {tag: Text(tag) for tag in ("fr", "fr-CA", "ro", "en")}
    assert text_in(texts, wanted, "ro-MD") == (found, texts[found])


def test_a_text_in_another_language_is_better_than_none() -> None:
    assert text_in({"ja": Text("x")}, ["de"], "fr") == ("ja", Text("x"))
    assert text_in({}, ["de"], "fr") is None


def test_a_pool_is_low_where_a_reward_that_draws_from_it_says_so() -> None:
    def of_pool(name: str, below: str) -> dict[str, Any]:
        return a_reward(name, gives={"ticket": "x", "pool": "summer", "warn_below": below})

    program = parse(a_shop(of_pool("a", "5"), of_pool("b", "50")))
    assert (warned_below(program, "summer"), warned_below(program, "winter")) == (50, 0)
