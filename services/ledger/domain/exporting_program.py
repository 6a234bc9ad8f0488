"""Export: what is about no single member, as the rows that an import reads: codes of nobody, budgets, households.

Example: `SUMMER-10` with 37 of 500 uses gone, 35,400 points given of the budget of `welcome`, and the household `home`
with Ana, Ben and Cem: a `coupon`, a `budget` and a `pool` row.

What a newcomer would get wrong: what is left of a budget follows from the program's file, so only what was given is
told; and of nothing that the newest version has no budget for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.ledger.domain.exporting import ImportRow, grant_told, short_row, text_of, without_none
from services.ledger.domain.households import Pool
from services.ledger.domain.issued import IN_USE, Coupon, CouponUse
from services.ledger.domain.program import LedgerProgram
from shared.orders import Share

MANY = "any"
"""In the place of a number of uses, where there is no bound."""


def code_row(coupon: Coupon, uses: Iterable[CouponUse]) -> ImportRow:
    """A code of nobody's reward, with those of its uses that somebody may ask for."""
    known = [_use(use) for use in uses if use.state == IN_USE and (use.member_id or use.order_id)]
    row: ImportRow = {
        "row": short_row("coupon", coupon.code),
        "kind": "coupon",
        "code": coupon.shown,
        "gives": grant_told(coupon.gives) if coupon.gives is not None else None,
        "pool": coupon.pool,
        "made_at": text_of(coupon.made_at),
    }
    if coupon.gives is not None:
        row |= {
            "uses": coupon.uses if coupon.uses is not None else MANY,
            "used": coupon.used if coupon.uses is not None else None,
            "used_by": known or None,
            "per_member": coupon.per_member,
            "valid_from": text_of(coupon.valid_from),
            "valid_until": text_of(coupon.valid_until),
        }
    return without_none(row)


def budget_rows(program: LedgerProgram, used: Iterable[tuple[str, str, Share]]) -> Iterator[ImportRow]:
    """What was given of each budget: its name, its bucket, how much."""
    for name, bucket, points in used:
        if points and _is_of(program, name, bucket):
            kind, _, whose = name.partition(":")
            yield {
                "row": short_row("budget", f"{name}:{bucket}"),
                "kind": "budget",
                kind: whose,
                "bucket": bucket,
                "used": str(points),
            }


def pool_row(pool: Pool) -> ImportRow:
    """A household, with whoever has been in it longest first."""
    return {
        "row": short_row("pool", pool.pool_id),
        "kind": "pool",
        "pool_id": pool.pool_id,
        "members": list(pool.members),
    }


def _use(use: CouponUse) -> ImportRow:
    said = {"member_id": use.member_id, "order_id": use.order_id, "at": text_of(use.changed_at)}
    return without_none(said | {"named": True if use.named else None})


def _is_of(program: LedgerProgram, name: str, bucket: str) -> bool:
    return any(
        name == known and (bucket == terms or bucket.startswith(f"{terms}:"))
        for known, terms in program.amounts
    )
