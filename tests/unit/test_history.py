"""The purchase history of the demo: what is read from the file, what is made up, and that the seed decides it all."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from deploy.local.expected import Terms, cents, expect
from deploy.local.history import COLUMNS, HistoryInvalid, Row, place, read_history
from deploy.local.invention import MARK, SOURCE, Story, advocates_of, customers_of, tell
from shared.events import CustomerSignedUp, OrderPaid, OrderRefunded, ReviewPublished, event_type
from shared.program_file import read_program

ROOT = Path(__file__).parents[2]
CDNOW = ROOT / "examples" / "data" / "cdnow_sample.csv"
STARTER = ROOT / "examples" / "programs" / "starter.yaml"
NEW_YORK = ZoneInfo("America/New_York")
LAST_DAY = date(2026, 3, 8)  # the clock was put forward on this day
UNTIL = datetime(2026, 3, 9, 4, tzinfo=UTC)
SHOP = "shop/test"


@cache
def a_story(seed: int = 1) -> Story:
    return told(read_history(CDNOW), seed)


def told(rows: list[Row], seed: int = 1) -> Story:
    orders = place(rows, last_day=LAST_DAY, zone=NEW_YORK, seed=seed)
    customers = customers_of(orders, seed=seed)
    codes = {member: f"CODE-{member}" for member in advocates_of(customers)}
    return tell(customers, codes, program_id="demo", source=SHOP, until=UNTIL, seed=seed)


def a_file(tmp_path: Path, *lines: str, header: str = ",".join(COLUMNS)) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def paid_in(story: Story) -> dict[str, OrderPaid]:
    return {event.data.order_id: event.data for event in story.events if isinstance(event.data, OrderPaid)}


def test_the_sample_is_that_of_lifetimes() -> None:
    rows = read_history(CDNOW)
    assert len(rows) == 6_919
    assert len({row.customer_id for row in rows}) == 2_357
    assert (min(row.day for row in rows), max(row.day for row in rows)) == (
        date(1997, 1, 1),
        date(1998, 6, 30),
    )
    assert sum(row.amount_minor for row in rows) == 244_091_94
    assert rows[0] == Row(line=2, customer_id="00004", day=date(1997, 1, 1), quantity=2, amount_minor=29_33)


def test_every_order_of_the_file_is_told_with_its_quantity_and_amount() -> None:
    rows = {row.order_id: row for row in read_history(CDNOW)}
    told = paid_in(a_story())
    assert told.keys() == rows.keys()
    for order_id, paid in told.items():
        row = rows[order_id]
        assert (paid.customer_id, cents(paid.total)) == (row.customer_id, row.amount_minor)
        assert sum(cents(line.total) for line in paid.lines) == row.amount_minor
        assert sum(int(line.quantity) for line in paid.lines) == row.quantity


def test_the_last_order_falls_on_the_last_day_and_nothing_comes_after_it() -> None:
    story = a_story()
    days = [
        event.time.astimezone(NEW_YORK).date() for event in story.events if isinstance(event.data, OrderPaid)
    ]
    assert max(days) == LAST_DAY
    assert max(event.time for event in story.events) < UNTIL


def test_the_same_seed_tells_the_same_story_and_another_seed_another_one() -> None:
    rows = read_history(CDNOW)
    assert told(rows, seed=1) == a_story(seed=1)
    assert told(rows, seed=2).records != a_story(seed=1).records


def test_a_further_line_changes_no_other_order() -> None:
    rows = read_history(CDNOW)
    before, after = paid_in(told(rows[:-1])), paid_in(a_story())
    assert {order_id: after[order_id] for order_id in before} == before


def test_all_that_is_made_up_says_so() -> None:
    for event in a_story().events:
        made_up = not isinstance(event.data, OrderPaid)
        assert (event.source == SOURCE, event.id.startswith(MARK)) == (made_up, made_up)
        assert event.source in (SOURCE, SHOP)


def test_the_sign_up_comes_before_the_first_order() -> None:
    story = a_story()
    joined = {
        event.data.customer_id: event.time
        for event in story.events
        if isinstance(event.data, CustomerSignedUp)
    }
    assert len(joined) == 2_357
    for event in story.events:
        assert joined[event.data.customer_id] <= event.time


def test_no_two_events_have_one_name() -> None:
    names = Counter((event.source, event.id) for event in a_story().events)
    assert names.most_common(1)[0][1] == 1


def test_a_repetition_is_the_same_event_published_later() -> None:
    story = a_story()
    times = Counter((event.source, event.id) for event in story.records)
    assert story.repetitions == round(len(story.events) * 0.02)
    assert Counter(times.values()) == {
        1: len(story.events) - story.repetitions,
        2: story.repetitions,
    }
    first_seen = list(dict.fromkeys((event.source, event.id) for event in story.records))
    assert first_seen == [(event.source, event.id) for event in story.events]


def test_refunds_are_of_three_kinds_and_never_more_than_the_order() -> None:
    story = a_story()
    paid = paid_in(story)
    kinds: Counter[str] = Counter()
    for event in story.events:
        if isinstance(event.data, OrderRefunded):
            total = cents(paid[event.data.order_id].total)
            given = cents(event.data.amount) if event.data.amount is not None else None
            kinds["line" if given is None else "full" if given == total else "amount"] += 1
            assert given is None or 0 < given <= total
            assert bool(event.data.lines) == (given is None)
    assert min(kinds["line"], kinds["full"], kinds["amount"]) > 50


def test_reviews_are_of_products_of_the_order() -> None:
    story = a_story()
    paid = paid_in(story)
    reviews = [event.data for event in story.events if isinstance(event.data, ReviewPublished)]
    assert len(reviews) == story.counts[event_type(ReviewPublished)] > 400
    for review in reviews:
        assert review.product_id in {line.product_id for line in paid[review.order_id or ""].lines}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("7,1997-01-01,2", "line 3: 3 fields, where 4 should be"),
        ("7,1997-02-30,2,10.00", "line 3: date '1997-02-30' should be a day"),
        ("7,1997-01-01,two,10.00", "line 3: quantity 'two' should be a whole number"),
        ("7,1997-01-01,0,10.00", "line 3: quantity '0' should be a whole number"),
        ("7,1997-01-01,2,-1.00", "line 3: amount_usd '-1.00' should be dollars and cents"),
        ("7,1997-01-01,2,1.005", "line 3: amount_usd '1.005' should be dollars and cents"),
        (",1997-01-01,2,10.00", "line 3: customer_id should have"),
        ("7/8,1997-01-01,2,10.00", "line 3: customer_id should have"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, line: str, fault: str) -> None:
    with pytest.raises(HistoryInvalid) as refusal:
        read_history(a_file(tmp_path, "1,1997-01-01,1,5", line))
    assert fault in str(refusal.value)


def test_all_faulty_lines_are_named_up_to_a_limit(tmp_path: Path) -> None:
    with pytest.raises(HistoryInvalid) as refusal:
        read_history(a_file(tmp_path, *(["x"] * 25)))
    assert "line 2:" in str(refusal.value)
    assert "… and 5 more" in str(refusal.value)


def test_other_columns_an_empty_file_and_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryInvalid, match="line 1: the columns should be customer_id,date"):
        read_history(a_file(tmp_path, header="customer,date,quantity,amount"))
    with pytest.raises(HistoryInvalid, match="has no orders"):
        read_history(a_file(tmp_path))
    with pytest.raises(HistoryInvalid, match="No such file"):
        read_history(tmp_path / "absent.csv")


def test_amounts_may_leave_out_cents(tmp_path: Path) -> None:
    rows = read_history(a_file(tmp_path, "7,1997-01-01,1,5", "7,1997-01-02,1,5.5", "8,1997-01-02,1,0"))
    assert [row.amount_minor for row in rows] == [5_00, 5_50, 0]


def test_what_must_come_out_is_reckoned_from_the_words_of_the_starter_program() -> None:
    terms = Terms.of(read_program(STARTER.read_text(encoding="utf-8")).document)
    assert (terms.per_dollar, terms.welcome, terms.wait) == (Fraction(1), 50, 14)
    assert [level.earn_times for level in terms.levels] == [1, Fraction(5, 4), Fraction(3, 2)]


def test_what_must_come_out_follows_from_the_story() -> None:
    story = a_story()
    terms = Terms.of(read_program(STARTER.read_text(encoding="utf-8")).document)
    orders = place(read_history(CDNOW), last_day=LAST_DAY, zone=NEW_YORK, seed=1)
    codes = {member: f"CODE-{member}" for member in advocates_of(customers_of(orders, seed=1))}
    expected = expect(story.events, terms, codes, UNTIL)
    assert (len(expected.orders), expected.members) == (6_919, 2_357)
    assert expected.welcome == 50 * 2_357
    assert sum(expected.levels.values()) == 2_357
    named = sum(
        1 for event in story.events if isinstance(event.data, CustomerSignedUp) and event.data.referral_code
    )
    assert sum(expected.referrals.values()) + expected.blocked == named
