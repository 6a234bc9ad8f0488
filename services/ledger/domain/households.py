"""The rows of households: pools with their members, and lots that are another member's.

What a newcomer would get wrong: a lot stays its owner's as long as anything of it may come back, also when the two
share no pool any more. Points that were spent for good are nobody's.
"""

from __future__ import annotations

from datetime import datetime

from shared.rows import Row


class Pool(Row, frozen=True, gc=False):
    """A pool and its members, those first who have been in it longest; without members it is dissolved."""

    program_id: str
    pool_id: str
    members: tuple[str, ...]
    changed_at: datetime | None = None
    """When somebody joined or left last, as far as the batch knows."""


class Borrowed(Row, frozen=True, gc=False):
    """A lot that one member has out of what is another's; the pool in which it was borrowed."""

    program_id: str
    member_id: str
    asset: str
    lot_no: int
    pool_id: str
    from_member_id: str
