"""The book of a batch: the members' rows in memory, and `post`, the only way a point moves.

A transfer moves a positive amount from one account to another, so the sum over all accounts of a program and asset is
always 0. What a newcomer would get wrong: a mistake is answered with a further transfer. No function here changes or
removes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from services.ledger.domain.budgets import BudgetKey, Portion
from services.ledger.domain.goals import Part, Reached, have_goals
from services.ledger.domain.households import Borrowed, Pool
from services.ledger.domain.issued import Shelf
from services.ledger.domain.persons import Person
from services.ledger.domain.program import LedgerProgram, occasions_ever
from services.ledger.domain.records import (
    AVAILABLE,
    CANCELLED,
    HELD,
    PENDING,
    POINTS,
    WAITING,
    Award,
    Balance,
    Hold,
    Lot,
    Member,
    MemberKey,
    Purchase,
    Transfer,
    Usage,
)
from shared.cloudevents import derived_id
from shared.events import Balance as BalanceAfter
from shared.events import Event, event_type
from shared.events.fields import bounded_id
from shared.programs import Versions, unknown
from shared.rows import Entries, Journal, Rows, replace

if TYPE_CHECKING:  # guests have purchases, agendas dues
    from services.ledger.domain.agenda import Agenda
    from services.ledger.domain.guests import Guests
    from services.ledger.domain.switching import Switch

SOURCE = "habitue/ledger"


@dataclass(slots=True)
class Book:
    """All rows of a batch. `detailed` are the members whose open awards, lots and holds are all in memory."""

    programs: Mapping[str, Versions[LedgerProgram]]
    journal: Journal = field(default_factory=Journal)
    members: Rows[MemberKey, str, Member] = field(init=False)
    balances: Rows[MemberKey, str, Balance] = field(init=False)
    purchases: Rows[MemberKey, str, Purchase] = field(init=False)
    awards: Rows[MemberKey, str, Award] = field(init=False)
    lots: Rows[MemberKey, tuple[str, int], Lot] = field(init=False)
    holds: Rows[MemberKey, str, Hold] = field(init=False)
    usage: Rows[MemberKey, tuple[str, str], Usage] = field(init=False)
    transfers: Entries[Transfer] = field(init=False)
    outgoing: Entries[Event[Any]] = field(init=False)
    order_counts: Rows[MemberKey, str, int] = field(init=False)
    shelf: Shelf = field(init=False)
    goal_parts: Rows[MemberKey, tuple[str, str, str], Part] = field(init=False)
    goals_reached: Rows[MemberKey, tuple[str, str], Reached] = field(init=False)
    persons: Rows[MemberKey, str, Person] = field(init=False)
    pools: Rows[str, str, Pool] = field(init=False)
    borrowed: Rows[MemberKey, tuple[str, int], Borrowed] = field(init=False)
    came_back: Entries[tuple[str, str, str, int, int]] = field(init=False)
    """Lots (program, member, asset, number) that something came back to, each with the lot in whose place it did."""
    portions: Rows[str, tuple[str, str], Portion] = field(init=False)
    detailed: set[MemberKey] = field(default_factory=set)
    stored_due: dict[MemberKey, datetime | None] = field(default_factory=dict)
    """Before when nothing falls due of what was not loaded; not looked at for detailed members."""
    leases: bool = False
    """True where budgets lie in a store: what was not leased from it is not there to be given."""
    short: set[BudgetKey] = field(default_factory=set)
    """Budgets of which an event wanted more than the batch had."""
    occasions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    announced_days: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    """How many days before points expire their members are told, by program and asset."""
    homes: dict[MemberKey, MemberKey] = field(default_factory=dict)  # who was merged into whom
    agendas: dict[MemberKey, Agenda] = field(default_factory=dict)
    switches: dict[str, tuple[Switch, ...]] = field(default_factory=dict)
    """The versions that let something live otherwise than the version before, by program."""
    striving: dict[str, bool] = field(default_factory=dict)
    sharing: dict[str, bool] = field(default_factory=dict)
    guests: Guests | None = None
    """Orders of guests; None where no program of the batch keeps any."""
    _counting: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (
            "members", "balances", "purchases", "awards", "lots", "holds", "usage", "order_counts", "goal_parts",
            "goals_reached", "portions", "persons", "pools", "borrowed",
        ):  # fmt: skip
            setattr(self, name, Rows(self.journal))
        self.transfers = Entries(self.journal)
        self.outgoing = Entries(self.journal)
        self.came_back = Entries(self.journal)
        self.shelf = Shelf(self.journal)

    def versions_of(self, program_id: str) -> Versions[LedgerProgram]:
        """The versions of a program.

        Raises:
            UnknownProgram: nobody applied it.
        """
        versions = self.programs.get(program_id)
        if versions is None:
            raise unknown(program_id)
        return versions

    def nth_order(self, key: MemberKey) -> int:
        """Count one more paid order of the member: which one it is. 0 where no version of the program asks."""
        program_id = key[0]
        if program_id not in self._counting:
            versions = self.versions_of(program_id).all
            self._counting[program_id] = any(version.rules.counts_orders for version in versions)
        if not self._counting[program_id]:
            return 0
        self.order_counts.put(key, "", nth := (self.order_counts.get(key, "") or 0) + 1)
        return nth

    def member(self, key: MemberKey) -> Member:
        """The member's row; the store has made sure that it is there."""
        member = self.members.get(key, "")
        assert member is not None, f"member {key} was not loaded"
        return member

    def person(self, key: MemberKey) -> Person:
        """What is known of the person; nothing at first."""
        return self.persons.get(key, "") or Person(*key)

    def strives(self, program_id: str) -> bool:
        """Whether any version of the program has a goal."""
        found = self.striving.get(program_id)
        if found is None:
            found = self.striving[program_id] = have_goals(self.versions_of(program_id))
        return found

    def occasions_in(self, program_id: str) -> tuple[str, ...]:
        """The occasions of the calendar that any version of the program rewards."""
        found = self.occasions.get(program_id)
        if found is None:
            found = occasions_ever(self.versions_of(program_id))
            self.occasions[program_id] = found
        return found

    def balance(self, key: MemberKey, asset: str) -> Balance:
        """What the member has of the asset; zeros at first."""
        return self.balances.get(key, asset) or Balance(*key, asset)

    def put_award(self, award: Award) -> None:
        """Put an award in its place."""
        self.awards.put((award.program_id, award.member_id), award.award_id, award)

    def put_lot(self, lot: Lot) -> None:
        """Put a lot in its place."""
        self.lots.put((lot.program_id, lot.member_id), (lot.asset, lot.lot_no), lot)

    def put_purchase(self, purchase: Purchase) -> None:
        """Put a purchase in its place."""
        self.purchases.put((purchase.program_id, purchase.member_id), purchase.order_id, purchase)

    def put_hold(self, hold: Hold) -> None:
        """Put a hold in its place."""
        self.holds.put((hold.program_id, hold.member_id), hold.hold_id, hold)

    def removed_reviews_hold(self, key: MemberKey, review_id: str) -> bool:
        """Whether the removal of this review came before the review."""
        return self.awards.get(key, f"removed:{review_id}") is not None

    def remember_removed_review(self, key: MemberKey, review_id: str, at: datetime) -> None:
        """Keep an empty award in the place of a review that is removed before it came; it waits until that comes."""
        version = self.versions_of(key[0]).at(at).number
        award_id = f"removed:{review_id}"
        if not self.removed_reviews_hold(key, review_id):
            self.put_award(
                Award(*key, award_id, POINTS, "award", None, review_id, at, version, 0, WAITING, {})
            )

    def forget_waiting_for_review(self, key: MemberKey, review_id: str) -> None:
        """The review has come after its removal: nothing waits for it any more."""
        removal = self.awards.get(key, f"removed:{review_id}")
        if removal is not None and removal.state == WAITING:
            self.put_award(replace(removal, state=CANCELLED))

    def schedule(self, key: MemberKey, due_at: datetime | None) -> None:
        """See to it that the member is looked at when something falls due."""
        if due_at is None:
            return
        member = self.member(key)
        if member.next_due is None or due_at < member.next_due:
            self.members.put(key, "", replace(member, next_due=due_at))

    def post(
        self,
        key: MemberKey,
        asset: str,
        kind: str,
        from_account: str,
        to_account: str,
        amount: int,
        *,
        cause: str,
        at: datetime,
        award_id: str | None = None,
        order_id: str | None = None,
        hold_id: str | None = None,
    ) -> Transfer:
        """Move `amount` (above 0) between two accounts; the entry, with the balances after it.

        A `cause` that is longer than an id may be is kept as its beginning and a digest.
        """
        assert amount > 0, f"a transfer moves something: {kind} {amount}"
        program_id, member_id = key
        before = self.balance(key, asset)
        moved = {from_account: -amount, to_account: amount}
        after = Balance(
            program_id,
            member_id,
            asset,
            before.pending + moved.get(PENDING, 0),
            before.available + moved.get(AVAILABLE, 0),
            before.held + moved.get(HELD, 0),
            before.version + 1,
        )
        assert after.pending >= 0, f"{kind} leaves {after}"
        assert after.held >= 0, f"{kind} leaves {after}"
        transfer = Transfer(
            program_id,
            member_id,
            asset,
            after.version,
            kind,
            from_account,
            to_account,
            amount,
            award_id,
            order_id,
            hold_id,
            bounded_id(cause),
            at,
            after.pending,
            after.available,
            after.held,
        )
        self.balances.put(key, asset, after)
        self.transfers.append(transfer)
        return transfer

    def announce(self, transfer: Transfer, data: type[Any], *, replayed: bool = False, **more: Any) -> None:
        """Tell the world of a transfer; its id is derived from it, so that telling twice is telling once.

        `replayed`: nobody is to be written to because of it.
        """
        self.outgoing.append(
            Event(
                id=derived_id(
                    "ledger", transfer.program_id, transfer.member_id, transfer.asset, str(transfer.version)
                ),
                source=SOURCE,
                type=event_type(data),
                program_id=transfer.program_id,
                time=transfer.happened_at,
                data=data(
                    member_id=transfer.member_id,
                    cause=transfer.cause,
                    asset=transfer.asset,
                    points=transfer.amount,
                    balance=BalanceAfter(
                        pending=transfer.pending, available=transfer.available, held=transfer.held
                    ),
                    order_id=transfer.order_id,
                    **more,
                ),
                replayed=replayed,
            )
        )
