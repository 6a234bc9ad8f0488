"""What callers read: rows of the database as answers.

What a newcomer would get wrong: the same referral reads differently by who asks. A member's token learns how it stands
and what it gives them; who the other side is, what they bought and what spoke against them is for the shop alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.referrals.domain.model import MemberKey, Reason
from services.referrals.errors import ReferralNotFound
from services.referrals.rows import Row, read_grants, reasons_of
from services.referrals.schemas import Attempt, BroughtBy, Referral, ReferralDetails, Side
from shared.database import AnyConnection
from shared.http.paging import Cursors
from shared.queries import Queries

MOST_AS_FRIEND = 20  # how often somebody may have been brought, with everything that did not count
MOST_ATTEMPTS = 50
BROUGHT: Final = Cursors("referrals", tuple[datetime, UUID])

_FOR_MEMBERS: Final = {
    Reason.ORDER_CANCELLED: "order_not_kept",
    Reason.ORDER_REFUNDED: "order_not_kept",
    Reason.NOT_FULFILLED: "order_not_kept",
    Reason.FIRST_ORDER_DOES_NOT_QUALIFY: "order_does_not_qualify",
    Reason.EARLIER_ORDER: "order_does_not_qualify",
    Reason.FRIEND_ERASED: "no_longer_a_member",
}
"""What a member is told; everything else is `does_not_count`, since it may tell of another person."""


@dataclass(frozen=True, slots=True)
class Views:
    """Reads for the HTTP door."""

    sql: Queries

    async def brought(
        self, connection: AnyConnection, key: MemberKey, cursor: str | None, limit: int, *, for_member: bool
    ) -> tuple[list[Referral], str | None]:
        """A page of what a member brought, newest first, and the cursor of the next page.

        Raises:
            CursorInvalid: not a cursor of this list.
        """
        before = BROUGHT.read(cursor) or (None, None)
        rows = await connection.fetch(self.sql.brought_by, *key, *before, limit + 1)
        page, after = BROUGHT.cut(rows, limit, key=lambda row: (row["started_at"], row["referral_id"]))
        return [_referral(row, Side.ADVOCATE, for_member) for row in page], after

    async def how_many(self, connection: AnyConnection, key: MemberKey) -> dict[str, int]:
        """How many a member brought, by state."""
        rows = await connection.fetch(self.sql.how_many_brought, *key)
        return {row["state"]: row["referrals"] for row in rows}

    async def brought_by(
        self, connection: AnyConnection, key: MemberKey, *, for_member: bool
    ) -> list[BroughtBy]:
        """The referrals that brought this member, newest first."""
        rows = await connection.fetch(self.sql.brought_as_friend, *key, MOST_AS_FRIEND)
        return [_referral(row, Side.FRIEND, for_member) for row in rows]

    async def attempts(self, connection: AnyConnection, key: MemberKey) -> list[Attempt]:
        """Codes that this member named and that did not count, with the reasons; newest first."""
        rows = await connection.fetch(self.sql.attempts_of, *key, MOST_ATTEMPTS)
        return [
            Attempt(
                at=row["happened_at"],
                via=row["via"],
                code=row["code"],
                order_id=row["order_id"],
                reasons=row["reasons"],
            )
            for row in rows
        ]

    async def referral(
        self, connection: AnyConnection, program_id: str, referral_id: UUID, member_id: str | None
    ) -> Referral | ReferralDetails:
        """One referral: all of it, or for one of its two members their side.

        Raises:
            ReferralNotFound: none in this program, or not one of that member.
        """
        row = await connection.fetchrow(self.sql.referral, program_id, referral_id)
        if row is None or member_id not in (None, row["friend_id"], row["advocate_id"]):
            raise ReferralNotFound
        if member_id is None:
            return _details(row)
        side = Side.FRIEND if member_id == row["friend_id"] else Side.ADVOCATE
        mine = {**row, "rewards": row[f"{side.value}_rewards"], "counterpart_id": None}
        return _referral(mine, side, for_member=True)

    async def program_of_code(self, connection: AnyConnection, code: str) -> tuple[str | None, bool]:
        """Whose program a code belongs to, and whether it is known; an unknown code leads to the only program."""
        rows = await connection.fetch(self.sql.programs_of_code, code)
        if len(rows) == 1:
            return rows[0]["program_id"], True
        programs = await connection.fetch(self.sql.program_ids)
        return (programs[0]["program_id"] if len(programs) == 1 else None), False

    async def note_click(
        self, connection: AnyConnection, program_id: str, click_id: str, code: str, now: datetime
    ) -> None:
        """Keep a visit to a link."""
        await connection.execute(self.sql.insert_click, program_id, click_id, code, now)


def _referral(row: Row, side: Side, for_member: bool) -> Referral:
    reasons = reasons_of(row["reasons"])
    told = {_FOR_MEMBERS.get(reason, "does_not_count") for reason in reasons}
    return Referral(
        referral_id=row["referral_id"],
        role=side,
        state=row["state"],
        started_at=row["started_at"],
        due_at=row["due_at"] if row["state"] == "pending" else None,
        approved_at=row["approved_at"],
        voided_at=row["voided_at"],
        rewards=list(read_grants(row["rewards"])),
        reasons=sorted(told) if for_member else [reason.value for reason in reasons],
        counterpart_id=None if for_member else row["counterpart_id"],
    )


def _details(row: Row) -> ReferralDetails:
    return ReferralDetails(
        referral_id=row["referral_id"],
        friend_id=row["friend_id"],
        advocate_id=row["advocate_id"],
        code=row["code"],
        state=row["state"],
        started_at=row["started_at"],
        order_id=row["order_id"],
        due_at=row["due_at"] if row["state"] == "pending" else None,
        approved_at=row["approved_at"],
        voided_at=row["voided_at"],
        reasons=row["reasons"],
        friend_rewards=list(read_grants(row["friend_rewards"])),
        advocate_rewards=list(read_grants(row["advocate_rewards"])),
    )
