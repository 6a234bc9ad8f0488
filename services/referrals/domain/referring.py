"""What changed for a friend, and what is announced about it.

What a newcomer would get wrong: one judgement may take several steps. A friend whose order came in before the sign-up
is started and pending at once; both are announced, to both sides, so that whoever listens sees every state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from services.referrals.domain.attribution import Weighed, settled, weigh, winner
from services.referrals.domain.book import Book
from services.referrals.domain.judging import Verdict, judge
from services.referrals.domain.model import MemberKey, Reason, Referral, State, Touch
from services.referrals.domain.program import Offer
from services.referrals.domain.purchases import purchases_of
from shared.cloudevents import derived_id
from shared.events import (
    Event,
    Grant,
    ReferralApproved,
    ReferralQualified,
    ReferralStarted,
    ReferralVoided,
    event_type,
)

SOURCE: Final = "habitue/referrals"
NEVER: Final = datetime.min.replace(tzinfo=UTC)
LIVING: Final = (State.STARTED, State.PENDING, State.APPROVED)
_SIGNALS: Final = frozenset({Reason.SAME_MEMBER, Reason.SAME_EMAIL})

Role = Literal["advocate", "friend"]


@dataclass(frozen=True, slots=True)
class Moment:
    """What led to a judgement and when it happened; what is due by `horizon`, inclusive, is settled.

    News about one member must not hurry another's referral: their papers may still be on the way. So the horizon of a
    judgement that somebody else led to is `NEVER`.
    """

    at: datetime
    cause: str
    horizon: datetime = NEVER
    replayed: bool = False


def review(book: Book, key: MemberKey, moment: Moment) -> None:
    """Judge a friend's referral anew from all that is known, and announce what is different now."""
    if book.member(key).erased_at is not None or not book.touches.of(key):
        return
    purchases = purchases_of(book.papers.of(key).values())
    weighed = weigh(book, key, purchases)
    won = winner(weighed)
    held = verdict = None
    if won is not None:
        held = _referral_of(book, key, won.touch)
        verdict = judge(book, won.touch, purchases, max(moment.horizon, _settled_until(held)))
    for each in weighed:
        after = settled(each, won, verdict.state if verdict else None)
        if after is not each.touch:
            book.put_touch(after)
    _end_others(book, key, weighed, held, moment)
    if won is not None and held is not None and verdict is not None:
        _advance(book, held, won.touch, verdict, moment)


def end(
    book: Book, referral: Referral, reasons: tuple[Reason, ...], at: datetime, moment: Moment
) -> Referral:
    """Void a referral; both sides are told what they have to give back. The referral as it is then."""
    back = {"friend": referral.friend_rewards, "advocate": referral.advocate_rewards}
    ended = replace(
        referral,
        state=State.VOIDED,
        version=referral.version + 1,
        due_at=None,
        approved_at=None,
        voided_at=at,
        reasons=reasons,
        friend_rewards=(),
        advocate_rewards=(),
    )
    book.put_referral(ended)
    _announce(book, ReferralVoided, ended, at, moment, rewards=back)
    return ended


def _referral_of(book: Book, key: MemberKey, touch: Touch) -> Referral:
    """The referral between the friend and the member whose code the touch named; version 0 if it is a new one."""
    advocate = book.owner(touch)
    assert advocate is not None, "a touch of an unknown code is blocked"
    referral_id = book.secret.referral_id(*key, advocate.member_id)
    known = _between(book, key, advocate.member_id, touch) or book.referrals.get(key, referral_id)
    return known or Referral(
        *key, referral_id, advocate.member_id, touch.touch_id, touch.code, State.VOIDED, touch.at
    )


def _between(book: Book, key: MemberKey, advocate_id: str, touch: Touch) -> Referral | None:
    """The referral of these two. After a merge its id may be that of an old name, and there may be several: then the
    one of this touch, else one that lives."""
    found = [each for each in book.referrals.of(key).values() if each.advocate_id == advocate_id]
    return max(
        found,
        key=lambda each: (each.touch_id == touch.touch_id, each.state in LIVING, each.version),
        default=None,
    )


def _settled_until(referral: Referral) -> datetime:
    """Time never runs backwards: what was due once stays due, though the paper at hand may be an old one."""
    if referral.approved_at is not None:
        return referral.approved_at
    if referral.reasons == (Reason.NOT_FULFILLED,) and referral.voided_at is not None:
        return referral.voided_at
    return NEVER


def _end_others(
    book: Book, key: MemberKey, weighed: Sequence[Weighed], held: Referral | None, moment: Moment
) -> None:
    against = {each.touch.touch_id: each.reasons for each in weighed}
    for referral in list(book.referrals.of(key).values()):
        is_held = held is not None and referral.referral_id == held.referral_id
        if not is_held and referral.state in LIVING and referral.touch_id is not None:
            end(book, referral, against[referral.touch_id] or (Reason.NOT_FIRST_TOUCH,), moment.at, moment)


