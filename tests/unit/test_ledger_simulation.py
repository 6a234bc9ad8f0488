"""A program tried on past orders: its arithmetic, worked by hand, and what is told of it."""

from __future__ import annotations

import csv
import json
import re
from datetime import date, timedelta
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.ledger.main import SERVICE
from services.ledger.simulation import page
from services.ledger.simulation.export import document_of
from services.ledger.simulation.figures import Figures, RuleFigures, distribution_of
from services.ledger.simulation.orders import read_orders
from services.ledger.simulation.plots import HEIGHT, scale_of
from services.ledger.simulation.rows import key_figures, members
from services.ledger.simulation.sentences import sentences_of
from services.ledger.simulation.trial import share_of, values_of
from services.tiers.main import SERVICE as TIERS
from shared.cli import application
from shared.errors import InvalidInput
from tests.support.ledger import PER_EURO, a_document, a_program, a_rule
from tests.support.simulation import a_history, a_report, a_trial, figures_of

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "examples" / "programs" / "starter.yaml"
CDNOW = ROOT / "examples" / "data" / "cdnow_sample.csv"

WELCOME = a_rule("welcome", "customer.signed_up", points="10")
BIG_BASKET = a_rule("big basket", points="5", if_={"order_at_least": "50.00 EUR"})
REVIEW = a_rule("review", "review.published", points="20")
CHECKOUT = {"at_checkout": {"points": "10", "are_worth": "0.50 EUR"}}
CLUB = a_document(
    PER_EURO, BIG_BASKET, WELCOME, REVIEW, points={"expire": "1 month", "rounded_to": "month"}, spend=CHECKOUT
)
ORDERS = """
    customer_id,date,total
    ann,2026-01-10,20.00
    bob,2026-01-31,5.50
    ,2026-02-01,9.99
    ann,2026-02-20,60.00
    """


def flows(figures: Figures) -> list[tuple[str, int, int, int, int, int]]:
    """Issued, spent, expired, pending and available of each month."""
    return [
        (month.label, month.issued, month.spent, month.expired, month.pending, month.available)
        for month in figures.months
    ]


def test_months_rules_and_members_come_out_as_worked_by_hand(tmp_path: Path) -> None:
    """Ann gets 10 + 20 in January, which expire with February, and 60 + 5 in February; Bob gets 10 + 5 in January."""
    found = figures_of(a_trial(CLUB), a_history(tmp_path, ORDERS), "2026-03-30")
    assert flows(found) == [
        ("2026-01", 45, 0, 0, 0, 45),
        ("2026-02", 65, 0, 45, 0, 65),
        ("2026-03", 0, 0, 0, 0, 65),
    ]
    assert found.rules == (
        RuleFigures("base", "points", 85, 3, Fraction(85, 110)),
        RuleFigures("welcome", "points", 20, 2, Fraction(20, 110)),
        RuleFigures("big basket", "points", 5, 1, Fraction(5, 110)),
    )
    assert found.silent_rules == (("review", "review.published"),)
    assert (found.orders, found.guest_orders, found.customers, found.revenue_minor) == (4, 1, 2, 9549)
    assert found.cost_share == Fraction(110 * 5, 9549)
    assert found.lasting_share == Fraction(65 * 5, 9549)
    assert found.breakage == Fraction(45, 110)
    assert (found.members.median, found.members.p90, found.members.reached_block) == (15, 95, 2)


def test_a_budget_is_everybodys_and_goes_to_who_comes_first(tmp_path: Path) -> None:
    """Bob pays before Ann though he stands behind her: he gets 30 of the 40 points of January, she the other 10."""
    club = a_document(PER_EURO | {"budget": "40 points per month"})
    orders = """
        customer_id,date,total
        ann,2026-01-10,20.00
        bob,2026-01-05,30.00
        bob,2026-02-05,10.00
        """
    found = figures_of(a_trial(club), a_history(tmp_path, orders), "2026-02-28")
    assert [month.issued for month in found.months] == [40, 10]
    assert (found.members.median, found.members.most) == (10, 40)


