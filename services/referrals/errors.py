"""What a caller of this service may meet."""

from __future__ import annotations

from shared.errors import Kind, ServiceError, Unavailable


class ReferralNotFound(ServiceError):
    """There is no such referral in this program."""

    kind = Kind.NOT_FOUND
    code = "referral_not_found"


class MemberErased(ServiceError):
    """This member was erased."""

    kind = Kind.NOT_FOUND
    code = "member_erased"


class NoLanding(ServiceError):
    """This link leads nowhere."""

    kind = Kind.NOT_FOUND
    code = "no_landing"


class RelationsMoved(Unavailable):
    """Two transactions met on one referral; try again."""

    code = "relations_moved"
