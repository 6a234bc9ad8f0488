"""Recomputes accounts, balances, lots, holds, awards and caps from the entries, and names each place that differs.

What a newcomer would get wrong: it runs beside live traffic. Each check is one statement in a snapshot of its own, in
which a batch is there wholly or not at all. One snapshot for all would keep the old versions of every balance that
changes meanwhile, and on a book of millions that slows down whoever pays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from services.ledger.program import parse
from services.ledger.recounting import one_look, recounted
from shared.database import AnyConnection
from shared.programs import Programs
from shared.queries import Queries
from shared.service import Ports

MOST = 100  # differences named per check; where there are more, the first ones tell enough
UNBOUNDED = "unbalanced"  # one row for each asset at most; a job asks it, too


async def differences(ports: Ports) -> list[str]:
    """Every difference in words, at most a hundred of each kind; empty = the books balance."""
    async with ports.pool.acquire() as connection:
        return await _differences(connection, ports, MOST)


async def differences_of(connection: AnyConnection, ports: Ports, program_id: str) -> list[str]:
    """All differences of one program, as an open transaction sees it; however many another has, none is hidden."""
    begins = (f"program {program_id}:", f"program {program_id},")
    return [text for text in await _differences(connection, ports, None) if text.startswith(begins)]


async def _differences(connection: AnyConnection, ports: Ports, most: int | None) -> list[str]:
    """At most so many of each kind, each check in a snapshot of its own, or all as an open transaction sees it."""
    found: list[str] = []
    for name, of_program in OF_PROGRAMS.items():
        for row in await _rows(connection, ports.sql, name, most):
            found.append(f"program {row['program_id']}: {of_program(row)}")
    for name, of_member in CHECKS.items():
        for row in await _rows(connection, ports.sql, name, most):
            found.append(f"program {row['program_id']}, member {row['member_id']}: {of_member(row)}")
    programs = Programs(ports.machinery, parse)
    found += [text async for text in recounted(connection, ports.sql, programs, most)]
    return found


async def _rows(connection: AnyConnection, sql: Queries, name: str, most: int | None) -> Sequence[Any]:
    async with one_look(connection, sql):
        return await connection.fetch(getattr(sql, name), *(() if name == UNBOUNDED else (most,)))


def _balance(row: Any) -> str:
    return (
        f"{row['asset']} has pending {row['pending']}, available {row['available']}, held {row['held']} at version "
        f"{row['version']}; its {row['transfers']} transfers sum to {row['t_pending']}, {row['t_available']}, "
        f"{row['t_held']}"
    )


def _numbers(numbers: Iterable[int] | None) -> str:
    return ", ".join(map(str, sorted(numbers or ())))


def _moment(at: datetime | None) -> str:
    return "never" if at is None else f"at {at.isoformat()}"


def _transfer(row: Any) -> str:
    if row["version"] != row["before"] + 1:
        return f"transfer {row['version'] - 1} of {row['asset']} is missing"
    return f"transfer {row['version']} of {row['asset']} does not say the balances that follow from the one before it"


OF_PROGRAMS: dict[str, Callable[[Any], str]] = {
    "unbalanced": lambda row: f"all accounts of {row['asset']} sum to {row['amount']}, not 0",
    "accounts_off": lambda row: (
        f"account {row['account']} of {row['asset']} says {row['says']}, but the transfers make {row['moved']}"
    ),
    "stocks_off": lambda row: (
        f"{row['sold']} of {row['reward']!r} are said to be gone, {row['issued']} were issued"
    ),
    "partner_reversals_off": lambda row: (
        f"{row['points']} of credit {row['transaction_id']} of partner {row['partner']} were taken back, but it is not "
        "there"
    ),
}
CHECKS: dict[str, Callable[[Any], str]] = {
    "balances_off": _balance,
    "running_balances_off": _transfer,
    "lots_off": lambda row: (
        f"{row['available']} {row['asset']} are available, but {row['remaining']} remain in lots "
        f"{', '.join(map(str, sorted(row['numbers'] or ())))}"
    ),
    "lots_unfounded": lambda row: (
        f"lot {row['lot_no']} of {row['asset']} is of {row['amount'] or 0}, but its transfer opened {row['opened']}"
    ),
    "lots_overdrawn": lambda row: (
        f"lot {row['lot_no']} of {row['asset']} is of {row['amount']}, but {row['gone']} remain, expired, or were drawn"
    ),
    "holds_off": lambda row: f"{row['held']} {row['asset']} are held, but open holds have {row['points']}",
    "spends_off": lambda row: (
        f"hold {row['hold_id']} should have spent {row['spent']} {row['asset']}, but its transfers spent {row['moved']}"
    ),
    "holds_unfounded": lambda row: (
        f"hold {row['hold_id']} should hold {row['points']} {row['asset']}, but its transfers hold {row['held']}"
    ),
    "pending_off": lambda row: (
        f"{row['pending']} {row['asset']} are pending, but awards wait with {row['points']}"
    ),
    "pending_awards_off": lambda row: (
        f"award {row['award_id']} is {row['state']} and waits with {row['waits']}, but has {row['pending']} pending"
    ),
    "awards_missing": lambda row: (
        f"award {row['award_id']} of transfer {row['version']} of {row['asset']} is missing"
    ),
    "rewards_unpaid": lambda row: (
        f"reward {row['reward_id']} costs {row['price']} {row['asset']}, which no transfer paid"
    ),
    "redemptions_off": lambda row: (
        f"{row['paid']} {row['asset']} were paid for rewards that cost {row['price']}"
    ),
    "coupons_off": lambda row: (
        f"coupon {row['code']} says {row['used']} of {row['uses']} uses, and was used {row['uses_used']} times"
    ),
    "reward_codes_off": lambda row: (
        f"reward {row['reward_id']} is {row['state']}, but its code was used {row['used']} of {row['uses']} times, is "
        "voided, or another's"
    ),
    "adjustments_off": lambda row: (
        f"adjustments say that they moved {row['said']} {row['asset']}, but their transfers moved {row['moved']}"
    ),
    "households_off": lambda row: (
        f"lot {row['lot_no']} of {row['asset']} is said to come from {row['from_member_id']} in pool {row['pool_id']}, "
        "whom nobody knows, or is not there"
    ),
    "partner_credits_off": lambda row: (
        f"credit {row['transaction_id']} of partner {row['partner']} holds {row['held']}, its award "
        f"{row['award_holds']}; {row['reversed']} of it were taken back, its reversals make {row['reversals']}"
    ),
    "transit_off": lambda row: (
        f"{row['sent']} {row['asset']} were sent for {row['cause']}, but {row['received']} received"
    ),
    "gifts_off": lambda row: (
        f"gifts say that they sent {row['said']} {row['asset']}, but their transfers sent {row['moved']}"
    ),
    "merged_off": lambda row: (
        f"was merged into {row['merged_into']}, but still has {row['asset']}, or nothing says when, or that one was "
        "merged, too"
    ),
    "family_off": lambda row: (
        f"{row['what']} of {row['asset']}, with those of merged members, say {row['said']}, but their transfers make "
        f"{row['moved']}"
    ),
    "imports_off": lambda row: (
        f"imported rows say that they brought {row['said']} {row['asset']}, but their transfers moved {row['moved']}"
    ),
    "reward_credits_off": lambda row: (
        f"rewards say that they gave {row['said']} {row['asset']}, but their transfers credited {row['moved']}"
    ),
    "draws_off": lambda row: (
        f"{row['what']} is of {row['points']} {row['asset']}, and drew {row['drawn']}"
        + (
            f", among them from lots {_numbers(row['missing'])}, which are not there"
            if row["missing"]
            else ""
        )
    ),
    "expired_off": lambda row: (
        f"lots {_numbers(row['numbers'])} of {row['asset']} say that {row['said']} expired in them, but {row['moved']} "
        "did"
    ),
    "dues_off": lambda row: (
        f"of what is due, the first {row['what']} is due {_moment(row['due_at'])}, but the member is looked at "
        f"{_moment(row['next_due'])}"
    ),
    "explanations_off": lambda row: (
        f"award {row['award_id']} is of {row['points']}, but its lines and bonus make {row['explained']}"
    ),
    "orders_missing": lambda row: (
        f"there are awards of order {row['order_id']}, but no such order was paid"
        + (f" under version {row['program_version']}" if row["program_version"] is not None else "")
    ),
    "guest_orders_missing": lambda row: (
        f"order {row['order_id']} of a guest was credited, but the member has no such order"
    ),
    "donations_off": lambda row: (
        f"the donation of {row['asset']} for {row['cause']} went astray with {row['astray'] or 0}, or a charity has "
        f"{row['given'] or 0} of it"
    ),
    "erased_off": lambda row: f"was forgotten, but there is still {row['what']}",
    "coupon_uses_off": lambda row: (
        f"code {row['code']} was used {row['used']} times, {row['per_member']} are allowed each, or it is not there"
    ),
    "coupons_astray": lambda row: (
        f"coupon {row['code']} is of reward {row['reward_id']} or of pool {row['pool']}, which do not know it"
    ),
    "partner_awards_off": lambda row: f"award {row['award_id']} is of no credit of a partner",
    "pool_members_off": lambda row: (
        f"is in pool {row['pool_id']}, which is not there or was dissolved, or can be in none"
    ),
    "awards_off": lambda row: (
        f"award {row['award_id']} should have moved {row['held']}, but its transfers moved {row['moved']}"
    ),
}
