"""What is kept of a member, recomputed from the orders and compared.

What a newcomer would get wrong: a level above what the orders lead to is no fault while its judgement is still to come.
"""

from __future__ import annotations

from services.tiers.domain.book import Book, Member, MemberKey
from services.tiers.domain.course import Course
from services.tiers.domain.judging import held_in
from services.tiers.domain.purchases import kept_spend
from services.tiers.domain.standing import Held, due_standing, secured


def differences(book: Book, key: MemberKey) -> list[str]:
    """Each place where what is kept of a member differs from what the stored orders lead to; empty = all is well."""
    member, name = book.member(key), f"{key[0]}:{key[1]}"
    if member.erased_at is not None or member.merged_into is not None:
        left = len(book.purchases.of(key)) + len(book.years.of(key))
        what = "erased" if member.merged_into is None else f"merged into {member.merged_into}"
        return [f"{name}: {what}, but {left} rows are left"] if left else []
    course = book.course(key[0])
    spent, found = _recount(book, key, course, name)
    for year in sorted(spent.keys() | book.spent(key).keys()):
        kept, counted = book.spent(key).get(year, 0), spent.get(year, 0)
        if kept != counted:
            found.append(f"{name}: {year} counts {kept}, its orders come to {counted}")
    return found + _standing_differences(course, member, spent, name)


def _recount(book: Book, key: MemberKey, course: Course, name: str) -> tuple[dict[int, int], list[str]]:
    """What the orders come to by year, and the orders whose row says otherwise."""
    spent: dict[int, int] = {}
    found = []
    for purchase in book.purchases.of(key).values():
        if purchase.paid_at is None:
            continue
        program = course.program_at(purchase.paid_at)
        year, minor = course.year_of(purchase.paid_at), kept_spend(purchase, program.currency)
        spent[year] = spent.get(year, 0) + minor
        if (purchase.year, purchase.kept_minor) != (year, minor):
            kept = f"{purchase.kept_minor} in {purchase.year}"
            found.append(f"{name}: order {purchase.order_id} counts {kept}, should {minor} in {year}")
    return spent, found


def _standing_differences(course: Course, member: Member, spent: dict[int, int], name: str) -> list[str]:
    if member.level is None or member.settled_until is None:
        is_missing = course.has_ladder and bool(spent)
        return [f"{name}: has orders and no level"] if is_missing else []
    year = course.year_of(member.settled_until)
    held, due = (
        secured(course, each, year, spent.get(year, 0))
        for each in (held_in(course, member, year), due_standing(course, spent, year).held)
    )
    is_less, is_more = held.is_less_than(due), due.is_less_than(held)
    if is_less or (is_more and member.judge_at is None):
        return [f"{name}: holds {_words(held)}, the orders lead to {_words(due)}"]
    return []


def _words(held: Held) -> str:
    return f"{held.level.name} until {held.until.isoformat() if held.until else 'for good'}"
