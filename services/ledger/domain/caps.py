"""Caps: how often and how much a rule may give one member.

Example: `limit: 1 per product` on reviews: the second review of a product finds no room. `at_most: 500 per month`: a
member with 480 exact points of this rule in May gets 20 more in May.

What a newcomer would get wrong: the room that was found is stored with the award and bounds it ever after. A refund
gives no room back, and a later evaluation does not look at the usage again.
"""

from __future__ import annotations

from fractions import Fraction

from services.ledger.domain.book import Book, MemberKey, Usage
from services.ledger.domain.conditions import Facts
from services.ledger.domain.earning import Earned
from services.ledger.domain.program import Cap, Rule
from shared.rows import replace

FOREVER = "ever"


def bucket_of(cap: Cap, facts: Facts) -> str:
    """The bucket of the cap that this event falls into, such as `times:product=42` or `points:month=2026-11`."""
    measure = "points" if cap.points is not None else "times"
    return f"{measure}:{','.join(f'{name}={_value(name, facts)}' for name in cap.by) or FOREVER}"


def room_for(
    book: Book, key: MemberKey, rules: tuple[Rule, ...], facts: Facts, earned: Earned
) -> dict[str, Fraction]:
    """What each of these capped rules may give, where that is less than it would give."""
    rooms = {}
    for rule in rules:
        wanted = _given(earned, rule)
        if wanted:
            room = min(_room(book, key, rule, cap, facts, wanted) for cap in rule.caps)
            if room < wanted:
                rooms[rule.name] = room
    return rooms


def use(book: Book, key: MemberKey, rules: tuple[Rule, ...], facts: Facts, earned: Earned) -> None:
    """Count what was given against the caps of these rules."""
    for rule in rules:
        points = _given(earned, rule)
        if not points:
            continue
        for cap in rule.caps:
            usage = _usage(book, key, rule, bucket_of(cap, facts))
            counted = replace(usage, times=usage.times + 1, points=usage.points + points)
            book.usage.put(key, (rule.name, usage.bucket), counted)


def free(book: Book, key: MemberKey, rule: str, bucket: str) -> None:
    """Give one time back: the exception for a removed review, which frees its product."""
    usage = book.usage.get(key, (rule, bucket))
    if usage is not None and usage.times:
        book.usage.put(key, (rule, bucket), replace(usage, times=usage.times - 1))


def _given(earned: Earned, rule: Rule) -> Fraction | None:
    """The exact points that this rule gave; None where it did not match."""
    for answer in earned.answers:
        if answer.rule == rule.name:
            return answer.exact if answer.why_not is None else None
    return None


def _room(book: Book, key: MemberKey, rule: Rule, cap: Cap, facts: Facts, wanted: Fraction) -> Fraction:
    usage = _usage(book, key, rule, bucket_of(cap, facts))
    if cap.times is not None:
        return wanted if usage.times < cap.times else Fraction(0)
    assert cap.points is not None
    room = max(Fraction(0), cap.points - usage.points)
    return Fraction(0) if cap.rejects and room < wanted else room


def _usage(book: Book, key: MemberKey, rule: Rule, bucket: str) -> Usage:
    return book.usage.get(key, (rule.name, bucket)) or Usage(*key, rule.name, bucket)


def _value(name: str, facts: Facts) -> str:
    if name == "day":
        return f"{facts.at.date()}"
    if name == "week":
        year, week, _ = facts.at.isocalendar()
        return f"{year}-W{week:02}"
    if name == "month":
        return f"{facts.at.year}-{facts.at.month:02}"
    if name == "year":
        return str(facts.at.year)
    value = {"product": facts.product_id, "network": facts.network, "subject": facts.subject}[name]
    return value or ""
