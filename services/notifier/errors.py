"""What a caller of the notifier may meet."""

from __future__ import annotations

from shared.errors import Kind, ServiceError, Unavailable


class MessageNotFound(ServiceError):
    """The member has no such message in the inbox."""

    kind = Kind.NOT_FOUND
    code = "message_not_found"


class LinkInvalid(ServiceError):
    """The link is not one that we signed, or a part of it is missing."""

    kind = Kind.NOT_FOUND
    code = "link_invalid"


class TemplateInvalid(ServiceError):
    """A template cannot be rendered with what its message knows."""

    kind = Kind.INVALID
    code = "template_invalid"


class MergedMeanwhile(Unavailable):
    """Somebody was merged into another member just now; try again."""

    code = "merged_meanwhile"
