"""Reads whether and how households share what they earn."""

from __future__ import annotations

from fractions import Fraction

from services.ledger.domain.pool_terms import PoolTerms
from services.ledger.program.assets import asset_named
from services.ledger.program.reading import Reader
from shared.program_file import Path

PLACE: Path = ("ledger", "pools")


def pools_of(reader: Reader) -> PoolTerms | None:
    """The terms of pools; None where there are none."""
    words = reader.section.pools
    if words is None:
        return None
    share = Fraction(words.share.rstrip(" %")) / 100
    if not 0 < share <= 1:
        reader.fault((*PLACE, "share"), f"write a part above 0 and up to 100 %, not {words.share!r}")
    assets = [
        asset_named(reader, name, (*PLACE, "assets", number)) for number, name in enumerate(words.assets)
    ]
    return PoolTerms(frozenset(assets), words.members, share, words.who_may_spend == "everybody")
