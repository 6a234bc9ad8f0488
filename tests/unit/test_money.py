"""Money in minor units: exact by ISO 4217, split without loss."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import (
    DIGITS,
    InvalidAmount,
    Rounding,
    UnknownCurrency,
    digits_of,
    largest_remainder,
    minor_units,
    rounded,
    to_decimal_string,
)

currencies = st.sampled_from(sorted(DIGITS))
weights = st.lists(st.integers(0, 10**9) | st.fractions(0, 1000), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12.5", "EUR", 1250),
        ("12", "EUR", 1200),
        ("-0.05", "EUR", -5),
        ("007.10", "EUR", 710),
        ("5", "JPY", 5),
        ("5.00", "JPY", 5),
        ("1.234", "KWD", 1234),
        ("1.2340", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("999999999999999.99", "EUR", 99999999999999999),
    ],
)
def test_an_amount_is_counted_in_minor_units(amount: str, currency: str, minor: int) -> None:
    assert minor_units(amount, currency) == minor


@pytest.mark.parametrize(("amount", "currency"), [("1.5", "JPY"), ("0.001", "EUR"), ("1.2345", "KWD")])
def test_an_amount_finer_than_its_currency_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(InvalidAmount, match="finer than the currency"):
        minor_units(amount, currency)


@pytest.mark.parametrize(
    "amount",
    [
        "",
        "1.",
        ".50",
        "+1",
        "1e5",
        "1_0",
        "1,50",
        "NaN",
        "1.00\n",
        " 1",
        "\u0663\u0663.00",
        "\u00b2",
        "1" * 16,
        "-",
        "1.00.00",
        "--1",
    ],
)
@pytest.mark.parametrize("currency", ["EUR", "JPY"])
def test_what_is_no_decimal_number_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(InvalidAmount):
        minor_units(amount, currency)


@pytest.mark.parametrize("currency", ["XAU", "XXX", "ZZZ", "eur", ""])
def test_a_currency_without_minor_units_is_refused(currency: str) -> None:
    with pytest.raises(UnknownCurrency):
        minor_units("1", currency)
    with pytest.raises(UnknownCurrency):
        to_decimal_string(1, currency)


def test_the_decimals_come_from_the_table() -> None:
    assert [digits_of(code) for code in ("JPY", "EUR", "KWD", "CLF", "RSD")] == [0, 2, 3, 4, 2]


@given(st.integers(-(10**15) + 1, 10**15 - 1), currencies)
def test_an_amount_written_and_read_is_the_same(minor: int, currency: str) -> None:
    assert minor_units(to_decimal_string(minor, currency), currency) == minor


@given(st.from_regex(r"-?[0-9]{1,15}(\.[0-9]{1,4})?", fullmatch=True), currencies)
def test_what_is_read_is_the_number_itself(amount: str, currency: str) -> None:
    exact = Decimal(amount).scaleb(digits_of(currency))
    if exact == int(exact):
        assert minor_units(amount, currency) == exact
    else:
        with pytest.raises(InvalidAmount):
            minor_units(amount, currency)


def test_the_discount_of_the_worked_example_is_split_by_value() -> None:
    assert largest_remainder(500, [2500, 4000]) == [192, 308]


def test_at_a_tie_the_earlier_part_gets_more() -> None:
    assert largest_remainder(1, [1, 1]) == [1, 0]
    assert largest_remainder(5, [1, 1, 1]) == [2, 2, 1]


def test_weights_that_are_all_zero_split_evenly() -> None:
    assert largest_remainder(3, [0, 0]) == [2, 1]


@given(st.integers(-(10**9), 10**9), weights)
def test_a_split_adds_up_and_no_part_is_a_unit_off_its_exact_share(
    total: int, weights: list[int | Fraction]
) -> None:
    parts = largest_remainder(total, weights)
    assert sum(parts) == total
    whole = Fraction(sum(weights))
    for part, weight in zip(parts, weights, strict=True):
        if whole:
            assert abs(part - total * weight / whole) < 1
            assert weight or not part


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20, unique=True))
def test_a_heavier_part_never_gets_less(total: int, weights: list[int]) -> None:
    by_weight = sorted(zip(weights, largest_remainder(total, weights), strict=True))
    parts = [part for _, part in by_weight]
    assert parts == sorted(parts)


def test_points_are_rounded_as_the_program_says() -> None:
    half = Fraction(5, 2)
    assert [rounded(half, how) for how in (Rounding.DOWN, Rounding.HALF_UP, Rounding.UP)] == [2, 3, 3]
    assert [rounded(Fraction(9, 4), how) for how in Rounding] == [2, 2, 3]
    assert [rounded(7, how) for how in Rounding] == [7, 7, 7]
