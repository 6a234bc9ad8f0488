"""What partners credit and take back: booked from the partner's own account, out of the partner's own budget.

Example: river-bank gives 1 point per 2.00 EUR. A purchase of 24.00 EUR is 12 points, from `partner:river-bank` into
`available`. It is sent back but for 9.00 EUR: the member keeps 4, and 8 return to `partner:river-bank`. It is the rate
once more for what is kept, never a difference: told twice, or told 9.00 first and 15.00 after it, it is 4.

What a newcomer would get wrong: a reversal never credits. What is kept is the least that was ever told, so the order in
which reversals arrive plays no part; whoever took back too much credits anew. And the terms are those of the moment at
which the partner's customer paid, the booking is that of now.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

from services.ledger.domain.activity import was_active
from services.ledger.domain.agreements import PARTNER, Agreement, account_of
from services.ledger.domain.awards import credit as credit_award
from services.ledger.domain.book import Book
from services.ledger.domain.budgets import room_in, take
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import AVAILABLE, Award, MemberKey
from services.ledger.domain.refunds import hold_target
from services.ledger.errors import CreditConflict, CreditInvalid, PartnerBudgetSpent, UnknownPartner
from shared.money import minor_units
from shared.rows import Row, replace

CLOCKS_DIFFER = timedelta(minutes=5)  # how far a partner's clock may be ahead of ours


class Purchase(Row, frozen=True, gc=False, kw_only=True):
    """What a partner tells of one purchase: its own id of it, whose it was, and what was paid or is given."""

    transaction_id: str
    member_id: str
    amount: str | None = None
    currency: str | None = None
    points: int | None = None
    happened_at: datetime | None = None


class Credit(Row, frozen=True, gc=False, kw_only=True):
    """What became of it: so many points were credited, of which `reversed` were taken back."""

    program_id: str
    partner: str
    transaction_id: str
    member_id: str
    asset: str
    minor: int | None
    currency: str | None
    points: int
    reversed: int = 0
    price: str | None
    """What the partner owes for one, as a fraction, in `price_currency`."""
    price_currency: str | None
    program_version: int
    happened_at: datetime
    booked_at: datetime

    @property
    def award_id(self) -> str:
        """The award that the member has of it."""
        return award_id_of(self.partner, self.transaction_id)

    @property
    def kept(self) -> int:
        """How many points are credited and not taken back."""
        return self.points - self.reversed


def award_id_of(partner: str, transaction_id: str) -> str:
    """The id of the award of a partner's transaction."""
    return f"{PARTNER}:{partner}:{transaction_id}"


def agreement_at(
    book: Book, program_id: str, partner: str, at: datetime
) -> tuple[int, LedgerProgram, Agreement]:
    """The agreement with a partner at a moment, and the version of the program that has it, with its number.

    Raises:
        UnknownPartner: that version has none.
        AgreementNotValid: it has not begun, or is over.
    """
    version = book.versions_of(program_id).at(at)
    agreement = version.rules.partners.get(partner)
    if agreement is None:
        raise UnknownPartner(f"the program has no agreement with {partner!r}")
    agreement.check_valid(at)
    return version.number, version.rules, agreement


def credit(book: Book, key: MemberKey, partner: str, purchase: Purchase, *, at: datetime) -> Credit:
    """Credit a purchase to the member, wholly or not at all.

    Raises:
        UnknownPartner, AgreementNotValid: see `agreement_at`, at the moment of the purchase.
        CreditInvalid: it lies in the future, or says something else than the agreement asks for.
        PartnerBudgetSpent: the budget of that period has fewer points left.
    """
    happened_at = purchase.happened_at or at
    if happened_at > at + CLOCKS_DIFFER:
        raise CreditInvalid("the purchase lies in the future")
    number, program, agreement = agreement_at(book, key[0], partner, happened_at)
    minor = agreement.minor_of(purchase.amount, purchase.currency)
    rounding = program.rounding_of(agreement.asset)
    points = (purchase.points or 0) if minor is None else agreement.worth(minor, rounding)
    _take_from_budget(book, program, key[0], agreement, happened_at, points)
    made = Credit(
        program_id=key[0],
        partner=partner,
        transaction_id=purchase.transaction_id,
        member_id=key[1],
        asset=agreement.asset,
        minor=minor,
        currency=agreement.currency,
        points=points,
        price=None if agreement.price is None else str(agreement.price),
        price_currency=agreement.price_currency,
        program_version=number,
        happened_at=happened_at,
        booked_at=at,
    )
    if points:
        _book(book, key, made, agreement)
    return made