@pytest.mark.parametrize("of_whom", ["rule", "program"])
def test_a_monthly_budget_is_never_exceeded_however_many_members_share_it(of_whom: str) -> None:
    """That of a rule counts the fractions that rounding leaves out; that of the program is used up exactly."""
    rule, budget = a_rule("base", points="1", per="1.00 USD"), {"budget": "5000 points per month"}
    ledger = {"earn": [rule | budget]} if of_whom == "rule" else {"earn": [rule], "caps": [budget]}
    history = read_orders(CDNOW, "USD")
    found, wanted = (
        figures_of(a_trial(in_dollars(**words)), history, str(history.last_day))
        for words in (ledger, {"earn": [rule]})
    )
    assert sum(month.issued > 5_000 for month in wanted.months) > 3
    for given, asked in zip(found.months, wanted.months, strict=True):
        most = min(asked.issued, 5_000)
        assert given.issued == most if of_whom == "program" else given.issued <= most, given.label


def in_dollars(**ledger: Any) -> dict[str, Any]:
    return a_document() | {"currency": "USD", "ledger": ledger}


def test_what_is_due_at_the_end_of_the_closing_day_is_done(tmp_path: Path) -> None:
    found = figures_of(a_trial(CLUB), a_history(tmp_path, ORDERS), "2026-03-31")
    assert flows(found)[-1] == ("2026-03", 0, 0, 65, 0, 0)


def test_members_who_spend_pay_with_whole_blocks_and_earn_on_the_rest(tmp_path: Path) -> None:
    """Ann pays 0.50 of each order with 10 points, Bob of his one: 19 + 59 and 5 are earned; the big basket is of 60."""
    history = a_history(tmp_path, ORDERS)
    found = figures_of(a_trial(CLUB), history, "2026-03-30", redeemed_share=Fraction(1))
    assert flows(found) == [
        ("2026-01", 44, 20, 0, 0, 24),
        ("2026-02", 64, 10, 14, 0, 64),
        ("2026-03", 0, 0, 0, 0, 64),
    ]
    half = figures_of(a_trial(CLUB), history, "2026-03-30", redeemed_share=Fraction(1, 2))
    assert half.total.spent == 10


@pytest.mark.parametrize(
    ("limit", "spent"),
    [({"at_most": "2 %"}, 20), ({"order_at_least": "60.01 EUR"}, 0), ({"order_at_least": "60.00 EUR"}, 30)],
)
def test_members_spend_within_the_limits_of_the_checkout(
    tmp_path: Path, limit: dict[str, str], spent: int
) -> None:
    document = a_document(PER_EURO, WELCOME, spend={"at_checkout": CHECKOUT["at_checkout"] | limit})
    found = figures_of(
        a_trial(document), a_history(tmp_path, ORDERS), "2026-03-30", redeemed_share=Fraction(1)
    )
    assert found.total.spent == spent


def test_customers_who_do_not_sign_up_get_no_welcome(tmp_path: Path) -> None:
    found = figures_of(a_trial(CLUB), a_history(tmp_path, ORDERS), "2026-03-30", sign_ups=False)
    assert found.total.issued == 90
    assert "These rules gave nothing: “welcome”." in sentences_of(
        a_report(a_history(tmp_path, ORDERS), found)
    )


def test_orders_are_handed_over_where_points_wait_for_it(tmp_path: Path) -> None:
    document = a_document(PER_EURO, pending={"order.paid": "14 days after order.fulfilled"})
    history = a_history(tmp_path, "customer_id,date,total\nann,2026-01-10,20.00\nann,2026-01-20,7.00")
    usual = figures_of(a_trial(document), history, "2026-01-31")
    assert flows(usual) == [("2026-01", 27, 0, 0, 7, 20)]
    slow = figures_of(a_trial(document), history, "2026-06-30", fulfilled_after=timedelta(days=100))
    assert slow.total.taken_back == 27
    assert slow.total.owed == 0


def test_lines_earn_by_what_the_file_says_of_them(tmp_path: Path) -> None:
    document = a_document(PER_EURO, a_rule("tea counts double", times="2", if_={"category": "tea"}))
    history = a_history(
        tmp_path,
        """
        order_id,customer_id,date,total,category,discount
        1,ann,2026-01-10,25.00,tea,1.92
        1,ann,2026-01-10,40.00,cup,3.08
        """,
    )
    found = figures_of(a_trial(document), history, "2026-01-31")
    assert [(rule.rule, rule.amount) for rule in found.rules] == [("base", 60), ("tea counts double", 23)]


