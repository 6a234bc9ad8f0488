"""`when` expressions: what is refused when a rule is saved, what they see, and what becomes of them after a refund."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import when as seen
from services.ledger.program.expressions import ExpressionFault, Look, kinds, place_of, when_of
from shared.events import ActivityRecorded, CustomerSignedUp, Event, RefundLine
from tests.support.events import (
    MEMBER,
    NOON,
    a_line,
    a_refund,
    a_review,
    a_share,
    a_sign_up,
    an_event,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, Desk, a_document, a_rise, a_rule, at

TEA = a_line("25.00", line_id="tea", categories=("tea",), brand="Dammann", sku="s1", product_id="p1")
CUP = a_line("35.00", line_id="cup", quantity="2", collections=("spring",), sku="s2")


def fault(source: str, trigger: str = "order.paid") -> str:
    """What is wrong with an expression, and where."""
    with pytest.raises(ExpressionFault) as raised:
        when_of(source, trigger, Look(), by_the_calendar=trigger == "birthday")
    return f"{place_of(source, raised.value.at)}: {raised.value.message}"


def why_not(source: str, event: Event[Any], *before: Event[Any]) -> str | None:
    """Why a bonus under this expression is not given; None where it is."""
    trigger = event.type.removesuffix(".v1")
    if isinstance(event.data, ActivityRecorded):
        trigger = event.data.activity
    desk = Desk(a_document(a_rule(on=trigger, points="10", when=source))).receives(*before)
    earned = desk.receives(event).book.awards.of(("demo", MEMBER))
    (award,) = [award for award in earned.values() if award.cause == event.id]
    if award.points:
        return None
    if award.order_id is None:
        return str(award.breakdown["why_not"][0][1])
    return "it does not hold"


def an_order(**more: Any) -> Event[Any]:
    return an_order_paid("60.00", lines=(TEA, CUP), **more)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("order.items", "column 7: a rule asks a yes or no, and this is a number"),
        ("order.items >= 60.00", "column 16: 60.00 is no whole number; money is counted in the currency's smallest "
         "unit, so 60.00 EUR is 6000"),
        ("order.items >= '60'", "column 13: `>=` compares a number with a text"),
        ("order.items >= 9223372036854775808", None),
        ("order.chanel == 'app'", None),
        ("basket.items > 1", "column 1: there is no `basket` here; there is `lines`, `member`, `order`, `time`"),
        ("order == order", "column 7: `==` compares a order with a order"),
        ("true > false", "column 6: of two things that are yes or no, none is the greater"),
        ("1 in lines", "column 3: `in` looks for a number in a list"),
        ("'tea' in ['tea', 1]", "column 18: this list begins with a text, and this is a number"),
        ("order.channel && true", "column 7: `&&` wants a yes or no, and this is a text"),
        ("!order.items", "column 8: `!` wants a yes or no, and this is a number"),
        ("-order.channel == 1", "column 8: `-` wants a number, and this is a text"),
        ("true ? 1 : 'a'", "column 12: what stands behind `:` wants a number, and this is a text"),
        ("order.channel.matches('a.*')", "column 15: `matches` is no function here; there is has, size, startsWith, "
         "endsWith, contains, exists, exists_one, all, filter"),
        ("now() == 1", None),
        ("has(order)", "column 5: `has` asks for a field, such as `has(order.channel)`"),
        ("size('abc') == 3", "column 6: `size` wants a list, and this is a text"),
        ("lines.exists(line, true", "column 24: ',' or ')' was expected here, not 'the end'"),
        ("lines.exists('a', true)", "column 14: here stands a new name for one of the list"),
        ("lines.exists(order, true)", "column 14: here stands a new name for one of the list"),
        ("lines.exists(for, for.gift_card)", "column 14: reserved identifier: for"),
        ("lines.exists(a, lines.exists(b, a.cost > b.cost))", "column 23: one look at a whole list may not stand "
         "within another; ask `in` instead"),
        ("lines.all(a, a.cost > 0) && lines.all(a, a.cost > 1) && lines.all(a, a.cost > 2)",
         "column 63: more than 2 looks at whole lists"),
        ("lines[0].stars == 5", None),
        ("order.items +", "column 14: something is missing before 'the end'"),
        ("order.items ~ 5", "column 13: '~' has no meaning here"),
        ("'\\q' == 'q'", "column 1: '\\q' has no meaning in a text"),
        ("order.items > 1\n  && order.x", None),
        ("(" * 26 + "true" + ")" * 26, "column 25: more than 24 things stand within each other"),
        ("!" * 1000 + "true", None),
        ("true" + " && true" * 300, "column 2001: more than 2000 characters"),
        ("", "column 1: something is missing before 'the end'"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_when_the_rule_is_saved_with_its_place(
    source: str, told: str | None
) -> None:
    assert told is None or fault(source) == told
    assert fault(source)


def test_a_place_in_several_lines_names_the_line() -> None:
    assert fault("order.items > 1\n  && order.x > 1").startswith(
        "line 2, column 12: there is no `x` in order"
    )


@pytest.mark.parametrize("word", ["rating", "stars"])
def test_the_reward_may_not_depend_on_the_stars(word: str) -> None:
    assert "fake reviews" in fault(f"event.{word} >= 4", "review.published")
    assert "fake reviews" in fault(f"{word} >= 4", "review.published")


@given(st.text(alphabet="order.items lines[]()!&|=<>'\"+-*/%?:,0123456789\\\n", max_size=60))
def test_any_text_is_an_expression_or_a_fault_and_nothing_else(source: str) -> None:
    with suppress(ExpressionFault):
        when_of(source, "order.paid", Look(), by_the_calendar=False)


def test_every_field_has_a_kind_and_says_something() -> None:
    assert set(kinds.LINE.fields) == set(seen.LINE)
    fields = {"order": kinds.ORDER, "member": kinds.MEMBER, "time": kinds.TIME}
    for name, thing in fields.items():
        assert set(thing.fields) == set(seen.VARIABLES[name])
    events = (kinds.REVIEW, kinds.SHARE, kinds.SIGN_UP, kinds.ACTIVITY)
    assert {field for event in events for field in event.fields} == set(seen.VARIABLES["event"])


@pytest.mark.parametrize(
    "source",
    [
        "order.items == 6000 && order.currency == 'EUR'",
        "order.items == 6000 && order.shipping == 490",
        "order.channel == 'app' && order.payment_method == 'card' && order.card_partner == 'bank'",
        "order.country == 'FR' && 'HELLO' in order.coupon_codes",
        "order.number == 1",
        "size(lines) == 2 && lines.exists(line, line.sku == 's1' && line.cost == 2500 && line.quantity == 1)",
        "lines.exists_one(line, line.quantity == 2)",
        "lines.exists(l, 'tea' in l.categories) && lines.exists(l, 'spring' in l.collections)",
        "lines[0].brand == 'Dammann' && lines[0].product == 'p1' && !lines[1].gift_card",
        "size(lines.filter(line, line.cost >= 3000)) == 1",
        "lines.all(line, line.sku.startsWith('s')) && lines[0].sku.endsWith('1') && 's12'.contains(lines[0].sku)",
        "has(order.channel) && !has(lines[1].brand)",
        "time.year == 2026 && time.month == 5 && time.day == 4 && time.weekday == 'monday' && time.hour == 14",
        "time.minute + 1 == 1 && order.items / 100 * 100 == order.items && order.items % 7 == 1 && -1 < 0",
        "order.number == 1 ? order.items > 1 : false",
        "member.level == 'Gold'",
        "'tea' in ['tea', \"coffee\"] // whatever is ordered\n",
        "lines[1].cost - lines[0].cost == 1000",
    ],
)
def test_an_order_shows_itself(source: str) -> None:
    order = an_order(
        channel="app",
        payment_method="card",
        card_partner="bank",
        country="FR",
        coupon_codes=("HELLO",),
        shipping="4.90",
    )
    assert why_not(source, order, a_rise("Gold", since=at("2026-05-01"))) is None


@pytest.mark.parametrize(
    ("source", "event"),
    [
        ("event.product == 'tea-1' && event.text_length == 5", a_review(text="12345 ")),
        ("event.photo && !event.video", a_review(text="12345 ", photo=True)),
        ("event.verified_purchase", a_review(verified_purchase=True)),
        ("event.network == 'x' && event.url.contains('tea')", a_share(network="x", url="https://x.example/tea")),
        ("event.country == 'FR' && event.language.startsWith('fr')", a_sign_up(country="FR", language="fr-FR")),
        ("event.subject == 'q1' && event.amount == 1250 && event.currency == 'EUR'",
         an_event(ActivityRecorded(customer_id=MEMBER, activity="quiz", subject="q1", amount="12.50"))),
        ("event.amount == 1250",
         an_event(ActivityRecorded(customer_id=MEMBER, activity="quiz", amount="1250", currency="JPY"))),
    ],
)  # fmt: skip
def test_other_events_show_themselves(source: str, event: Event[Any]) -> None:
    assert why_not(source, event) is None


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("event.amount > 5", "amount is not given, which `when` asks for: event.amount > 5"),
        ("event.subject == 'x'", "this is not so: event.subject == 'x'"),
        ("1 / (time.hour - 14) == 1", None),
        ("9223372036854775807 + time.hour > 0", None),
        (
            "member.segments[3] == 'x'",
            "there are fewer in the list than `when` asks for: member.segments[3] == 'x'",
        ),
        ("member.level == 'Gold'", "level is not given, which `when` asks for: member.level == 'Gold'"),
    ],
)
def test_what_goes_wrong_does_not_match_and_says_why(source: str, told: str | None) -> None:
    quiz = an_event(ActivityRecorded(customer_id=MEMBER, activity="quiz", subject="q1", amount=None))
    found = why_not(source, quiz)
    assert found == told or (told is None and found is not None and "divides by 0" in found)


def test_an_amount_finer_than_its_currency_is_as_none() -> None:
    quiz = an_event(ActivityRecorded(customer_id=MEMBER, activity="quiz", amount="1.005"))
    assert why_not("has(event.amount)", quiz) is not None


def test_a_sign_up_that_says_little_gives_little() -> None:
    event = an_event(CustomerSignedUp(customer_id=MEMBER))
    assert why_not("!has(event.country)", event) is None


def test_an_order_of_a_wholesaler_is_not_gone_through() -> None:
    lines = tuple(a_line("1.00", line_id=str(number)) for number in range(seen.MOST_LINES + 1))
    assert why_not("lines.all(line, line.cost == 100)", an_order_paid("501.00", lines=lines)) is not None
    assert why_not("lines.all(line, line.cost == 100)", an_order_paid("500.00", lines=lines[1:])) is None
    assert why_not("order.items > 1", an_order_paid("501.00", lines=lines)) is None


def test_after_a_refund_order_and_lines_are_what_is_kept() -> None:
    rules = (
        PER_EURO,
        a_rule("tea is left", points="10", when="lines.exists(line, 'tea' in line.categories)"),
        a_rule("large", points="5", when="order.items >= 6000"),
        a_rule("two cups", points="3", when="lines.exists(line, line.quantity >= 2)"),
    )
    desk, order = Desk(a_document(*rules)), an_order()
    desk.receives(order)
    assert desk.balance() == (0, 60 + 10 + 5 + 3, 0)
    desk.receives(a_refund(order, lines=(RefundLine(line_id="cup", quantity="1"),)))
    assert desk.balance() == (0, 42 + 10, 0), "17.50 of 60.00 came back, so 42.50 are kept"
    desk.receives(a_refund(order, lines=(RefundLine(line_id="tea"),)))
    assert desk.balance() == (0, 17, 0)


def test_after_a_refund_person_and_time_are_as_they_were() -> None:
    rules = (
        PER_EURO,
        a_rule("gold evenings", points="10", when="member.level == 'Gold' && time.hour == 14"),
        a_rule("third", points="5", when="order.number == 1 && member.days <= 3"),
    )
    desk, order = Desk(a_document(*rules)), an_order()
    desk.receives(a_sign_up(at=at("2026-05-01")), a_rise("Gold", since=at("2026-05-02")), order)
    assert desk.balance() == (0, 75, 0)
    desk.receives(a_rise("Silver", since=at("2026-06-01")), an_order_paid("1.00", at=at("2026-06-01T12:00")))
    desk.receives(a_refund(order, amount="60.00", at=at("2026-07-01")))
    assert desk.balance() == (0, 1, 0)
    other = Desk(a_document(*rules)).receives(
        a_sign_up(at=at("2026-05-01")), a_rise("Gold", since=at("2026-05-02")), order
    )
    other.receives(a_refund(order, amount="1.00", at=at("2027-07-01")))
    assert other.balance() == (0, 74, 0)


@given(st.permutations(["cup", "tea"]), st.integers(0, 3))
def test_the_order_of_refunds_does_not_matter(names: list[str], copies: int) -> None:
    rule = a_rule("tea", points="10", when="size(lines) == 1 && lines[0].sku == 's1' || order.items >= 6000")
    desk, order = Desk(a_document(PER_EURO, rule)), an_order(at=NOON)
    desk.receives(order)
    for name in names:
        desk.receives(a_refund(order, refund_id=name, lines=(RefundLine(line_id=name),)))
    for _ in range(copies):
        desk.receives(a_refund(order, refund_id=names[0], lines=(RefundLine(line_id=names[0]),)))
    assert desk.balance() == (0, 0, 0)


def test_one_look_at_an_event_serves_all_rules_of_its_trigger() -> None:
    look, order = Look(), an_order_paid("60.00")
    desk = Desk(a_document(PER_EURO)).receives(order)
    first, second = (
        when_of(source, "order.paid", look, by_the_calendar=False)
        for source in ("order.items > 1", "time.hour > 1 || order.items > 9")
    )
    del desk
    assert first.uses == {"order": {"items"}}
    assert second.uses == {"time": {"hour"}, "order": {"items"}}