def check_same(before: Credit, member_id: str, purchase: Purchase) -> Credit:
    """The credit that is there, where a purchase of the same id says the same.

    Raises:
        CreditConflict: it says something else.
        InvalidAmount: its amount is none of the currency.
    """
    minor = _minor_of(before, purchase.amount)
    points = before.points if minor is not None else purchase.points
    if (before.member_id, before.minor, before.points) != (member_id, minor, points):
        raise CreditConflict(f"transaction {before.transaction_id!r} was credited with other content")
    return before


def reverse(
    book: Book, made: Credit, *, amount: str | None, points: int | None, cause: str, at: datetime
) -> Credit:
    """Let the member keep of a credit what this much of the purchase is worth, and no more than they keep already.

    `amount` is what the customer keeps of the purchase, in the currency it was told in; `points` where the partner
    says the points. Nothing is kept where neither is told.

    Raises:
        CreditInvalid: it says something else than the credit was made of.
        InvalidAmount: the amount is none of the currency.
    """
    program = book.versions_of(made.program_id).numbered(made.program_version).rules
    target = min(made.kept, _worth(made, program, amount, points))
    taken = made.kept - target
    if not taken:
        return made
    key = (made.program_id, made.member_id)
    if book.member(key).erased_at is None:
        award = book.awards.get(key, made.award_id)
        assert award is not None, f"{made.award_id} was not loaded"
        now = book.versions_of(made.program_id).at(at).rules
        hold_target(book, award, now, target, cause=cause, at=at)
    return replace(made, reversed=made.reversed + taken)


def _minor_of(made: Credit, amount: str | None) -> int | None:
    if amount is None or made.currency is None:
        return None
    return minor_units(amount, made.currency)


def _worth(made: Credit, program: LedgerProgram, amount: str | None, points: int | None) -> int:
    if made.minor is not None and points is None:
        kept = min(made.minor, _minor_of(made, amount) or 0)
        return program.partners[made.partner].worth(kept, program.rounding_of(made.asset))
    if made.minor is None and amount is None:
        return points or 0
    told = "an amount" if made.minor is not None else "points"
    raise CreditInvalid(f"transaction {made.transaction_id!r} was credited for {told}; say so what is kept")


def _take_from_budget(
    book: Book, program: LedgerProgram, program_id: str, agreement: Agreement, at: datetime, points: int
) -> None:
    budget = agreement.budget
    if budget is None or not points:
        return
    day = at.astimezone(program.zone).date()
    if room_in(book, program_id, budget, day, points) < points:
        raise PartnerBudgetSpent(
            f"the budget of {agreement.name} for {budget.period or 'ever'} has fewer than {points} left",
            asked=points,
        )
    take(book, program_id, budget, day, points)


def _book(book: Book, key: MemberKey, made: Credit, agreement: Agreement) -> None:
    award = Award(
        *key,
        made.award_id,
        made.asset,
        PARTNER,
        None,
        made.award_id,
        made.booked_at,
        made.program_version,
        made.points,
        AVAILABLE,
        _explanation(made, agreement),
    )
    book.put_award(award)
    program = book.versions_of(key[0]).at(made.booked_at).rules
    credit_award(
        book,
        award,
        program,
        made.points,
        kind=PARTNER,
        cause=award.cause,
        at=made.booked_at,
        from_account=account_of(made.partner),
    )
    was_active(book, key, made.booked_at)


def _explanation(made: Credit, agreement: Agreement) -> dict[str, object]:
    exact = Fraction(made.points)
    if agreement.per_minor is not None and made.minor is not None:
        exact = made.minor * agreement.per_minor
    return {
        "rules": [[account_of(made.partner), exact.numerator, exact.denominator]],
        "partner": made.partner,
    }