def test_orders_after_the_closing_day_and_in_other_currencies_are_told(tmp_path: Path) -> None:
    history = a_history(
        tmp_path,
        """
        order_id,customer_id,date,total,currency,note
        1,ann,2026-01-10,20.00,EUR,-
        2,ann,2026-01-11,30.00,CHF,-
        3,ann,2026-02-01,40.00,EUR,-
        """,
    )
    found = figures_of(a_trial(CLUB), history, "2026-01-31")
    assert found.revenue_minor == 2000
    told = sentences_of(a_report(history, found))
    assert "1 order for 30.00 CHF: earning by the rules for CHF, and not in the revenue." in told
    assert "1 order after 31 Jan 2026: left out." in told
    assert "Columns that nobody reads: note." in told


def test_a_program_that_gives_nothing_and_a_file_of_guests_are_told_too(tmp_path: Path) -> None:
    history = a_history(tmp_path, "customer_id,date,total\n,2026-01-10,20.00")
    report = a_report(history, figures_of(a_trial(a_document()), history, "2026-01-31"))
    assert "1 order of guests: in the revenue, and earning nothing." in sentences_of(report)
    assert report.figures[0].members.members == 0
    assert "What members are owed" in page.html_of(report)


def test_the_spread_over_members_is_as_worked_by_hand() -> None:
    found = distribution_of([20, 0, 10, 10], None)
    assert (found.median, found.p90, found.most, found.mean) == (10, 20, 20, Fraction(10))
    assert found.gini == Fraction(3, 8)
    assert found.tenths == ()
    assert distribution_of([7] * 10, 0).gini == 0
    assert distribution_of([0] * 9 + [5], 0).tenths == (Fraction(0),) * 9 + (Fraction(1),)
    assert distribution_of([], None).mean == 0


def test_a_point_is_worth_what_was_said_else_what_it_pays_at_checkout() -> None:
    program = a_program(PER_EURO, spend=CHECKOUT)
    own = values_of(program, None)["points"]
    assert (own.minor, own.worth(110)) == (Fraction(5), 550)
    said = values_of(program, "1.25 USD per 1000")["points"]
    assert (said.minor, said.currency, said.worth(4)) == (Fraction(1, 8), "USD", 1)
    assert values_of(a_program(PER_EURO), None) == {}
    with pytest.raises(InvalidInput, match="such as"):
        values_of(program, "two cents")


