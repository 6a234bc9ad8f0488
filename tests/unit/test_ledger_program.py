"""The ledger's section of a program file: what its words become, and faults that name their place."""

from __future__ import annotations

from datetime import time
from fractions import Fraction
from typing import Any

import pytest
import yaml

from services.ledger.domain.conditions import Between, Hours
from services.ledger.domain.program import After, Negative, Wait
from services.ledger.domain.rules import Effect
from services.ledger.domain.spending import Checkout, Spending, SpentBack
from services.ledger.program import parse, schema
from shared.calendar import Period
from shared.money import Rounding
from shared.program_documents import check_program, read_yaml
from shared.program_file import InvalidProgram
from tests.support.ledger import PER_EURO, a_document, a_program, a_rule, at
from tests.support.programs import TEA_AND_CUPS

FIXED = a_rule(points="5")
ONE_THING = "a rule has one of `points`, `gives`, `credit`, `cashback`, `donate`, `times`"


def faults(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Path and message of everything that is wrong."""
    with pytest.raises(InvalidProgram) as refused:
        parse(document)
    errors: Any = refused.value.extra["errors"]
    return [(each["path"], each["message"]) for each in errors]


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        (a_document(a_rule()), "ledger.earn[0]", ONE_THING),
        (a_document(FIXED | {"times": "2"}), "ledger.earn[0]", ONE_THING),
        (a_document(PER_EURO, a_rule(times="11")), "ledger.earn[1]", "`times` goes up to 10"),
        (
            a_document(a_rule(times="2", limit="1 per day")),
            "ledger.earn[0]",
            "a multiplier has no `per` and no cap; it only multiplies what base rules give",
        ),
        (
            a_document(a_rule(on="content.shared", points="1", per="1.00 EUR")),
            "ledger.earn[0]",
            "`per` counts lines of an order, and content.shared has none; give `points` alone",
        ),
        (
            a_document(FIXED | {"per": "a euro"}),
            "ledger.earn[0].per",
            "write an amount like `1.00 EUR`, or `item`, not 'a euro'",
        ),
        (
            a_document(FIXED, FIXED),
            "ledger.earn[1].rule",
            "another rule is called 'rule'; each needs its name",
        ),
        (
            a_document(FIXED | {"rule": "level"}),
            "ledger.earn[0].rule",
            "'level' is how decisions call the level's own multiplier; take another",
        ),
        (
            a_document(FIXED | {"limit": "once"}),
            "ledger.earn[0].limit",
            "write `1 per product` or `500 per month`, not 'once'",
        ),
        (
            a_document(FIXED | {"at_most": "much"}),
            "ledger.earn[0].at_most",
            "write `500 per month` or `50 per day`, not 'much'",
        ),
        (
            a_document(FIXED | {"if": {"weekday": "caturday"}}),
            "ledger.earn[0].if.weekday",
            "'caturday' is no day; write monday, tuesday, wednesday, thursday, friday, saturday, sunday",
        ),
        (a_document(FIXED | {"if": {"order_at_least": "60"}}), "ledger.earn[0].if.order_at_least", None),
        (a_document(FIXED | {"if": {"order_at_least": "60.001 EUR"}}), "ledger.earn[0].if.order_at_least", None),
        (a_document(FIXED | {"if": {"order_at_least": "60.00 XXZ"}}), "ledger.earn[0].if.order_at_least", None),
        (a_document(FIXED | {"if": {"hours": "25:00 to 26:00"}}), "ledger.earn[0].if.hours", None),
        (
            a_document(FIXED | {"on": "review.published", "if": {"stars": "5"}}),
            "ledger.earn[0].if.stars",
            "the reward may not depend on the stars: that would buy good reviews, which laws on fake reviews forbid",
        ),
        (
            a_document(FIXED | {"on": "review.published", "when": "event.text_length > 9 && event.rating > 3"}),
            "ledger.earn[0].when",
            "column 32: the reward may not depend on the stars: that would buy good reviews, which laws on fake "
            "reviews forbid",
        ),
        (
            a_document(FIXED | {"when": "order.itms >= 6000"}),
            "ledger.earn[0].when",
            "column 7: there is no `itms` in order; it has card_partner, channel, country, coupon_codes, currency, "
            "items, number, payment_method, shipping",
        ),
        (
            a_document(FIXED | {"on": "birthday", "when": "order.items >= 6000"}),
            "ledger.earn[0].when",
            "column 1: there is no `order` here; there is `member`, `time`",
        ),
        (
            a_document(FIXED | {"on": "content.shared", "if": {"category": "tea"}}),
            "ledger.earn[0].if.category",
            "order.paid can answer this, content.shared cannot",
        ),
        (
            a_document(FIXED | {"if": {"text_at_least": "5"}}),
            "ledger.earn[0].if.text_at_least",
            "review.published can answer this, order.paid cannot",
        ),
        (
            a_document(FIXED | {"if": {"hours": "08:00 to 08:00"}}),
            "ledger.earn[0].if.hours",
            "begin and end are the same; leave `hours` out for the whole day",
        ),
        (
            a_document(FIXED | {"on": "activity.recorded"}),
            "ledger.earn[0].on",
            "write the activity itself, such as `on: newsletter`",
        ),
        (
            a_document(FIXED | {"on": "order.refunded"}),
            "ledger.earn[0].on",
            "order.refunded earns nothing; write birthday, content.shared, customer.signed_up, "
            "first_purchase_anniversary, order.paid, review.published, signup_anniversary or the name of an activity",
        ),
        (a_document(FIXED | {"if": {"joined_within": "a month"}}), "ledger.earn[0].if.joined_within", None),
        (a_document(FIXED | {"if": {"birthday_within": "7"}}), "ledger.earn[0].if.birthday_within", None),
        (
            a_document(FIXED | {"point": "5"}),
            "ledger.earn[0].point",
            "this word is not known here; did you mean `points`?",
        ),
        (a_document({"rule": "x", "points": "1"}), "ledger.earn[0].on", "this is missing"),
        (a_document(FIXED | {"points": "many"}), "ledger.earn[0].points", None),
        (a_document(FIXED | {"points": "-5"}), "ledger.earn[0].points", None),
        (a_document(FIXED | {"until": "31.12.2026"}), "ledger.earn[0].until", None),
        (
            a_document(FIXED, pending={"order.paid": "two weeks"}),
            "ledger.pending.order.paid",
            "write `immediate` or `14 days after order.paid`, not 'two weeks'",
        ),
        (
            a_document(FIXED, pending={"review.published": "3 days after order.fulfilled"}),
            "ledger.pending.review.published",
            "points of review.published can wait for review.published only, not for order.fulfilled",
        ),
        (a_document(points={"expire": "soon"}), "ledger.points.expire", None),
        (a_document(points={"rounded_to": "decade"}), "ledger.points.rounded_to", None),
        (a_document(points={"negative": "maybe"}), "ledger.points.negative", None),
        (
            a_document(spend={"at_checkout": {"points": "100", "are_worth": "1.00 EUR", "order_at_least": "9.00 USD"}}),
            "ledger.spend.at_checkout.order_at_least",
            "write it in EUR, as `are_worth`",
        ),
        (
            a_document(spend={"at_checkout": {"points": "100", "are_worth": "0.00 EUR"}}),
            "ledger.spend.at_checkout.are_worth",
            "write something more than nothing",
        ),
        (
            a_document(spend={"at_checkout": {"points": "100", "are_worth": "1.00 EUR", "at_most": "150 %"}}),
            "ledger.spend.at_checkout.at_most",
            "write more than 0 % and at most 100 %",
        ),
        (
            a_document(spend={"at_checkout": {"points": "100", "are_worth": "1.00 EUR", "hold": "0 minutes"}}),
            "ledger.spend.at_checkout.hold",
            "write at least 1 minute",
        ),
        (
            a_document(spend={"also_at_checkout": {"stamps": {"at_most": "50 %"}}}),
            "ledger.spend.also_at_checkout.stamps",
            "say what stamps are worth: so many `units`, and what they `are_worth`",
        ),
        (
            a_document(spend={"also_at_checkout": {"stamps": {"units": "10"}}}),
            "ledger.spend.also_at_checkout.stamps",
            "say both, so many `units` and what they `are_worth`",
        ),
        (
            a_document(spend={"also_at_checkout": {"beans": {"units": "1", "are_worth": "1.00 EUR"}}}),
            "ledger.spend.also_at_checkout.beans",
            None,
        ),
        (a_document(spend={"spent_points_back": "sometimes"}), "ledger.spend.spent_points_back", None),
        (a_document(FIXED, zone="Nowhere"), "time_zone", "'Nowhere' is no time zone of the IANA database."),
        (a_document(FIXED) | {"currency": "euro"}, "currency", None),
    ],
)  # fmt: skip
def test_a_fault_names_its_place_and_what_would_be_right(
    document: dict[str, Any], path: str, message: str | None
) -> None:
    ((found, said),) = faults(document)
    assert found == path
    assert said == message if message is not None else said


A_BASE = a_rule(points="1")
NOT_A_BONUS = (
    "`bonus` stands beside `per` an amount; a multiplier is none, and what is given `per: item` is a base"
)
EXPIRES = (
    "write `never`, `12 months`, `every 31 december` or `after 12 months without activity` (in small letters), "
    "not "
)


@pytest.mark.parametrize(
    ("words", "path", "message"),
    [
        ({"points": "1,5"}, ".points", "write a number such as 1 or 2.5, not '1,5'"),
        ({"per": "0.00 EUR"}, ".per", "a unit of nothing is never reached; name an amount above 0"),
        ({"per": ["1.00 EUR", "2.00 EUR"]}, ".per", "there is a unit for EUR already; keep one"),
        ({"per": "item", "bonus": "true"}, "", NOT_A_BONUS),
        ({"points": None, "times": "2", "bonus": "true"}, "", NOT_A_BONUS),
        ({"points": None, "cashback": "5"}, ".cashback", "write a part in percent, such as `5 %`, not '5'"),
        (
            {"points": None, "gives": "a stamp"},
            ".gives",
            "write how many of what, such as `1 stamp`, not 'a stamp'",
        ),
        ({"on": "Order Paid"}, ".on", None),
        ({"if": "tea"}, ".if", "write words with their values, such as `{word: value}`, not 'tea'"),
        (
            {"if": {"categroy": "tea"}},
            ".if.categroy",
            "this word is not known here; did you mean `category`?",
        ),
        ({"if": {"category": []}}, ".if.category", "write at least 1 of them, not an empty list"),
        ({"if": {"category": [["tea"]]}}, ".if.category[0]", None),
        ({"if": {"category": {"is": "tea"}}}, ".if.category", None),
        ({"if": {"first_order": "maybe"}}, ".if.first_order", "write `true` or `false`, not 'maybe'"),
        ({"if": {"order_number": "first"}}, ".if.order_number", "write a whole number, not 'first'"),
        ({"if": {"every_nth_order": "1"}}, ".if.every_nth_order", "write at least 2, not '1'"),
        (
            {"if": {"currency": "EUX"}},
            ".if.currency",
            "write a currency by its three letters, such as `EUR`, not 'EUX'",
        ),
        ({"if": {"hours": "9 to 17"}}, ".if.hours", "write hours such as `09:00 to 17:30`, not '9 to 17'"),
        (
            {"if": {"hours": "09:00 to 25:00"}},
            ".if.hours",
            "there is no 25:00 in a day; write 00:00 to 23:59, or 24:00 for its end",
        ),
        (
            {"limit": "1 per product"},
            ".limit",
            "review.published names a product, order.paid does not; write `per day` or `per lifetime`",
        ),
        (
            {"limit": "1 per subject"},
            ".limit",
            "activities have a subject, order.paid has none; write `per day` or `per lifetime`",
        ),
        ({"at_most": "50 per network"}, ".at_most", None),
        (
            {"budget": "lots"},
            ".budget",
            "write `100000 points`, `500 times` or `200.00 EUR per month`, not 'lots'",
        ),
        ({"beyond": "cut"}, ".beyond", "write `shrink` or `reject`, not 'cut'"),
        (
            {"from": "2026-06-01", "until": "2026-05-31"},
            "",
            "`until` lies before `from`: the rule would never be in force",
        ),
        ({"until": "31.12.2026"}, ".until", "write a day such as 2026-12-31, not '31.12.2026'"),
    ],
)
def test_a_rule_that_cannot_work_is_told_with_what_would(
    words: dict[str, Any], path: str, message: str | None
) -> None:
    rule = {word: value for word, value in (A_BASE | words).items() if value is not None}
    ((found, said),) = faults(a_document(rule))
    assert found == f"ledger.earn[0]{path}"
    assert said == message if message is not None else said.startswith("write ") or "names a" in said


@pytest.mark.parametrize(
    ("ledger", "path", "message"),
    [
        ({"points": {"expire": "1 year"}}, "points.expire", f"{EXPIRES}'1 year'"),
        ({"points": {"expire": "0 months"}}, "points.expire", "let them live for at least `1 month`"),
        (
            {"points": {"expire": "after 0 months without activity"}},
            "points.expire",
            "let them live for at least `1 month`",
        ),
        (
            {"points": {"expires": "never"}},
            "points.expires",
            "this word is not known here; did you mean `expire`?",
        ),
        (
            {"points": {"announce": "30 days"}},
            "points.announce",
            "write a list, such as [one, two], not '30 days'",
        ),
        (
            {"points": {"announce": ["a month"]}},
            "points.announce[0]",
            "write so many days, such as `30 days`, not 'a month'",
        ),
        (
            {"points": {"rounded_to": "week"}},
            "points.rounded_to",
            "write `day`, `month`, `quarter` or `year`, not 'week'",
        ),
        (
            {"points": {"negative": "deny"}},
            "points.negative",
            "write `allow`, `to_zero` or `pending_only`, not 'deny'",
        ),
        (
            {"points": {"rounding": "nearest"}},
            "points.rounding",
            "write `down`, `half-up` or `up`, not 'nearest'",
        ),
        (
            {"points": "12 months"},
            "points",
            "write words with their values, such as `{word: value}`, not '12 months'",
        ),
        (
            {"pending": ["immediate"]},
            "pending",
            "write words with their values, such as `{word: value}`, not a list",
        ),
        (
            {"pending": {"order.paid": "14 days after order.refunded"}},
            "pending.order.paid",
            "points of order.paid can wait for order.paid or order.fulfilled, not for order.refunded",
        ),
    ],
)
def test_words_for_the_life_of_points_are_told_alike(ledger: dict[str, Any], path: str, message: str) -> None:
    assert faults(a_document(FIXED, **ledger)) == [(f"ledger.{path}", message)]


def test_each_fault_has_its_own_line_also_where_a_name_has_dots() -> None:
    pending = "    review.published: immediate\n    order.paid: two weeks\n"
    text = f"program: demo\ncurrency: EUR\nledger:\n  pending:\n{pending}"
    with pytest.raises(InvalidProgram) as refused:
        check_program(read_yaml(text), parse)
    assert refused.value.message.startswith("line 6: ledger.pending.order.paid: write `immediate`")


def test_a_base_rule_of_nothing_may_stand_alone_on_its_lines() -> None:
    nothing = a_rule("sale", points="0", per="1.00 EUR", whole_units="true", priority="5", stackable="false")
    program = a_program(PER_EURO, nothing | {"if": {"category": "sale"}})
    assert [rule.rate for rule in program.rules["order.paid"]] == [1, 0]


def test_all_faults_are_told_at_once() -> None:
    document = a_document(
        FIXED | {"limit": "once"}, a_rule("b", points="1", per="x"), pending={"order.paid": "x"}
    )
    assert [path for path, _ in faults(document)] == [
        "ledger.earn[0].limit",
        "ledger.earn[1].per",
        "ledger.pending.order.paid",
    ]


def test_a_document_without_a_section_is_a_program_that_gives_nothing() -> None:
    program = parse({"currency": "EUR"})
    assert (program.rules, program.spending, program.zone.key) == ({}, Spending(), "UTC")


def test_text_and_json_values_read_alike() -> None:
    words = a_document(
        FIXED | {"priority": "3", "stackable": "false", "if": {"first_order": "true", "order_number": "40"}},
        spend={"at_checkout": {"points": "100", "are_worth": "1.00 EUR"}},
    )
    natives = a_document(
        FIXED | {"priority": 3, "stackable": False, "if": {"first_order": True, "order_number": 40}},
        spend={"at_checkout": {"points": 100, "are_worth": "1.00 EUR"}},
    )
    assert parse(words) == parse(natives)


def test_a_file_of_the_example_reads_as_it_is_meant() -> None:
    text = yaml.safe_dump(TEA_AND_CUPS)
    program = parse(yaml.load(text, Loader=yaml.CBaseLoader))
    base, tea, big = program.rules_for("order.paid")
    assert (base.effect, base.rate_in("EUR"), base.rate_in("USD")) == (
        Effect.PER_AMOUNT,
        Fraction(1, 100),
        None,
    )
    assert [(each.effect, int(each.rate)) for each in (tea, big)] == [(Effect.TIMES, 2), (Effect.FIXED, 50)]
    policy = program.points
    assert (policy.expire_months, policy.expiry_rounded_to) == (12, Period.MONTH)
    assert (policy.negative, policy.rounding) == (Negative.ALLOW, Rounding.DOWN)
    assert program.spending.checkout_for("points") == Checkout(100, 100, "EUR")


def test_currencies_have_their_own_number_of_decimals() -> None:
    program = a_program(a_rule(points="1", per=["1.00 EUR", "100 JPY", "1.000 KWD"]))
    (rule,) = program.rules_for("order.paid")
    assert rule.per_minor == {"EUR": Fraction(1, 100), "JPY": Fraction(1, 100), "KWD": Fraction(1, 1000)}


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("immediate", Wait()),
        ("14 days after order.fulfilled", Wait(After.FULFILMENT, 14)),
        ("14 days after order.fulfilled, within 60 days", Wait(After.FULFILMENT, 14, 60)),
        ("1 day after order.paid", Wait(After.EVENT, 1)),
    ],
)
def test_waits_are_written_in_words(text: str, wait: Wait) -> None:
    assert a_program(FIXED, pending={"order.paid": text}).wait_for("order.paid") == wait


@pytest.mark.parametrize(
    "text", ["14 days after order.paid, within 60 days", "1 day after order.fulfilled, within 0 days"]
)
def test_only_a_wait_for_a_fulfilment_has_a_deadline_and_it_is_not_at_once(text: str) -> None:
    with pytest.raises(InvalidProgram) as refused:
        a_program(FIXED, pending={"order.paid": text})
    assert "ledger.pending.order.paid" in str(refused.value)


def test_a_checkout_says_what_points_are_worth() -> None:
    words = {
        "points": "200",
        "are_worth": "1.50 EUR",
        "order_at_least": "20.00 EUR",
        "at_most": "50 %",
        "at_least": "400",
        "hold": "5 minutes",
    }
    program = a_program(spend={"at_checkout": words})
    checkout = program.spending.checkout_for("points")
    assert checkout == Checkout(200, 150, "EUR", 2000, Fraction(1, 2), 5, at_least=400)


def test_store_credit_pays_without_a_word_and_other_assets_by_theirs() -> None:
    words = {"credit": {"at_most": "50 %"}, "stamps": {"units": "10", "are_worth": "5.00 EUR"}}
    spending = a_program(spend={"also_at_checkout": words}).spending
    assert spending.checkout_for("credit:EUR") == Checkout(1, 1, "EUR", largest_share=Fraction(1, 2))
    assert spending.checkout_for("credit:JPY") == Checkout(1, 1, "JPY")
    assert spending.checkout_for("stamps") == Checkout(10, 500, "EUR")
    assert spending.checkout_for("points") is None


def test_what_comes_back_is_written_in_words() -> None:
    assert a_program(spend={"spent_points_back": "full_only", "grace": "10 days"}).spending == Spending(
        spent_back=SpentBack.FULL_ONLY, grace_days=10
    )


def test_a_wait_or_a_date_that_yaml_would_misread_is_read_from_text() -> None:
    text = """
    currency: EUR
    ledger:
      earn:
        - {rule: no, on: order.paid, points: 1, until: 2026-12-31, if: {hours: 09:00 to 12:30}}
    """
    (rule,) = parse(yaml.load(text, Loader=yaml.CBaseLoader)).rules_for("order.paid")
    assert rule.name == "no"
    assert rule.conditions == (Between(None, at("2027-01-01")), Hours(time(9), time(12, 30)))


def test_editors_get_a_schema() -> None:
    assert set(schema()["properties"]) >= {"points", "assets", "pending", "earn", "spend"}
