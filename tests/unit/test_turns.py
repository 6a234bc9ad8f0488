"""Turns: who asks about one thing stands in line, who asks about another passes by."""

from __future__ import annotations

import asyncio

import pytest

from shared.http.turns import AT_ONCE, Turns


async def test_no_more_than_a_few_have_a_turn_and_they_come_in_the_order_of_asking() -> None:
    turns, seen, most, inside = Turns(), [], 0, 0

    async def asks(number: int) -> None:
        nonlocal most, inside
        async with turns.of("ana"):
            inside += 1
            most = max(most, inside)
            seen.append(number)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*map(asks, range(20)))
    assert (seen, most) == (list(range(20)), AT_ONCE)
    assert turns._lines == {}, "nobody stands in line, so there is none"


async def test_who_asks_about_somebody_else_does_not_wait() -> None:
    turns = Turns()
    async with turns.of("ana"), turns.of("ana"), turns.of("ben"):
        pass


async def test_a_line_that_does_not_move_is_left_and_leaves_no_trace() -> None:
    turns = Turns(wait_seconds=0.01)
    async with turns.of("ana"), turns.of("ana"):
        with pytest.raises(TimeoutError):
            async with turns.of("ana"):
                raise AssertionError("nobody had left")
    async with turns.of("ana"):
        pass
    assert turns._lines == {}


async def test_a_turn_that_ends_in_an_error_is_given_to_the_next() -> None:
    turns = Turns(wait_seconds=1)
    for _ in range(2 * AT_ONCE):
        with pytest.raises(ValueError, match="no"):
            async with turns.of("ana"):
                raise ValueError("no")
    async with turns.of("ana"):
        pass