@pytest.mark.parametrize("text", ["120%", "-5%", "some", "0.6"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="write a share from 0% to 100%"):
        share_of(text)


def test_points_without_a_value_have_no_cost_and_the_report_says_so(tmp_path: Path) -> None:
    history = a_history(tmp_path, ORDERS)
    report = a_report(history, figures_of(a_trial(a_document(PER_EURO)), history, "2026-03-30"))
    assert key_figures(report)[0].answers == ("not known",)
    assert sentences_of(report)[0].startswith("What a point is worth is not known")
    assert document_of(report)["programs"][0]["worth"]["issued"] is None


def test_a_long_time_is_told_by_quarter_or_by_year(tmp_path: Path) -> None:
    history = a_history(tmp_path, ORDERS)
    for closing, count, first, issued in (
        ("2028-12-31", 12, "2026 Q1", 110),
        ("2046-12-31", 21, "2026", 110),
    ):
        periods = a_report(history, figures_of(a_trial(CLUB), history, closing)).periods()
        assert (len(periods), periods[0][0].label, periods[0][0].issued) == (count, first, issued)


def test_a_scale_holds_its_numbers_on_few_round_lines() -> None:
    for low, high in ((0, 0), (0, 1), (-79_977, 82_490), (0, 315_243), (-3, 0), (0, 10**12)):
        scale = scale_of(low, high)
        assert scale.low <= low <= high <= scale.high
        assert len(scale.ticks(str)) <= 8
        assert (scale.y(scale.high), scale.y(scale.low)) == (0, HEIGHT)


CASHBACK = a_document(
    a_rule("cashback", cashback="5 %"),
    a_rule("a stamp", gives="1 stamp"),
)


def test_store_credit_costs_what_it_says_and_stamps_are_told_beside_it(tmp_path: Path) -> None:
    """5 % of 20.00, 5.50 and 60.00 are 1.00, 0.27 and 3.00."""
    history = a_history(tmp_path, ORDERS)
    found = figures_of(a_trial(CASHBACK), history, "2026-03-30")
    assert found.total.owed == 427
    assert found.cost_share == Fraction(427, 9549)
    assert [(each.asset, each.issued, each.owed) for each in found.others] == [("stamps", 3, 3)]
    report = a_report(history, found)
    assert key_figures(report)[1].answers == ("4.27 EUR",)
    assert "The cost leaves out what has no worth in EUR: stamps." in sentences_of(report)
    assert "stamps" in page.html_of(report)


def test_points_and_store_credit_are_compared_by_their_cost_and_not_subtracted(tmp_path: Path) -> None:
    history = a_history(tmp_path, ORDERS)
    trials = (a_trial(CLUB, "club"), a_trial(CASHBACK, "cashback"))
    report = a_report(history, *[figures_of(trial, history, "2026-03-30") for trial in trials])
    cost, issued, *_ = key_figures(report)
    assert (cost.answers, cost.difference) == (("5.8 %", "4.5 %"), "-1.3 pp")
    assert (issued.answers, issued.difference) == (("110", "4.27 EUR"), "")
    assert [row.answers for row in members(report) if row.label == "mean"] == [("55.00", "2.14 EUR")]
    assert "cashback (store credit in EUR)" in page.html_of(report)


class Page(HTMLParser):
    """What a browser would find in the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.figures: list[set[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "figure":
            self.figures.append(set())
        elif self.figures:
            self.figures[-1].add(tag)


def test_the_page_names_no_other_host_runs_nothing_and_has_a_table_beside_each_plot(tmp_path: Path) -> None:
    document = {**CLUB, "name": "<script>alert('tea')</script>"}
    history = a_history(tmp_path, ORDERS)
    trials = [a_trial(document, "a & b"), a_trial(a_document(PER_EURO), "plain")]
    text = page.html_of(a_report(history, *[figures_of(trial, history, "2026-03-30") for trial in trials]))
    found = Page(text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "form"} & set(found.tags)
    assert not [
        name for name, _ in found.attributes if name.startswith("on") or name in ("src", "href", "srcset")
    ]
    assert "a &amp; b" in text
    assert len(found.figures) == 4
    assert all({"svg", "table"} <= tags or "svg" not in tags for tags in found.figures)
    images = [value for name, value in found.attributes if (name, value) == ("role", "img")]
    assert len(images) == found.tags.count("desc") == 4
    titled = {
        value for name, value in found.attributes if name == "id" and value and value.endswith("-title")
    }
    assert len(titled) == len(images)
    assert "<title>&lt;script&gt;" not in text


def test_a_name_is_text_wherever_it_stands(tmp_path: Path) -> None:
    name = "<script>alert('tea')</script>"
    document = {**a_document({**PER_EURO, "rule": name}), "name": name}
    history = a_history(tmp_path, ORDERS)
    text = page.html_of(a_report(history, figures_of(a_trial(document, name), history, "2026-03-30")))
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#39;tea&#39;)&lt;/script&gt;" in text


def simulate(*arguments: str | Path) -> Result:
    """The command, as it is typed."""
    return CliRunner().invoke(application(SERVICE), ["simulate", *map(str, arguments)])


def figures_in(file: Path) -> dict[str, Any]:
    """What the command wrote for scripts."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The sample under the starter program, alone."""
    folder = tmp_path_factory.mktemp("cdnow")
    result = simulate(STARTER, CDNOW, "--html", folder / "report.html", "--json", folder / "figures.json")
    assert result.exit_code == 0, result.output
    assert "Corner Records Club" in (folder / "report.html").read_text(encoding="utf-8")
    return figures_in(folder / "figures.json")


def test_the_sample_comes_out_as_reckoned_from_the_file_alone(cdnow: dict[str, Any]) -> None:
    """A point a whole dollar, after 14 days, for a year to the end of the month; 50 at once for signing up."""
    closing = date(1998, 6, 30)
    issued = pending = expired = cents = 0
    first: dict[str, date] = {}
    for row in csv.DictReader(CDNOW.read_text(encoding="utf-8").splitlines()):
        day = date.fromisoformat(row["date"])
        first[row["customer_id"]] = min(day, first.get(row["customer_id"], day))
        dollars, _, rest = row["amount_usd"].partition(".")
        cents += int(dollars) * 100 + int(rest.ljust(2, "0"))
        issued += int(dollars)
        pending += int(dollars) if day + timedelta(days=14) > closing else 0
        opened = day + timedelta(days=15)
        expired += int(dollars) if (opened.year + 1, opened.month) <= (1998, 6) else 0
    issued += 50 * len(first)
    expired += 50 * sum(1 for day in first.values() if (day.year + 1, day.month) <= (1998, 6))
    points = cdnow["programs"][0]["totals"]
    assert cdnow["orders"]["revenue"] == f"{cents // 100}.{cents % 100:02}"
    assert (points["issued"], points["pending"], points["expired"]) == (issued, pending, expired)
    assert points["available"] == issued - pending - expired


def test_the_totals_of_the_sample_agree(cdnow: dict[str, Any]) -> None:
    program = cdnow["programs"][0]
    points, members = program["totals"], program["members"]
    assert sum(rule["amount"] for rule in program["rules"]) == points["issued"]
    assert round(members["mean"] * members["members"]) == points["issued"]
    assert sum(members["tenths"]) == pytest.approx(1, abs=1e-5)
    owed = 0
    for month in program["months"]:
        owed += month["issued"] - month["spent"] - month["expired"] - month["taken_back"]
        assert owed == month["pending"] + month["available"] + month["held"]
    assert owed == points["issued"] - points["spent"] - points["expired"] - points["taken_back"]
    assert program["cost_share"] == round(points["issued"] * 2 / (float(cdnow["orders"]["revenue"]) * 100), 6)


def test_two_programs_side_by_side_keep_their_own_figures(cdnow: dict[str, Any], tmp_path: Path) -> None:
    text = STARTER.read_text(encoding="utf-8").replace("points: 1\n", "points: 2\n")
    (tmp_path / "double.yaml").write_text(text, encoding="utf-8")
    files = ("--html", tmp_path / "two.html", "--json", tmp_path / "two.json")
    result = simulate(STARTER, CDNOW, "--against", tmp_path / "double.yaml", *files)
    assert result.exit_code == 0, result.output
    starter, double = figures_in(tmp_path / "two.json")["programs"]
    assert starter == cdnow["programs"][0]
    assert [rule["rule"] for rule in double["rules"]] == ["a point a dollar", "welcome"]
    assert double["rules"][1] == starter["rules"][1] | {"share": double["rules"][1]["share"]}
    assert double["totals"]["issued"] > starter["totals"]["issued"]
    assert "starter against double" in result.output
    page_text = (tmp_path / "two.html").read_text(encoding="utf-8")
    assert page_text.count('role="img"') == 6


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--redeem", "200%"], "--redeem: write a share from 0% to 100%"),
        (["--redeem", "50%"], "--redeem: poor does not say what points pay at checkout"),
        (["--until", "1990-01-01"], "--until: there is no order up to 1990-01-01"),
        (["--point-value", "much"], "--point-value: write what points are worth"),
        (["--against", "yen.yaml"], "compare programs of one currency"),
        (["--against", "nowhere.yaml"], "nowhere.yaml cannot be read"),
    ],
)
def test_a_trial_that_cannot_be_made_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("poor.yaml").write_text(
        "program: poor\ncurrency: USD\nledger: {earn: [{rule: base, on: order.paid, points: 1, per: 1.00 USD}]}\n",
        encoding="utf-8",
    )
    Path("yen.yaml").write_text("program: yen\ncurrency: JPY\n", encoding="utf-8")
    result = simulate("poor.yaml", CDNOW, *arguments)
    assert result.exit_code == 1
    assert told in result.output
    assert not (tmp_path / ".local").exists()


def test_a_faulty_program_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "club.yaml"
    file.write_text("program: club\ncurrency: USD\nledger:\n  earm: []\n", encoding="utf-8")
    result = simulate(file, CDNOW)
    assert result.exit_code == 1
    assert f"{file}:4: ledger.earm: this word is not known here" in result.output


def test_only_the_ledger_has_this_command() -> None:
    result = CliRunner().invoke(application(TIERS), ["simulate", str(STARTER), str(CDNOW)])
    assert result.exit_code == 2
