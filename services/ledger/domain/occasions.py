"""What the calendar earns: birthday, anniversary of the sign-up, anniversary of the first purchase.

At local midnight of the member's time zone, else the program's; 29 February on 28 February in common years. Once a
calendar year and never twice within 300 days, however often the birthday is edited.

Example: born on 4 May, living in Auckland, a program in Paris: 200 points at 12:00 UTC on 3 May. On 10 June the
birthday is edited to 1 August: nothing more in this year, the next points come on 1 August of the next.

What a newcomer would get wrong: an occasion is not looked for at the moment when a job runs. It is a thing that falls
due (`settling`): booked at its own midnight under the version of the program, and the level, of that moment, also where
the job is late or a history is replayed. A birthday counts from when it was told: who tells it on the day itself, or
later, is celebrated next year. A year in which the rules were asked and gave nothing is a year all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

from services.ledger.domain.awards import Origin
from services.ledger.domain.conditions import Facts
from services.ledger.domain.deeds import award_facts
from services.ledger.domain.leasing import wanted_on
from services.ledger.domain.persons import Celebrated, Person, person_facts
from services.ledger.domain.program import OCCASIONS, LedgerProgram
from services.ledger.domain.records import MemberKey
from shared.calendar import anniversary, day_of, midnight
from shared.programs import Versions
from shared.rows import Row, replace

if TYPE_CHECKING:
    from services.ledger.domain.book import Book
    from services.ledger.domain.budgets import BudgetKey

BIRTHDAY, SIGN_UP, FIRST_PURCHASE = OCCASIONS
FEWEST_DAYS = 300  # between two of a kind


class Occasion(Row, frozen=True, gc=False):
    """A day in a member's calendar, and the moment at which it begins there."""

    at: datetime
    trigger: str
    day: date

    @property
    def name(self) -> str:
        """What its awards and decisions are called: `birthday:2026`."""
        return f"{self.trigger}:{self.day.year}"


def occasions_of(book: Book, key: MemberKey) -> Iterator[Occasion]:
    """The next occasion of each kind that a version of the program rewards; it may lie in the past."""
    triggers = book.occasions_in(key[0])
    if not triggers:
        return
    versions, person = book.versions_of(key[0]), book.person(key)
    zone = person.zone_or(versions.newest.rules.zone)
    for trigger in triggers:
        since = _since(book, key, person, trigger)
        if since is None:
            continue
        day = day_of(since, zone)
        month_and_day = (day.month, day.day)
        if trigger == BIRTHDAY:
            assert person.birthday is not None, "it is known since then"
            month_and_day = person.birthday
        found = _next(trigger, month_and_day, since, person, versions)
        if found is not None:
            yield found


def budgets_wanted(book: Book, key: MemberKey, until: datetime) -> Iterator[tuple[BudgetKey, int]]:
    """The budgets that the member's next occasions take from, as far as they come until then."""
    for occasion in occasions_of(book, key):
        if occasion.at <= until:
            program = book.versions_of(key[0]).at(occasion.at).rules
            if program.has_budgets:
                day = day_of(occasion.at, program.zone)
                yield from wanted_on(day, key[0], program, occasion.trigger)


def schedule_occasions(book: Book, key: MemberKey) -> None:
    """See to it that the member is looked at when the next occasion comes."""
    for occasion in occasions_of(book, key):
        book.schedule(key, occasion.at)


def note_purchase(book: Book, key: MemberKey, at: datetime) -> None:
    """A paid order may be the first, also one that was refunded since."""
    if FIRST_PURCHASE not in book.occasions_in(key[0]):
        return
    person = book.person(key)
    if person.first_paid_at is None or at < person.first_paid_at:
        book.persons.put(key, "", replace(person, first_paid_at=at))
        schedule_occasions(book, key)


def celebrate(book: Book, key: MemberKey, occasion: Occasion) -> None:
    """Award what the rules of that moment give, and remember the day."""
    version = book.versions_of(key[0]).at(occasion.at)
    program, member, person = version.rules, book.member(key), book.person(key)
    level = member.level_before(occasion.at)
    facts = Facts(
        trigger=occasion.trigger,
        at=occasion.at.astimezone(program.zone),
        level=level.name if level else None,
        subject=occasion.name,
        **person_facts(program, member, person, occasion.at),
    )
    origin = Origin(occasion.name, occasion.name, occasion.at, version.number)
    award_facts(book, key, program, facts, origin)
    others = [each for each in person.celebrated if each.trigger != occasion.trigger]
    remembered = (*others, Celebrated(occasion.trigger, occasion.day))
    book.persons.put(key, "", replace(person, celebrated=remembered))


def _since(book: Book, key: MemberKey, person: Person, trigger: str) -> datetime | None:
    """Since when there is such an occasion in the member's calendar; None for never."""
    if trigger == BIRTHDAY:
        return person.birthday_since
    return book.member(key).joined_at if trigger == SIGN_UP else person.first_paid_at


def _next(
    trigger: str,
    month_and_day: tuple[int, int],
    since: datetime,
    person: Person,
    versions: Versions[LedgerProgram],
) -> Occasion | None:
    """The first one after `since` that was not celebrated and that the version of its moment rewards."""
    newest = versions.newest
    zone = person.zone_or(newest.rules.zone)
    last = next((each.day for each in person.celebrated if each.trigger == trigger), None)
    year = day_of(since, zone).year if last is None else last.year + 1
    while True:
        day = anniversary(*month_and_day, year)
        at = midnight(day, zone)
        if at > since and (last is None or (day - last).days >= FEWEST_DAYS):
            if versions.at(at).rules.rules_for(trigger):
                return Occasion(at, trigger, day)
            if at >= newest.since:
                return None  # what no version rewards from now on
        year += 1