def _advance(book: Book, held: Referral, touch: Touch, verdict: Verdict, moment: Moment) -> None:
    """Take the referral to its verdict, step by step."""
    offer = book.rules_at(touch.program_id, touch.at).offer
    assert offer is not None, "a touch without an offer is blocked"
    old = held.state if held.version else None
    same_wait = (held.order_id, held.due_at) == (verdict.order_id, verdict.due_at)
    referral = replace(held, touch_id=touch.touch_id, code=touch.code, started_at=touch.at)
    for state in _path(old, verdict.state, same_wait):
        referral = _step(book, referral, state, verdict, offer, moment)
    if verdict.state is not State.VOIDED:
        referral = replace(referral, order_id=verdict.order_id, due_at=verdict.due_at)
    elif verdict.reason is not None:
        referral = replace(referral, order_id=verdict.order_id, reasons=(verdict.reason,))
    if referral != held:
        book.put_referral(referral)


def _path(old: State | None, new: State, same_wait: bool) -> list[State]:
    """Through which states a referral goes from `old` to `new`; each is announced."""
    if old is new:
        return [] if new is not State.PENDING or same_wait else [State.PENDING]
    from_nothing = (
        [State.STARTED, State.VOIDED] if new is State.VOIDED else list(LIVING[: LIVING.index(new) + 1])
    )
    if old is None or old is State.VOIDED:
        return from_nothing
    if new is State.VOIDED:
        return [State.VOIDED]
    if LIVING.index(old) < LIVING.index(new):
        return list(LIVING[LIVING.index(old) + 1 : LIVING.index(new) + 1])
    return [State.VOIDED, *from_nothing]  # an earlier order came in late, and the referral waits anew


def _step(
    book: Book, referral: Referral, state: State, verdict: Verdict, offer: Offer, moment: Moment
) -> Referral:
    if state is State.VOIDED:
        reason = verdict.reason or Reason.EARLIER_ORDER
        at = verdict.due_at if reason is Reason.NOT_FULFILLED and verdict.due_at else moment.at
        return end(book, replace(referral, order_id=verdict.order_id), (reason,), at, moment)
    after = replace(referral, state=state, version=referral.version + 1, reasons=(), voided_at=None)
    if state is State.STARTED:
        book.put_referral(after)
        welcome = () if _was_welcomed(book, after) else offer.welcome
        _announce(book, ReferralStarted, after, moment.at, moment, rewards={"friend": welcome})
        return after
    after = replace(after, order_id=verdict.order_id, due_at=verdict.due_at)
    if state is State.PENDING:
        book.put_referral(after)
        _announce(book, ReferralQualified, after, moment.at, moment, approves_at=verdict.approves_at)
        return after
    return _approve(book, after, offer, moment)


def _approve(book: Book, referral: Referral, offer: Offer, moment: Moment) -> Referral:
    """Both sides get their reward; one that was erased gets nothing. It happens when it was due."""
    assert referral.due_at is not None, "what is approved was due"
    approved = replace(
        referral,
        approved_at=referral.due_at,
        friend_rewards=offer.friend_reward,
        advocate_rewards=() if _erased(book, referral) else offer.advocate_reward,
    )
    book.put_referral(approved)
    rewards = {"friend": approved.friend_rewards, "advocate": approved.advocate_rewards}
    _announce(book, ReferralApproved, approved, referral.due_at, moment, rewards=rewards)
    return approved


def _was_welcomed(book: Book, referral: Referral) -> bool:
    """A friend is welcomed once, however often the attribution changes."""
    return referral.version > 1 or len(book.referrals.of(referral.key)) > 1


def _erased(book: Book, referral: Referral) -> bool:
    """True where the advocate is no longer there to be told or rewarded."""
    if referral.advocate_id is None:
        return True
    advocate = book.members.get((referral.program_id, referral.advocate_id), "")
    return advocate is None or advocate.erased_at is not None


def _announce(
    book: Book,
    data_class: type[Any],
    referral: Referral,
    time: datetime,
    moment: Moment,
    *,
    rewards: dict[str, tuple[Grant, ...]] | None = None,
    **further: Any,
) -> None:
    """One event for each side; an erased advocate has none, and is named to nobody."""
    advocate_id = None if _erased(book, referral) else referral.advocate_id
    sides: list[tuple[Role, str | None, str | None]] = [
        ("friend", referral.member_id, advocate_id),
        ("advocate", advocate_id, referral.member_id),
    ]
    for role, member_id, counterpart_id in sides:
        if member_id is None:
            continue
        data = data_class(
            member_id=member_id,
            cause=moment.cause,
            reason=", ".join(reason.value.replace("_", " ") for reason in referral.reasons) or None,
            referral_id=str(referral.referral_id),
            role=role,
            counterpart_id=counterpart_id,
            code=referral.code,
            order_id=referral.order_id if role == "friend" else None,
            rewards=(rewards or {}).get(role, ()),
            signals=tuple(reason.value for reason in referral.reasons if reason in _SIGNALS),
            **further,
        )
        book.outgoing.append(
            Event(
                id=derived_id(
                    SOURCE, referral.program_id, str(referral.referral_id), str(referral.version), role
                ),
                source=SOURCE,
                type=event_type(data_class),
                program_id=referral.program_id,
                time=time,
                data=data,
                replayed=moment.replayed,
            )
        )
