"""What each event means to the notifier.

What a newcomer would get wrong: not every event is news to the member. A replayed one changes what is known of them and
tells them nothing; nor is it news what an import brought in, or that everybody who joins has the lowest level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.notifier.domain import facts
from services.notifier.domain.book import Book
from services.notifier.domain.members import DETAILS, EVERY_CHANNEL, Member, Preference
from services.notifier.domain.merging import joined
from services.notifier.domain.rules import Trigger
from services.notifier.domain.telling import News, tell
from shared.cloudevents import event_key
from shared.events import (
    CustomerDeleted,
    CustomerSignedUp,
    CustomerUpdated,
    Event,
    PointsEarned,
    PointsExpiring,
    ReferralApproved,
    TierRaised,
)
from shared.handlers import Handlers

on = Handlers[Book]()


@on(CustomerSignedUp, CustomerUpdated)
def learn_of_customer(event: Event[CustomerSignedUp | CustomerUpdated], book: Book) -> None:
    """Keeps how to reach them and what they agreed to; mail that waited for an address is due."""
    book.rules_at(event.program_id, event.time)
    before = book.member((event.program_id, event.data.customer_id))
    if before.merged_into is not None:
        _learn_by_old_name(event, book, book.home(before.key))
        return
    if before.erased_at is not None:
        return
    after = before.told({name: getattr(event.data, name) for name in DETAILS}, event.time)
    book.put_member(after)
    if after.email and after.email != before.email:
        book.reached.append(after.key)
    for consent in event.data.consents:
        book.put_preference(
            Preference(
                program_id=event.program_id,
                member_id=event.data.customer_id,
                purpose=consent.purpose,
                channel=consent.channel or EVERY_CHANNEL,
                granted=consent.granted,
                since=event.time,
                proof=consent.proof,
            )
        )


def _learn_by_old_name(
    event: Event[CustomerSignedUp | CustomerUpdated], book: Book, home: tuple[str, str]
) -> None:
    """What is told of an account that was merged away fills gaps and can say no; it clears and replaces nothing."""
    before = book.member(home)
    if before.erased_at is not None:
        return
    said = Member(program_id=home[0], member_id=home[1]).told(
        {name: getattr(event.data, name) for name in DETAILS}, event.time
    )
    after = joined(before, said)
    if after != before:
        book.put_member(after)
    if after.email and after.email != before.email:
        book.reached.append(home)
    for consent in event.data.consents:
        if not consent.granted:
            channel = consent.channel or EVERY_CHANNEL
            book.put_preference(
                Preference(
                    program_id=home[0],
                    member_id=home[1],
                    purpose=consent.purpose,
                    channel=channel,
                    granted=False,
                    since=event.time,
                    proof=consent.proof,
                )
            )


@on(CustomerDeleted)
def forget_customer(event: Event[CustomerDeleted], book: Book) -> None:
    """Contact data and the content of messages go; that there was somebody stays, so that nothing is kept again.

    Of an id that was merged into another member it forgets nobody: shops delete what they merged away.
    """
    book.rules_at(event.program_id, event.time)
    member = book.member((event.program_id, event.data.customer_id))
    if member.merged_into is not None:
        return
    book.put_member(member.erased(event.time))
    book.erased.append(member.key)


@on(PointsEarned, PointsExpiring, TierRaised, ReferralApproved)
def tell_of_it(event: Event[Any], book: Book) -> None:
    """Tells the member, as the program says."""
    news = news_of(event)
    if news is not None:
        book.rules_at(event.program_id, event.time)
        tell(book, news.to(book.home(news.key)))


def news_of(event: Event[Any]) -> News | None:
    """What this event tells a member; None for what is no news."""
    news: News | None = None
    if event.replayed:
        return news
    match event.data:
        case PointsEarned() as data if data.points > 0 and data.kind != "import":
            news = _news(event, Trigger.POINTS_EARNED, facts.of_points_earned(data))
        case PointsExpiring() as data:
            news = _news(event, Trigger.POINTS_EXPIRING, facts.of_points_expiring(data))
        case TierRaised() as data if data.previous_level is not None or data.rewards:
            news = _news(event, Trigger.TIER_RAISED, facts.of_tier_raised(data))
        case ReferralApproved() as data:
            news = _news(event, Trigger.REFERRAL_APPROVED, facts.of_referral_approved(data), f".{data.role}")
        case _:
            pass
    return news


def _news(event: Event[Any], trigger: Trigger, known: Mapping[str, Any], variant: str = "") -> News:
    return News(
        key=(event.program_id, event.data.member_id),
        cause=event.id,
        cause_key=str(event_key(event.program_id, event.source, event.id)),
        trigger=trigger,
        template=trigger.value + variant,
        happened_at=event.time,
        facts=known,
    )
