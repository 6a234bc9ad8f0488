"""What events other than orders earn: signing up, sharing, reviewing, any activity.

Example: `review: 20 points, limit: 1 per product`: the second review of a product earns nothing, and says so; where the
first is removed, its 20 points are taken back and the product is free again.

What a newcomer would get wrong: an event that no rule rewards still leaves an award of 0 points where a rule was asked,
so that "why did I get nothing?" has an answer.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any

from services.ledger.domain import caps
from services.ledger.domain.activity import was_active
from services.ledger.domain.allowances import usages_of
from services.ledger.domain.awards import Origin, credit, explanation, grant, state_of
from services.ledger.domain.book import Book
from services.ledger.domain.conditions import Facts
from services.ledger.domain.earned import Earned, Frozen
from services.ledger.domain.earning import earn
from services.ledger.domain.issuing import promise
from services.ledger.domain.persons import person_facts
from services.ledger.domain.program import OCCASIONS, LedgerProgram
from services.ledger.domain.records import POINTS, Award, MemberKey
from services.ledger.domain.refunds import hold_target
from services.ledger.domain.rewards import take_back, take_back_alike
from services.ledger.domain.rules import Rule
from shared.events import (
    ActivityRecorded,
    ContentShared,
    Event,
    Grant,
    ReferralStarted,
    ReviewPublished,
    TierRaised,
)
from shared.events.fields import bounded_id
from shared.events.loyalty import ReferralChanged
from shared.orders.paid import plain
from shared.rows import replace

ENTRY_REWARD = "entry_reward"
"""The kind of what a level gives on the way up; it does not count as earned."""
SIGNED_UP, SHARED, REVIEWED = "customer.signed_up", "content.shared", "review.published"
SPARE = len(":welcome:999999")
"""What is put behind the name of a promise: its ids may be as long as any, but no longer."""
RESERVED = frozenset({"order.paid", SIGNED_UP, SHARED, REVIEWED, *OCCASIONS})
"""No activity may call itself so: rules of these triggers are asked by the event or the calendar alone."""


def award_deed(event: Event[Any], book: Book, key: MemberKey, *, verified_purchase: bool = False) -> None:
    """The event earns what the rules of its time give, within their caps."""
    version = book.versions_of(event.program_id).at(event.time)
    program, member = version.rules, book.member(key)
    level = member.level_before(event.time)
    facts = facts_of(event, program, level=level.name if level else None, verified_purchase=verified_purchase)
    if program.asks_of_persons:
        facts = replace(facts, **person_facts(program, member, book.person(key), event.time))
    origin = Origin(_award_of(event), event.id, event.time, version.number)
    award_facts(book, key, program, facts, origin)


def award_facts(book: Book, key: MemberKey, program: LedgerProgram, facts: Facts, origin: Origin) -> None:
    """What happened earns what the rules give; an award of each asset, called as the origin says and the asset."""
    rules = program.capped.get(facts.trigger, ())
    usages = usages_of(book, key, program, facts)
    for earned in earn(program, facts, caps=usages, explain=True):
        usages.count(earned)
        grant(
            book,
            key,
            program,
            replace(origin, award_id=f"{origin.award_id}:{earned.asset}"),
            earned,
            breakdown=explanation(facts, earned, Frozen(room=earned.room), usages.cuts)
            | _why(rules, facts, earned),
            state=state_of(program.wait_for(facts.trigger, earned.asset), origin.at, None, program),
        )


def take_back_review(event: Event[Any], book: Book, key: MemberKey) -> bool:
    """A removed review gives back what it earned, and frees its product; False where it is not known (yet)."""
    found = False
    for award in list(book.awards.of(key).values()):
        if award.award_id.startswith(f"review:{event.data.review_id}:"):
            found = True
            program = book.versions_of(key[0]).at(event.time).rules
            if award.held_points:  # told once more, it frees nothing more
                given = {name: Fraction(points) / unit for name, points, unit in award.breakdown["rules"]}
                for rule, bucket in award.breakdown.get("subjects", []):
                    if _is_of_product(bucket):
                        caps.free(book, key, rule, bucket, plain(given.get(rule, Fraction(0))))
            hold_target(book, award, program, 0, cause=event.id, at=event.time)
    return found


def pay_grants(
    book: Book, key: MemberKey, grants: tuple[Grant, ...], *, kind: str, name: str, cause: str, at: datetime
) -> None:
    """Pay what another service promised: the reward of a referral, the entry reward of a level.

    Points are credited; a coupon, a product, a gift card becomes a reward of the member.
    """
    version = book.versions_of(key[0]).at(at)
    for number, each in enumerate(grants):
        award_id = f"{name}:{number}"
        if not each.points:
            promise(book, key, each, reward_id=award_id, kind=kind, cause=cause, at=at)
            continue
        before = book.awards.get(key, award_id)
        if before is not None:  # paid, and perhaps taken back since: it holds all of it again
            hold_target(book, before, version.rules, before.points, cause=cause, at=at)
            continue
        award = Award(
            *key,
            award_id,
            each.asset or POINTS,
            kind,
            None,
            cause,
            at,
            version.number,
            each.points,
            "available",
            {"rules": [[name, each.points, 1]]},
        )
        book.put_award(award)
        credit(book, award, version.rules, each.points, kind=kind, cause=cause, at=at)
        was_active(book, key, at)


def take_back_grants(book: Book, key: MemberKey, name: str, *, cause: str, at: datetime) -> None:
    """Take back what was paid under this name, by the program's policy for reversals; unused rewards are voided."""
    take_back(book, key, name, cause=cause, at=at)
    program = book.versions_of(key[0]).at(at).rules
    for award in list(book.awards.of(key).values()):
        if award.award_id.startswith(f"{name}:"):
            hold_target(book, award, program, 0, cause=cause, at=at)


