"""Holds the books of the services against what was reckoned anew, and names every difference.

What a newcomer would get wrong: "it balances" alone proves little, since books can balance and be wrong. So every order
is looked at, every kind of points, every level and state, and what one service promised is held against what another
one paid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.local.expected import Expected, Terms
from deploy.local.figures import Award, Figures
from deploy.local.settled import topics_of
from deploy.local.wiring import SERVICES
from shared.events import Event, topic_of

MOST_NAMED = 5  # orders named per difference; the first ones tell what is wrong


@dataclass(frozen=True, slots=True)
class Check:
    """One claim about the books, and what speaks against it; nothing, if it holds."""

    claim: str
    against: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.against


def audit(
    figures: Figures,
    expected: Expected,
    terms: Terms,
    events: Sequence[Event[Any]],
    repeated: Sequence[Event[Any]],
    verified: Mapping[str, Sequence[str]],
    mails: int,
) -> list[Check]:
    """Every claim.

    `repeated` are the records that were published again, `verified` is what each service found itself, and `mails` how
    many came to the mail server.
    """
    return [
        Check("nothing was refused", tuple(_refused(figures))),
        Check("every event is known to every service that listens", tuple(_known(figures, events))),
        Check("repetitions changed nothing", tuple(_repeated(figures, repeated))),
        Check("every order is known", tuple(_orders(figures, expected))),
        Check(
            "every order earned what it should, and holds what is kept of it",
            tuple(_awards(figures, expected, terms)),
        ),
        Check("welcome, shares and reviews earned what they should", tuple(_deeds(figures, expected, terms))),
        Check("what levels and referrals promised was paid", tuple(_promises(figures))),
        Check(
            "every member is on the level that follows from what they kept", tuple(_levels(figures, expected))
        ),
        Check("every referral is where its first order puts it", tuple(_referrals(figures, expected))),
        Check("every e-mail came once", tuple(_mails(figures, mails))),
        Check("all accounts sum to zero", tuple(_sums(figures))),
        *(Check(f"{name} verifies its own books", tuple(found)) for name, found in verified.items()),
    ]


def _refused(figures: Figures) -> Iterator[str]:
    for name, count in figures.dead_letters.items():
        if count:
            yield f"{name} has {count} dead letters: python -m services.{name} dead-letters list"


def _known(figures: Figures, events: Sequence[Event[Any]]) -> Iterator[str]:
    for name in SERVICES:
        topics = set(topics_of(name))
        published = sum(1 for event in events if topic_of(type(event.data)) in topics)
        yield from _differs(f"{name}, events in the inbox", figures.known[name], published)


def _repeated(figures: Figures, repeated: Sequence[Event[Any]]) -> Iterator[str]:
    for name in SERVICES:
        topics = set(topics_of(name))
        published = sum(1 for event in repeated if topic_of(type(event.data)) in topics)
        yield from _differs(f"{name}, records recognised as repetitions", figures.duplicates[name], published)


def _orders(figures: Figures, expected: Expected) -> Iterator[str]:
    for name, count in figures.orders.items():
        yield from _differs(f"{name}, orders", count, len(expected.orders))
    yield from _differs("ledger, members", figures.members, expected.members)


def _awards(figures: Figures, expected: Expected, terms: Terms) -> Iterator[str]:
    wrong = [
        text
        for order_id in expected.orders
        if (text := _award(order_id, figures.awards.get(order_id), expected, terms)) is not None
    ]
    yield from wrong[:MOST_NAMED]
    if len(wrong) > MOST_NAMED:
        yield f"… and {len(wrong) - MOST_NAMED} more orders"
    for order_id in list(figures.awards.keys() - expected.orders.keys())[:MOST_NAMED]:
        yield f"{order_id}: was never published"


def _award(order_id: str, award: Award | None, expected: Expected, terms: Terms) -> str | None:
    """What is wrong with the award of an order."""
    order = expected.orders[order_id]
    if award is None:
        return f"{order_id}: no award"
    allowed = {level.earn_times for level in terms.levels if level.earn_times <= order.most}
    if award.earn_times not in allowed:
        return f"{order_id}: earned {float(award.earn_times):g} times, at most {float(order.most):g} is right"
    points = order.points(terms, award.earn_times, kept=False)
    holds = order.points(terms, award.earn_times, kept=True)
    if (award.points, award.holds) != (points, holds):
        return f"{order_id}: earned {award.points} and holds {award.holds}; should be {points} and {holds}"
    return None


def _deeds(figures: Figures, expected: Expected, terms: Terms) -> Iterator[str]:
    for what, should in (
        (terms.welcome_rule, expected.welcome),
        (terms.share_rule, expected.shares),
        (terms.review_rule, expected.reviews),
    ):
        yield from _differs(f"points of the rule {what!r}", figures.gained.get(what, 0), should)


def _promises(figures: Figures) -> Iterator[str]:
    yield from _differs("entry rewards paid", figures.held.get("entry_reward", 0), figures.entry_rewards)
    yield from _differs("referral rewards paid", figures.held.get("referral", 0), figures.referral_rewards)


def _levels(figures: Figures, expected: Expected) -> Iterator[str]:
    for level, should in expected.levels.items():
        yield from _differs(f"members on the level {level}", figures.levels.get(level, 0), should)


def _referrals(figures: Figures, expected: Expected) -> Iterator[str]:
    for state in sorted({*figures.referrals, *expected.referrals}):
        yield from _differs(
            f"referrals {state}", figures.referrals.get(state, 0), expected.referrals.get(state, 0)
        )
    yield from _differs("attempts to refer oneself", figures.attempts_blocked, expected.blocked)


def _mails(figures: Figures, mails: int) -> Iterator[str]:
    yield from _differs("mails at the mail server", mails, figures.messages.get(("email", "sent"), 0))
    for (channel, state), count in figures.messages.items():
        if state == "failed":
            yield f"{count:,} messages by {channel} failed"


def _sums(figures: Figures) -> Iterator[str]:
    yield from _differs("sum of all accounts", sum(figures.accounts.values()), 0)
    for account, amount in figures.balances.items():
        yield from _differs(f"members' {account} points", amount, figures.accounts.get(account, 0))
    awarded = sum(award.points for award in figures.awards.values()) + sum(figures.gained.values())
    yield from _differs("points issued", figures.issued, awarded)


def _differs(what: str, found: int, should: int) -> Iterator[str]:
    if found != should:
        yield f"{what}: {found:,}, should be {should:,}"
