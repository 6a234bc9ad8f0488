"""Thousands of steps of members, shop, people and clock through the pure rules; each must leave the book sound."""

from __future__ import annotations

from tests.support.model import thoroughly
from tests.support.whole_model import WholeModel


class InMemory(WholeModel):
    """All of it in memory."""


InMemory.TestCase.settings = thoroughly(steps=10_000)
test_whatever_happens_in_whatever_order_the_book_stays_sound = InMemory.TestCase