def take_back_entry_rewards(
    book: Book, key: MemberKey, grants: tuple[Grant, ...], *, cause: str, at: datetime
) -> None:
    """Take back entry rewards of a level that was gained through an order which then was refunded, the latest first.

    An event names a reward by what it gave; of two alike it does not matter which is taken.
    """
    program = book.versions_of(key[0]).at(at).rules
    for grant_ in grants:
        if not grant_.points:
            take_back_alike(book, key, grant_, kind=ENTRY_REWARD, cause=cause, at=at)
            continue
        alike = [
            award
            for award in book.awards.of(key).values()
            if award.kind == ENTRY_REWARD
            and (award.asset, award.held_points) == (grant_.asset or POINTS, grant_.points)
        ]
        if alike:
            latest = max(alike, key=lambda award: (award.happened_at, award.award_id))
            hold_target(book, latest, program, 0, cause=cause, at=at)


def referral_name(data: ReferralChanged) -> str:
    """Under which name a side's rewards of a referral are paid; the welcome's begins alike, so that it is taken back
    with the rest."""
    name = bounded_id(f"referral:{data.referral_id}:{data.role}", spare=SPARE)
    return f"{name}:welcome" if isinstance(data, ReferralStarted) else name


def entry_name(event: Event[TierRaised]) -> str:
    """Under which name the entry rewards of a rise are paid: the rise's own, so that the next one pays again."""
    return bounded_id(f"entry:{event.data.ladder}:{event.data.level}:{event.id}", spare=SPARE)


def award_id_of(event: Event[Any], asset: str) -> str:
    """The id of what the event earned in one asset."""
    return f"{_award_of(event)}:{asset}"


def _award_of(event: Event[Any]) -> str:
    """A review's award is found again by the review's id; the others by their event."""
    if isinstance(event.data, ReviewPublished):
        return f"review:{event.data.review_id}"
    return f"event:{event.source}:{event.id}"


def trigger_of(event: Event[Any]) -> str:
    """What a rule's `on` names: the event type, or the name of the activity."""
    if isinstance(event.data, ActivityRecorded):
        name = event.data.activity
        return name if name not in RESERVED else f"activity:{name}"
    return event.type.rpartition(".v")[0]


def facts_of(
    event: Event[Any], program: LedgerProgram, *, level: str | None = None, verified_purchase: bool = False
) -> Facts:
    """What conditions may look at in this event."""
    facts = Facts(
        trigger=trigger_of(event),
        at=event.time.astimezone(program.zone),
        level=level,
        subject=event.id,
        data=_data(event.data, program) if program.looks_at_data else None,
    )
    match event.data:
        case ReviewPublished() as review:
            length = (
                review.text_length if review.text_length is not None else len((review.text or "").strip())
            )
            word = review.verified_purchase
            return replace(
                facts,
                product_id=review.product_id,
                verified_purchase=verified_purchase if word is None else word,
                text_length=length,
                photo=review.photo,
                video=review.video,
            )
        case ContentShared() as share:
            return replace(facts, network=share.network)
        case ActivityRecorded() as activity:
            return replace(facts, subject=activity.subject)
    return facts


def _data(data: Any, program: LedgerProgram) -> Any:
    """What the event says; an amount without a currency is in the program's."""
    if isinstance(data, ActivityRecorded) and data.currency is None:
        return replace(data, currency=program.currency)
    return data


def _why(rules: tuple[Rule, ...], facts: Facts, earned: Earned) -> dict[str, Any]:
    """Why rules did not match, and for which subjects caps counted: orders can reckon this anew, deeds cannot."""
    why = [[answer.rule, answer.why_not] for answer in earned.answers if answer.why_not is not None]
    given = {answer.rule for answer in earned.answers if answer.points}
    subjects = [
        [rule.name, caps.bucket_of(cap, facts)]
        for rule in rules
        if rule.name in given
        for cap in rule.caps
        if cap.by_subject
    ]
    return {"why_not": why, "subjects": subjects}


def _is_of_product(bucket: str) -> bool:
    """Whether a removed review frees it: it counts for one product, perhaps in one period."""
    return bucket.partition(":")[2].startswith("product=")
