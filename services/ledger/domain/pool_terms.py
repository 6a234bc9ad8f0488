"""How a household may share what its members earn, as the program says."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """Which assets are shared, by how many members at most, and which part of each lot the others may spend.

    Where not `everybody` may spend from the others, only the one may who has been in the pool longest.
    """

    assets: frozenset[str]
    most_members: int
    share: Fraction = Fraction(1)
    everybody: bool = True

    def offered(self, amount: int, remaining: int) -> int:
        """What of a lot the others may spend: with a share of 50 %, 50 of 100, or 20 where 70 of them remain."""
        return max(0, remaining - (amount - floor(amount * self.share)))
