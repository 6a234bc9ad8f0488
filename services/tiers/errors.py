"""What a caller of the tiers service may meet. The first line of a docstring is the title of the problem."""

from __future__ import annotations

from shared.errors import Kind, ServiceError, Unavailable


class UnknownMember(ServiceError):
    """There is no such member in this program."""

    kind = Kind.NOT_FOUND
    code = "unknown_member"


class NoLadder(ServiceError):
    """This program has no levels."""

    kind = Kind.NOT_FOUND
    code = "no_ladder"


class MergedMeanwhile(Unavailable):
    """Somebody was merged into another member just now; try again."""

    code = "merged_meanwhile"
