"""Reads the rewards catalogue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.ledger.domain.catalogue import Audience, Codes, Lasting, Offer, PerMember, Text
from services.ledger.domain.records import POINTS
from services.ledger.program.assets import amount_of, credit_in
from services.ledger.program.reading import Reader
from services.ledger.words.kinds import Wanted
from services.ledger.words.rewards import COUPON_KINDS, CatalogueReward, Gives
from shared.calendar import Period, midnight
from shared.events import Grant
from shared.program_file import Path
from shared.rows import replace

FOR_CODES = ("order_at_least", "products", "pool", "anyone")
"""Words that mean something for what is handed over as a code only."""
NAMES = {"money_off": "coupon", "percent_off": "coupon", "donate_to": "donation"}
"""How the contract calls what a word gives, where it is not the word."""


def catalogue_of(reader: Reader) -> dict[str, Offer]:
    """The rewards by name, in the order of the file."""
    offers: dict[str, Offer] = {}
    for number, words in enumerate(reader.section.spend.rewards):
        path: Path = ("ledger", "spend", "rewards", number)
        if words.reward in offers:
            reader.fault((*path, "reward"), f"another reward is called {words.reward!r}; each needs its name")
        offers[words.reward] = _offer(reader, words, path)
    return offers


def _offer(reader: Reader, words: CatalogueReward, path: Path) -> Offer:
    price, asset = _price(reader, words, path)
    _check_gives(reader, words.gives, path, price)
    if words.from_ and words.until and words.from_ > words.until:
        reader.fault((*path, "until"), f"it ends before it begins, on {words.from_.isoformat()}")
    for number, image in enumerate(words.images):
        if not image.startswith(("https://", "http://", "/")):
            reader.fault(
                (*path, "images", number), f"write an address like `https://…` or `/…`, not {image!r}"
            )
    return Offer(
        name=words.reward,
        gives=_gives(reader, words.gives, (*path, "gives")),
        price=price,
        asset=asset,
        lasting=_lasting(words.gives.valid),
        codes=Codes(words.gives.uses, words.gives.anyone, words.gives.pool, words.gives.warn_below),
        stock=words.stock,
        per_member=_limit(words.limit),
        audience=Audience(frozenset(_names(words.for_.level)), frozenset(_names(words.for_.segment))),
        since=midnight(words.from_, reader.zone) if words.from_ else None,
        until=midnight(words.until + timedelta(days=1), reader.zone) if words.until else None,
        charities=_names(words.gives.donate_to),
        images=tuple(words.images),
        texts={tag: Text(each.title, each.text, each.terms) for tag, each in words.texts.items()},
    )


def _price(reader: Reader, words: CatalogueReward, path: Path) -> tuple[int, str]:
    """How much of which asset; a number alone counts points."""
    if words.costs is None:
        return 0, POINTS
    text = f"{words.costs} {POINTS}" if words.costs.isdecimal() else words.costs
    faults = len(reader.faults)
    asset, amount = amount_of(reader, text, (*path, "costs"))
    if not amount and len(reader.faults) == faults:
        reader.fault((*path, "costs"), "what costs nothing is given by hand: leave `costs` out")
    elif amount.denominator != 1:
        reader.fault((*path, "costs"), f"{words.costs} is no whole number; write how many in full")
    return int(amount), asset


def _check_gives(reader: Reader, gives: Gives, path: Path, price: int) -> None:
    """What has the right shape and cannot work."""
    place = (*path, "gives")
    if gives.kind not in COUPON_KINDS:
        for word in FOR_CODES:
            if getattr(gives, word):
                reader.fault(
                    (*place, word), f"`{gives.kind}` takes effect at once and has no coupon; leave it out"
                )
        if gives.uses != 1:
            reader.fault((*place, "uses"), f"`{gives.kind}` takes effect at once, and once")
    if gives.kind == "donate_to" and not price:
        reader.fault((*path, "costs"), "a donation gives its price to the charity; say what it costs")
    if gives.kind == "donate_to" and gives.valid:
        reader.fault((*place, "valid"), "a donation is made at once and does not end; leave it out")
    if gives.kind == "points" and price:
        reader.fault(
            (*place, "points"), "points for points is no reward; leave `costs` out to give them by hand"
        )
    if gives.percent_off is not None and not gives.percent_off.strip("0. %"):
        reader.fault((*place, "percent_off"), "a percentage off is more than 0 %")
    if gives.uses > 1 and gives.pool:
        reader.fault((*place, "uses"), "a code of the shop is counted by the shop; leave `uses` out")


def _gives(reader: Reader, words: Gives, path: Path) -> Grant:
    """The words as the contract tells them."""
    currency = _currency(reader, words, path)
    kind, its_own = _kind(reader, words, path)
    least = _amount(reader, words.order_at_least, (*path, "order_at_least"))
    grant = Grant(kind=kind, currency=currency, order_at_least=least, products=_names(words.products))
    return replace(grant, **its_own)


def _kind(reader: Reader, words: Gives, path: Path) -> tuple[str, dict[str, Any]]:
    """What the contract calls it, and its own fields."""
    kind = words.kind
    if kind == "credit":
        minor, currency = reader.money(str(words.credit), (*path, "credit"))
        return kind, {"asset": credit_in(currency), "points": minor}
    fields: dict[str, dict[str, Any]] = {
        "points": {"asset": "points", "points": words.points},
        "product": {"product_id": words.product},
        "ticket": {"name": words.ticket},
        "money_off": {"amount": _amount(reader, words.money_off, (*path, "money_off"))},
        "gift_card": {"amount": _amount(reader, words.gift_card, (*path, "gift_card"))},
        "percent_off": {
            "percent": str(words.percent_off).rstrip(" %"),
            "at_most": _amount(reader, words.at_most, (*path, "at_most")),
        },
    }
    return NAMES.get(kind, kind), fields.get(kind, {})


def _currency(reader: Reader, words: Gives, path: Path) -> str | None:
    """The one currency of all its amounts."""
    named = [name for name in ("money_off", "gift_card", "at_most", "order_at_least") if getattr(words, name)]
    currency: str | None = None
    for name in named:
        its = getattr(words, name).split(" ")[1]
        if currency is not None and its != currency:
            reader.fault((*path, name), f"write it in {currency}, as `{named[0]}`")
        currency = currency or its
    return currency


def _amount(reader: Reader, text: str | None, path: Path) -> str | None:
    """The decimal of an amount; 0 is a fault."""
    if text is None:
        return None
    faults = len(reader.faults)
    minor, _ = reader.money(text, path)
    if not minor and len(reader.faults) == faults:
        reader.fault(path, "nothing is no amount; leave it out")
    return text.split(" ")[0]


def _lasting(text: str | None) -> Lasting | None:
    if text is None:
        return None
    number, unit = text.split(" ")
    return Lasting(days=int(number)) if unit.startswith("day") else Lasting(months=int(number))


def _limit(text: str | None) -> PerMember | None:
    if text is None:
        return None
    times, _, period = text.partition(" per ")
    return PerMember(int(times), Period(period) if period else None)


def _names(wanted: Wanted | None) -> tuple[str, ...]:
    if wanted is None:
        return ()
    return (wanted,) if isinstance(wanted, str) else tuple(wanted)
