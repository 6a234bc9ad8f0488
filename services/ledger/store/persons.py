"""What is known of persons, as rows: loaded for everybody where the rules of a program ask about persons.

What a newcomer would get wrong: a program without such rules costs no query here. Only events that tell something of
a person bring their row in then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from services.ledger.domain.book import Book
from services.ledger.domain.earned import PROGRAM
from services.ledger.domain.needs import Needs
from services.ledger.domain.occasions import budgets_wanted
from services.ledger.domain.persons import Celebrated, Person, SegmentChange
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey, Usage
from shared.database import AnyConnection, columns_of
from shared.orders import exact
from shared.programs import Versions
from shared.queries import Queries

Row = tuple[Any, ...]


async def load_persons(
    connection: AnyConnection, sql: Queries, book: Book, members: Sequence[MemberKey], needs: Needs
) -> None:
    """Bring in the persons that the batch may ask about; the rows of their members are locked.

    What the calendar earns is known only then: the usage and the budgets that it needs are added to the needs.
    """
    asking = {program_id for program_id, versions in book.programs.items() if _asks(versions)}
    if not (asking or needs.persons):
        return
    keys = [key for key in members if key in needs.persons or key[0] in asking]
    if not keys:
        return
    for row in await connection.fetch(sql.load_persons, *columns_of(keys, 2)):
        person = _person(row)
        book.persons.load((person.program_id, person.member_id), "", person)
    rules = {program_id: _capped_occasions(book.programs[program_id]) for program_id in asking}
    asked = [(*key, rule) for key in keys for rule in rules.get(key[0], ())]
    if asked:
        for row in await connection.fetch(sql.load_usage_of_rules, *columns_of(asked, 3)):
            program_id, member_id, rule, bucket, times, points = row
            usage = Usage(program_id, member_id, rule, bucket, times, exact(points))
            book.usage.load((program_id, member_id), (rule, bucket), usage)
    for key in keys:
        if key in needs.detailed or _has_due(book, key, needs):
            for budget, points in budgets_wanted(book, key, needs.members[key]):
                needs.budgets[budget] = needs.budgets.get(budget, 0) + points


def _has_due(book: Book, key: MemberKey, needs: Needs) -> bool:
    due = book.stored_due[key]
    return due is not None and due <= needs.members[key]


async def save_persons(connection: AnyConnection, sql: Queries, book: Book) -> None:
    """Write the persons that changed; those of members who are erased, or merged into others, go."""
    changed = sorted(book.persons.changed(), key=lambda person: (person.program_id, person.member_id))
    if changed:
        await connection.execute(sql.save_persons, *columns_of([_row(person) for person in changed], 10))
    gone = [
        (m.program_id, m.member_id)
        for m in book.members.changed()
        if m.erased_at is not None or m.merged_into is not None
    ]
    if gone:
        await connection.execute(sql.forget_persons, *columns_of(sorted(gone), 2))


async def first_purchases(
    connection: AnyConnection, sql: Queries, keys: Sequence[MemberKey]
) -> Mapping[MemberKey, datetime]:
    """When each of these members paid their first order."""
    rows = await connection.fetch(sql.first_purchases, *columns_of(keys, 2))
    return {(row["program_id"], row["member_id"]): row["first_paid_at"] for row in rows}


def _asks(versions: Versions[LedgerProgram]) -> bool:
    return any(
        version.rules.asks_of_persons or version.rules.occasions or version.rules.lives_by_activity
        for version in versions.all
    )


def _capped_occasions(versions: Versions[LedgerProgram]) -> list[str]:
    """The rules with a cap that the calendar asks, of any version; `PROGRAM` where the program itself has caps."""
    programs = [version.rules for version in versions.all if version.rules.occasions]
    rules = {
        rule.name
        for program in programs
        for trigger in program.occasions
        for rule in program.capped.get(trigger, ())
    }
    return sorted(rules | {PROGRAM for program in programs if program.caps})


def _person(row: Any) -> Person:
    program_id, member_id, birthday, since, time_zone, first_paid_at, segments, celebrated, *active = row
    month, _, day = (birthday or "").partition("-")
    return Person(
        program_id,
        member_id,
        (int(month), int(day)) if birthday else None,
        since,
        time_zone,
        first_paid_at,
        tuple(SegmentChange(datetime.fromisoformat(at), *change) for at, *change in json.loads(segments)),
        tuple(Celebrated(trigger, date.fromisoformat(day)) for trigger, day in json.loads(celebrated)),
        *active,
    )


def _row(person: Person) -> Row:
    segments = [[change.since.isoformat(), change.segment, change.is_in] for change in person.segments]
    celebrated = [[each.trigger, each.day.isoformat()] for each in person.celebrated]
    birthday = person.birthday
    return (
        person.program_id,
        person.member_id,
        f"{birthday[0]:02}-{birthday[1]:02}" if birthday else None,
        person.birthday_since,
        person.time_zone,
        person.first_paid_at,
        json.dumps(segments),
        json.dumps(celebrated),
        person.active_from,
        person.active_until,
    )
