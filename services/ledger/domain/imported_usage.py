"""What caps had counted in another system, so that nobody is given a welcome twice.

Example: the rule `welcome` has `limit: 1 per lifetime`, and Ana got it there on 3 March 2024. A row says so; when the
shop tells of her sign-up again, the rule finds no room. A rule with `at_most: 500 per month` of which 480 were given in
May has room for 20 more in May.

What a newcomer would get wrong: usage only bounds rules that have a cap. For one without, nothing could be counted, so
such a row is a fault, and not a promise that nobody keeps.
"""

from __future__ import annotations

from datetime import UTC, datetime

from services.ledger.domain.allowances import whole_bucket
from services.ledger.domain.book import Book
from services.ledger.domain.caps import bucket_of
from services.ledger.domain.conditions import Facts
from services.ledger.domain.earned import PROGRAM
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey, Usage
from services.ledger.domain.rules import Cap, Rule
from services.ledger.errors import ImportFault
from shared.orders import Share
from shared.rows import Row

NO_TIME = datetime(1, 1, 1, tzinfo=UTC)
"""Where no cap asks for one."""


class OldUsage(Row, frozen=True, gc=False, kw_only=True):
    """What was counted of a rule (empty: of what the program gives in all, of this asset): so many times and points.

    It counts in `bucket`, as an export names it, or else in those of `at`, the product, the network, the subject.
    """

    row: str
    rule: str
    asset: str
    times: int
    points: Share
    bucket: str | None = None
    at: datetime | None = None
    product_id: str | None = None
    network: str | None = None
    subject: str | None = None


def places_of(program: LedgerProgram, said: OldUsage) -> tuple[tuple[str, str], ...]:
    """The rule and bucket of every cap that it counts towards.

    Raises:
        ImportFault: there is no such rule, it has no cap, or the cap asks for what the row does not say.
    """
    if said.bucket is not None:
        return ((said.rule, said.bucket),)
    facts = Facts(
        trigger="",
        at=said.at.astimezone(program.zone) if said.at is not None else NO_TIME,
        product_id=said.product_id,
        network=said.network,
        subject=said.subject,
    )
    caps = _caps(program, said)
    for cap in caps:
        _require_said(cap, said)
    if said.rule == PROGRAM:
        return tuple((PROGRAM, whole_bucket(said.asset, cap, facts)) for cap in caps)
    return tuple((said.rule, bucket_of(cap, facts)) for cap in caps)


def count_before(book: Book, key: MemberKey, said: OldUsage, now: datetime) -> None:
    """Count it, on top of what was counted here.

    Raises:
        ImportFault: see `places_of`; or it lies in the future.
    """
    if said.at is not None and said.at > now:
        raise ImportFault("`at` lies in the future")
    for place in places_of(book.versions_of(key[0]).newest.rules, said):
        used = book.usage.get(key, place) or Usage(*key, *place)
        counted = Usage(*key, *place, used.times + said.times, used.points + said.points)
        book.usage.put(key, place, counted)


def _caps(program: LedgerProgram, said: OldUsage) -> tuple[Cap, ...]:
    if said.rule == PROGRAM:
        found = program.caps.get(said.asset, ())
        if not found:
            raise ImportFault(f"the program has no cap on {said.asset}; leave the row out, or name a `rule`")
        return found
    rule = rule_named(program, said.rule)
    if rule is None:
        raise ImportFault(f"the program has no rule {said.rule!r}")
    if not rule.caps:
        raise ImportFault(
            f"rule {said.rule!r} has no cap, so nothing keeps it from giving again; "
            "give it one, such as `limit: 1 per lifetime`"
        )
    return rule.caps


def rule_named(program: LedgerProgram, name: str) -> Rule | None:
    """The rule with this name; None where there is none."""
    return next((rule for rules in program.rules.values() for rule in rules if rule.name == name), None)


def _require_said(cap: Cap, said: OldUsage) -> None:
    given = {"product": ("product_id", said.product_id), "network": ("network", said.network),
             "subject": ("subject", said.subject)}  # fmt: skip
    for name in cap.by:
        column, value = given.get(name, ("at", said.at))
        if value is None:
            raise ImportFault(f"the cap of {said.rule or 'the program'} counts by {name}; say `{column}`")
