"""Points that live as long as their member is active: what counts as activity, and what it moves.

Example: `after 12 months without activity`. Points of 4 May 2026 would expire after 4 May 2027; an order on 1 March
2027 moves them, and all others, to the end of 1 March 2028.

What a newcomer would get wrong: every award above 0 counts, of whatever asset and also while it is pending; so do its
activation, a spend, a capture, a redemption and a donation. A hold does not, nor does a refund. A late event moves
nothing to an earlier moment, and revives nothing that has expired. But its own points live as if they had come in time:
what the member did since has kept them alive, too. So the last stretch of activity is remembered with the person.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.expiring import first_look, without_past
from services.ledger.domain.expiry import expiry_of
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Lot, MemberKey
from shared.rows import replace

OPEN = "open"  # of a hold; `holds` counts spends as activity, so it cannot be asked here


def was_active(book: Book, key: MemberKey, at: datetime) -> None:
    """The member did something at this moment: all lots that live by activity live longer, also held parts."""
    program = book.versions_of(key[0]).at(at).rules
    if not program.lives_by_activity:
        return
    latest = _remembered(book, key, program, at)
    for lot in living_lots(book, key):
        policy = program.policy_for(lot.asset)
        if policy.by_activity:
            _extend(book, lot, expiry_of(policy, latest), at)


def kept_alive(book: Book, key: MemberKey, lot: Lot) -> Lot:
    """A lot that is opened as of before the member's last activity, as that has let it live on; else the same one.

    Example, 12 months without activity: active on 10 June. An order of 1 May that arrives after that lives to the end
    of 10 June of the next year, as all others do.
    """
    person = book.persons.get(key, "")
    if person is None or person.active_from is None or person.active_until is None or lot.expires_at is None:
        return lot
    if lot.opened_at >= person.active_until or person.active_from >= lot.expires_at:
        return lot
    policy = book.versions_of(key[0]).at(person.active_until).rules.policy_for(lot.asset)
    until = expiry_of(policy, person.active_until) if policy.by_activity else None
    return lot if until is None or until <= lot.expires_at else replace(lot, expires_at=until)


def _remembered(book: Book, key: MemberKey, program: LedgerProgram, at: datetime) -> datetime:
    """The end of the stretch of activity that this moment is in: what was alive then is alive up to there.

    The latest stretch is remembered; what is too early to be part of it stands alone.
    """
    person = book.person(key)
    since, until = person.active_from, person.active_until
    if since is None or until is None:
        since = until = at
    elif at > until:
        since, until = (since if at < _end(program, until) else at), at
    elif at < since:
        if since >= _end(program, at):
            return at
        since = at
    else:
        return until
    book.persons.put(key, "", replace(person, active_from=since, active_until=until))
    return until


def _end(program: LedgerProgram, at: datetime) -> datetime:
    """Up to when what was opened at this moment lives, of whatever lives shortest."""
    policies = [policy for policy in (program.points, *program.policies.values()) if policy.by_activity]
    found = [expiry for policy in policies if (expiry := expiry_of(policy, at)) is not None]
    return min(found)


def living_lots(book: Book, key: MemberKey) -> list[Lot]:
    """The member's lots in which something is left, also where an open hold has all of it."""
    assert key in book.detailed, f"the lots of {key} were not loaded"
    held = {
        (hold.asset, each.lot_no)
        for hold in book.holds.of(key).values()
        if hold.state == OPEN
        for each in hold.draws
    }
    return [lot for place, lot in book.lots.of(key).items() if lot.remaining or place in held]


def live_on(book: Book, lot: Lot) -> None:
    """Put a lot whose expiry moved in its place, and look at the member when it falls due."""
    book.put_lot(lot)
    if lot.remaining:
        book.schedule((lot.program_id, lot.member_id), first_look(book, lot))


def _extend(book: Book, lot: Lot, until: datetime | None, at: datetime) -> None:
    if lot.expires_at is not None and until is not None and at < lot.expires_at < until:
        live_on(book, without_past(book, replace(lot, expires_at=until), at))
