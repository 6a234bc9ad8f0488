"""What a caller of the ledger may meet. The first line of a docstring is the title of the problem."""

from __future__ import annotations

from shared.errors import Kind, ServiceError


class UnknownMember(ServiceError):
    """The ledger has never heard of this member."""

    kind = Kind.NOT_FOUND
    code = "unknown_member"


class UnknownHold(ServiceError):
    """There is no hold with this id."""

    kind = Kind.NOT_FOUND
    code = "unknown_hold"


class UnknownDecision(ServiceError):
    """No rule was asked about this event, or the event has not arrived."""

    kind = Kind.NOT_FOUND
    code = "unknown_decision"


class MemberErased(ServiceError):
    """This member asked to be forgotten."""

    kind = Kind.CONFLICT
    code = "member_erased"


class InsufficientPoints(ServiceError):
    """The member asked to spend more than is available now."""

    kind = Kind.CONFLICT
    code = "insufficient_points"


class HoldClosed(ServiceError):
    """The hold was captured, released or timed out before."""

    kind = Kind.CONFLICT
    code = "hold_closed"


class HoldExceeded(ServiceError):
    """More was to be captured than is held."""

    kind = Kind.CONFLICT
    code = "hold_exceeded"


class HoldConflict(ServiceError):
    """A hold with this id exists, with other content."""

    kind = Kind.CONFLICT
    code = "hold_conflict"


class SpendConflict(ServiceError):
    """A spend or a hold with this id exists, with other content."""

    kind = Kind.CONFLICT
    code = "spend_conflict"


class NoCheckout(ServiceError):
    """The program does not say what this is worth at a checkout."""

    kind = Kind.CONFLICT
    code = "no_checkout"


class NotWholeBlocks(ServiceError):
    """Points pay in whole blocks only."""

    kind = Kind.INVALID
    code = "not_whole_blocks"


class NotUsable(ServiceError):
    """The program does not let this order use so many points."""

    kind = Kind.CONFLICT
    code = "not_usable"
