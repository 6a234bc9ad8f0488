"""Two members are one person: how the survivor is reached, what they agreed to, and which digests become one.

Example: Anna wants offers by mail, `old-7` had said no to them, and only `old-7` told a phone number. Afterwards Anna
has that number and no offers: a no of either counts until she says yes again. Had `old-7` said yes and Anna nothing,
it stays nothing, since a yes was given for another address.

What a newcomer would get wrong: messages keep their ids, so that a cause that was told under the old id is not told
again. A digest is the exception: that of a day has the survivor's id, or what is told later that day began another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.notifier.domain import facts as facts_of
from services.notifier.domain.members import DETAILS, EVERY_CHANNEL, Key, Member, Preference, wants
from services.notifier.domain.messages import Message, State, Why, message_id
from services.notifier.domain.rules import Channel


@dataclass(frozen=True, slots=True)
class Digests:
    """The digests of the merged member: `renamed` have their new id, `folded` became part of the survivor's `grown`."""

    renamed: tuple[tuple[UUID, UUID], ...]
    folded: tuple[Message, ...]
    grown: tuple[Message, ...]


def joined(mine: Member, theirs: Member) -> Member:
    """The survivor as told by themselves, with what only the other id knew."""
    told = {name: getattr(theirs, name) for name in DETAILS if getattr(mine, name) is None}
    return replace(mine, **told)


def stricter(key: Key, mine: Sequence[Preference], theirs: Sequence[Preference]) -> list[Preference]:
    """What the survivor no longer agrees to, since the other id had said no."""
    places = sorted({(each.purpose, each.channel) for each in (*mine, *theirs)})
    found = []
    for purpose, channel in places:
        words = [each for each in (*mine, *theirs) if _concerns(each, purpose, channel)]
        noes = [each for each in theirs if _concerns(each, purpose, channel) and not each.granted]
        if noes and not wants(theirs, purpose, channel) and wants(mine, purpose, channel):
            proof = max(noes, key=lambda each: each.since).proof
            since = max(each.since for each in words)
            found.append(
                Preference(
                    program_id=key[0],
                    member_id=key[1],
                    purpose=purpose,
                    channel=channel,
                    granted=False,
                    since=since,
                    proof=proof,
                )
            )
    return found


def join_digests(key: Key, mine: Iterable[Message], theirs: Iterable[Message], now: datetime) -> Digests:
    """What becomes of the other one's digests, given those of the survivor that are about the same day and asset."""
    known = {each.message_id: each for each in mine}
    renamed, folded, grown = [], [], []
    for digest in theirs:
        new_id = message_id(key, digest.cause, digest.name, digest.channel)
        same = known.get(new_id)
        if same is None:
            renamed.append((digest.message_id, new_id))
        elif _is_open(digest) and _is_open(same) and digest.facts and same.facts:
            grown.append(_folded_into(same, digest))
            folded.append(
                replace(digest, state=State.SUPPRESSED, why=Why.MERGED, due_at=None, settled_at=now)
            )
    return Digests(tuple(renamed), tuple(folded), tuple(grown))


def _folded_into(digest: Message, other: Message) -> Message:
    is_later = other.happened_at >= digest.happened_at
    facts = facts_of.folded(digest.facts, other.facts, is_later=is_later)
    return replace(digest, facts=facts, happened_at=max(digest.happened_at, other.happened_at))


def _is_open(digest: Message) -> bool:
    return digest.state is (State.SENT if digest.channel is Channel.INBOX else State.WAITING)


def _concerns(word: Preference, purpose: str, channel: str) -> bool:
    return word.purpose == purpose and word.channel in {channel, EVERY_CHANNEL}
