"""The ledger's section of a program file: its words, and what they become (`domain.program`).

What a newcomer would get wrong: the models say how a merchant writes, the domain how the ledger reckons. A word that
both would know is read here once, with an error that names the path and what would be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.ledger.domain.program import LedgerProgram
from services.ledger.program.adjustments import four_eyes_of
from services.ledger.program.assets import asset_waits_of, policies_of
from services.ledger.program.caps import program_budgets_of, program_caps_of
from services.ledger.program.donations import charities_of, donation_waits_of
from services.ledger.program.earning import rules_of
from services.ledger.program.gifts import gifts_of
from services.ledger.program.goals import goals_of
from services.ledger.program.lint import warnings_of
from services.ledger.program.partners import partners_of
from services.ledger.program.points import policy_of
from services.ledger.program.pools import pools_of
from services.ledger.program.reading import Reader
from services.ledger.program.rewards import catalogue_of
from services.ledger.program.spending import spending_of
from services.ledger.program.waiting import waits_of
from services.ledger.words import Head, LedgerSection
from shared.program_file import check, invalid

__all__ = ["parse", "schema", "warnings_of"]


def parse(document: Mapping[str, Any]) -> LedgerProgram:
    """The program as the ledger reckons with it.

    Raises:
        InvalidProgram: with the path of each fault and what would be right.
    """
    head: Head = check(Head, "", dict(document))
    section: LedgerSection = check(LedgerSection, "ledger", document.get("ledger", {}))
    reader = Reader(head, section)
    program = LedgerProgram(
        currency=head.currency,
        zone=reader.zone,
        points=policy_of(reader, section.points, ("ledger", "points")),
        rules=rules_of(reader),
        guest_days=int(section.guests.keep.split()[0]) if section.guests is not None else None,
        early_days=int(section.early.wait.split()[0]),
        waits=waits_of(reader, section.pending, ("ledger", "pending")),
        spending=spending_of(reader),
        catalogue=catalogue_of(reader),
        coupons_back=section.spend.used_coupons_back != "never",
        language=next(iter(head.languages), "en"),
        policies=policies_of(reader),
        caps=program_caps_of(reader),
        budgets=program_budgets_of(reader),
        goals=goals_of(reader),
        asset_waits=asset_waits_of(reader) | donation_waits_of(reader),
        charities=charities_of(reader),
        four_eyes=four_eyes_of(reader),
        partners=partners_of(reader),
        pools=pools_of(reader),
        gifts=gifts_of(reader),
    )
    if reader.faults:
        raise invalid(reader.faults)
    return program


def schema() -> dict[str, Any]:
    """The JSON Schema of the section, for editors."""
    return LedgerSection.model_json_schema()
