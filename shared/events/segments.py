"""What is told of segments: who came into one, who is in it no longer.

What a newcomer would get wrong: there is no list of who is in a segment. Each change is an event with a time, so that
whoever reads them knows who was in it at any time.
"""

from __future__ import annotations

from shared.events.fields import Id
from shared.events.loyalty import OfMember
from shared.events.registry import event


class SegmentChanged(OfMember, frozen=True, kw_only=True):
    """A member came into a segment, or is in it no longer: from the event's time on."""

    segment: Id
    """The name by which rules ask for it."""


@event("segment.entered.v1", topic="loyalty.tiers")
class SegmentEntered(SegmentChanged, frozen=True, kw_only=True):
    """A member came into a segment."""


@event("segment.left.v1", topic="loyalty.tiers")
class SegmentLeft(SegmentChanged, frozen=True, kw_only=True):
    """A member is in a segment no longer."""
