"""A second opinion on what orders earn and refunds leave: the rules of loyalty once more, slowly and straight on.

It reads the same program file and the same events as the ledger, as plain dicts, and answers with numbers alone: what
an order was awarded and how that splits, what it holds after each refund, what a member has altogether. It has no
pending time, no lots and no expiry, since none of them changes what an order holds. It counts points alone, and knows
the caps of one member only, of rules and of the program: no other assets, no budgets, no goals.

What a newcomer would get wrong: this is no place for reuse or speed. It shares nothing with the ledger, not even the
splitting of money, and is written from the rules alone. Where the two disagree, the rules decide who is right, so never
copy an answer from one into the other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from math import ceil, floor
from typing import Any
from zoneinfo import ZoneInfo

Facts = dict[str, Any]
Kept = dict[Any, Fraction]
Cap = tuple[str, Fraction, tuple[Any, ...]]
Taken = tuple[str, list[Cap], Fraction, Fraction]
PROGRAM = "the program"
NOTHING, ONE = Fraction(0), Fraction(1)
PARCEL = ("the parcel",)  # beside the ids of lines
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NAMES_OF_ORDERS = ("currency", "channel", "payment_method", "card_partner", "level")
NAMES_OF_LINES = ("category", "brand", "product", "sku", "collection")


def a_ledger(document: Mapping[str, Any]) -> Facts:
    """An empty ledger under one program, to be given to `hear`."""
    return {
        "program": document,
        "rules": [dict(rule, place=place) for place, rule in enumerate(document["ledger"]["earn"])],
        "zone": ZoneInfo(document.get("time_zone", "UTC")),
        "rounding": document["ledger"].get("points", {}).get("rounding", "down"),
        "orders": {},
        "early": defaultdict(list),  # refunds and cancellations whose order has not come
        "paid_orders": defaultdict(list),  # the orders of a member as they came
        "levels": defaultdict(list),  # (since, level, times) of a member
        "used": defaultdict(Fraction),  # of each cap: points or times
        "reviews": {},
        "gone_reviews": set(),
        "deeds": defaultdict(int),  # points of a member that no order gave
    }


def hear(ledger: Facts, event: Mapping[str, Any]) -> bool:
    """Take in one event: its data with `type`, `time` and `member` beside it. False = it would be refused."""
    kind = event["type"]
    key = (event["member"], event.get("order_id", ""))
    if kind == "tier.raised":
        ledger["levels"][event["member"]].append(
            (event["since"], event["level"], Fraction(event["earn_times"]))
        )
    elif kind == "order.paid":
        _paid(ledger, key, event)
    elif kind in ("order.refunded", "order.cancelled"):
        if key not in ledger["orders"]:
            ledger["early"][key].append(event)
        elif _fits(ledger["orders"][key], event):
            _comes_back(ledger["orders"][key], event)
        else:
            return False
    else:
        _deed(ledger, event)
    return True


def award(ledger: Facts, member: str, order_id: str) -> int:
    """What the order earned, before any refund."""
    return int(ledger["orders"][member, order_id]["award"])


def split(ledger: Facts, member: str, order_id: str) -> list[int]:
    """The award by line, and last the bonus of the order."""
    parts = ledger["orders"][member, order_id]["parts"]
    lines = [points for (kind, _), points in parts.items() if kind == "line"]
    bonus = sum((points for (kind, _), points in parts.items() if kind == "bonus"), NOTHING)
    return _largest_remainder(award(ledger, member, order_id), [*lines, bonus])


def held(ledger: Facts, member: str, order_id: str) -> int:
    """What the order holds now: never more than its award, nor than the kept part of it would earn."""
    order = ledger["orders"][member, order_id]
    if order["cancelled"]:
        return 0
    refunds = [refund for refund in order["refunds"].values() if _fits(order, refund)]
    if not refunds:
        return award(ledger, member, order_id)
    kept = _rounded(ledger, sum(_parts(ledger, order, refunds).values()))
    return min(award(ledger, member, order_id), kept)


def member_sum(ledger: Facts, member: str) -> int:
    """All points of a member: what the orders hold, and what other deeds earned."""
    orders = [order_id for owner, order_id in ledger["orders"] if owner == member]
    return int(ledger["deeds"][member]) + sum(held(ledger, member, order_id) for order_id in orders)


# --- An order, and what comes back of it ------------------------------------------------------------------------------


def _paid(ledger: Facts, key: tuple[str, str], event: Mapping[str, Any]) -> None:
    """The newest statement of an order stands; person, time and history are those of the first one that came."""
    member = key[0]
    order = ledger["orders"].get(key)
    if order is None:
        ledger["paid_orders"][member].append(key)
        levels = [level for level in ledger["levels"][member] if level[0] < event["time"]]
        _, level, times = max(levels, default=(None, None, ONE), key=lambda found: found[0])
        order = ledger["orders"][key] = {
            "member": member,
            "time": event["time"],
            "number": len(ledger["paid_orders"][member]),
            "level": level,
            "level_times": times,
            "stated": event["time"],
            "lines_ever": set(),
            "refunds": {},
            "cancelled": False,
            "first_room": {},  # of each capped rule: the points it could give when the order came
            "room": {},  # of each capped rule: the points it may give, and whether it was refused for good
            "counted": defaultdict(Fraction),  # of each capped rule: what its caps counted for this order
        }
    statement = _read_statement(ledger["program"], event)
    order["lines_ever"] |= {line["id"] for line in statement["lines"]}
    if "statement" not in order or event["time"] >= order["stated"]:
        order |= {"statement": statement, "stated": event["time"]}
        taken = _find_room(ledger, order)
        order["parts"] = _parts(ledger, order, ())
        wanted = _rounded(ledger, sum(order["parts"].values()))
        order["award"], room = _within_program(ledger, order, wanted)
        if room:  # caps count what was awarded; where the program leaves nothing, nothing was
            for name, drawers, mine, given in taken:
                _use(ledger, drawers, given - mine, times=0 if mine else 1)
                order["counted"][name] = given
    for early in ledger["early"].pop(key, ()):
        _comes_back(order, early)


def _comes_back(order: Facts, event: Mapping[str, Any]) -> None:
    if event["type"] == "order.cancelled":
        order["cancelled"] = True
    else:
        order["refunds"].setdefault(event["refund_id"], event)


def _fits(order: Facts, event: Mapping[str, Any]) -> bool:
    """Whether a refund is in the order's currency, and of lines that the order has or had."""
    currency = order["statement"]["currency"]
    named = {line["line_id"] for line in event.get("lines", ())}
    return bool((event.get("currency") or currency) == currency and named <= order["lines_ever"])


def _read_statement(program: Mapping[str, Any], event: Mapping[str, Any]) -> Facts:
    """What each line costs, how much of that was paid in money, and how much of it is tax; in minor units."""
    currency = event.get("currency") or program["currency"]
    included = event.get("tax_included", True)
    total = _minor(event["total"], currency)
    shipping = _minor(event.get("shipping", "0"), currency)
    order_tax = _minor(event["tax"], currency) if event.get("tax") is not None else None
    said = event.get("lines") or [{"total": None}]
    lines = []
    for place, line in enumerate(said, 1):
        # An order that gives only a total is one line of that value: what is not shipping, and before an added tax.
        alone = max(0, total - shipping - (0 if included else order_tax or 0))
        lines.append(
            {
                "id": line.get("line_id") or str(place),
                "price": alone if line["total"] is None else _minor(line["total"], currency),
                "tax": _minor(line["tax"], currency) if line.get("tax") is not None else None,
                "quantity": Fraction(line.get("quantity", "1")),
                "gift_card": line.get("gift_card", False),
                "category": set(line.get("categories", ())),
                "collection": set(line.get("collections", ())),
                **{name: {line.get(name)} - {None} for name in ("brand", "sku")},
                "product": {line.get("product_id")} - {None},
            }
        )

    # 1. The discount of the order is spread over all lines by value; a bare total has it off already.
    discount = _minor(event.get("discount", "0"), currency) if event.get("lines") else 0
    values = [line["price"] for line in lines]
    for line, part in zip(lines, _largest_remainder(min(discount, sum(values)), values), strict=True):
        line["price"] -= part

    # 2. Tax. Lines that say theirs are believed; else the order's is spread over lines and shipping by cost: exactly
    #    where prices hold it, and in minor units where it is added to them, since then it is money that was paid.
    parcel: Facts = {"price": shipping, "tax": None}
    everything = [*lines, parcel]
    prices = [each["price"] for each in everything]
    if any(line["tax"] is not None for line in lines):
        for line, value in zip(lines, values, strict=True):
            taxed = line["price"] if included else value  # the tax in a price shrinks with the discount
            line["tax"] = Fraction((line["tax"] or 0) * taxed, value) if value else NOTHING
    elif order_tax:
        parts = _largest_remainder(order_tax, prices)
        for each, part in zip(everything, parts, strict=True):
            each["tax"] = (
                Fraction(order_tax * each["price"], sum(prices) or 1) if included else Fraction(part)
            )
    for each in everything:
        each["tax"] = each["tax"] or NOTHING
        each["added"] = NOTHING if included else each["tax"]
        each["cost"] = each["price"] + each["added"]

    # 3. What was paid otherwise is spread over lines and shipping by cost.
    otherwise = sum(_minor(paid["amount"], currency) for paid in event.get("paid_with", ()))
    costs = [Fraction(each["cost"]) for each in everything]
    for each, part in zip(
        everything, _largest_remainder(min(otherwise, floor(sum(costs))), costs), strict=True
    ):
        each["money"] = each["cost"] - part
        each["money_share"] = each["money"] / each["cost"] if each["cost"] else ONE
    return {
        "currency": currency,
        "lines": lines,
        "parcel": parcel,
        "fees": total - sum(costs),
        **{name: event.get(name) for name in ("channel", "payment_method", "card_partner")},
    }


def _kept(statement: Facts, refunds: Iterable[Mapping[str, Any]]) -> Kept:
    """Of each line, and of the parcel, the share that the customer keeps: a function of the set of refunds."""
    lines, currency = statement["lines"], statement["currency"]
    refunds = list(refunds)
    if not refunds:
        return dict.fromkeys([*(line["id"] for line in lines), PARCEL], ONE)
    # An order for which no money was paid is reckoned by what paid it otherwise.
    in_money = any(line["money"] for line in lines)
    worth = {line["id"]: Fraction(line["money"] if in_money else line["cost"]) for line in lines}
    returned: defaultdict[str, Fraction] = defaultdict(Fraction)  # share of a line that came back
    of_line: defaultdict[str, Fraction] = defaultdict(Fraction)  # what was given back for a line
    of_items = NOTHING  # what was given back for no line in particular
    for refund in refunds:
        named, removed = [], False
        for line in refund.get("lines", ()):
            here = next((each for each in lines if each["id"] == line["line_id"]), None)
            if here is None:
                removed = True
            else:
                share, money = _came_back(statement, here, line)
                named.append((here["id"], share, min(money, worth[here["id"]])))
        sum_of_all = _sum_given_back(statement, refund, in_money)
        for line_id, share, amount in named:
            returned[line_id] += share
            if sum_of_all is None and in_money:
                of_line[line_id] += amount
        if sum_of_all is not None:
            # Where an edit removed lines that the refund names, its sum counts up to the worth of the others.
            most = sum((amount for _, _, amount in named), NOTHING)
            of_items += min(sum_of_all, most) if removed else sum_of_all
    still_there = {line_id: worth[line_id] * (1 - min(ONE, returned[line_id])) for line_id in worth}
    given_back = of_items + sum((min(of_line[line_id], worth[line_id]) for line_id in worth), NOTHING)
    kept = max(NOTHING, min(sum(still_there.values()), sum(worth.values()) - given_back))
    # Of an order that cost nothing, what did not come back is kept.
    costs_nothing = not any(worth.values())
    ratio = kept / sum(still_there.values()) if kept else Fraction(costs_nothing)
    kept_of = {line["id"]: (1 - min(ONE, returned[line["id"]])) * ratio for line in lines}
    # Shipping is given back only where a refund names it.
    delivery = statement["parcel"]["price"]
    named_delivery = sum(_minor(refund.get("shipping") or "0", currency) for refund in refunds)
    kept_of[PARCEL] = Fraction(max(0, delivery - named_delivery), delivery) if delivery else ONE
    return kept_of


def _came_back(statement: Facts, line: Facts, back: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    """Of one line of a refund: the share of the line that came back, and the money that was given back for it."""
    said = back.get("amount")
    amount = None if said is None else Fraction(_minor(said, statement["currency"]))
    if back.get("quantity") is not None and line["quantity"]:
        share = Fraction(back["quantity"]) / line["quantity"]
    elif amount is not None and line["money"]:
        share = amount / line["money"]
    else:
        share = ONE
    share = min(ONE, share)
    return share, line["money"] * share if amount is None else amount


def _sum_given_back(statement: Facts, refund: Mapping[str, Any], in_money: bool) -> Fraction | None:
    """What the refund as a whole gave back for items; None where its lines say it, or are worth it."""
    currency = statement["currency"]
    if not in_money:
        otherwise = [_minor(each["amount"], currency) for each in refund.get("given_back", ())]
        return Fraction(sum(otherwise)) if otherwise else None
    if refund.get("amount") is None:
        return None
    shipping = _minor(refund.get("shipping") or "0", currency)
    return Fraction(max(0, _minor(refund["amount"], currency) - shipping))


# --- What that earns --------------------------------------------------------------------------------------------------


def _parts(
    ledger: Facts,
    order: Facts,
    refunds: Iterable[Mapping[str, Any]],
    found: dict[str, Fraction] | None = None,
) -> dict[tuple[str, str], Fraction]:
    """The exact points by line and bonus; `found` takes what each rule would give if it had no cap."""
    statement = order["statement"]
    lines = statement["lines"]
    shares = _kept(statement, refunds)
    parts: dict[tuple[str, str], Fraction] = {("line", line["id"]): NOTHING for line in lines}
    if not any(shares[line["id"]] for line in lines):
        return parts
    rules = [rule for rule in ledger["rules"] if rule["on"] == "order.paid"]
    rules = [rule for rule in rules if _holds(ledger, rule, order, shares)]

    def capped(rule: Facts, gives: Fraction) -> Fraction:
        if found is not None:
            found[rule["rule"]] = gives
        if not _is_capped(rule) or rule["rule"] not in order["room"]:
            return gives
        room, rejected = order["room"][rule["rule"]]
        return NOTHING if rejected else min(gives, room)

    # 1. Base rules: those that stand on a line sum there. Whole units and caps look at all lines of a rule together,
    #    and what they take away is taken from each line in proportion.
    base = [rule for rule in rules if _is_base(rule)]
    stand = {
        line["id"]: _that_stand([rule for rule in base if _covers(rule, line, shares)]) for line in lines
    }
    on_line: dict[str, Fraction] = defaultdict(Fraction)
    for rule in base:
        its_lines = [line for line in lines if rule in stand[line["id"]]]
        units = {line["id"]: _units(rule, statement, line, shares) for line in its_lines}
        together = sum(units.values(), NOTHING)
        gives = capped(rule, Fraction(rule["points"]) * _whole(rule, together))
        for line_id, units_of_line in units.items():
            on_line[line_id] += gives * units_of_line / together if together else NOTHING

    # 2. Multipliers, line by line; their product never goes above ten. The level's comes last, and is stackable.
    multipliers = [rule for rule in rules if "times" in rule]
    for line in lines:
        there = _that_stand([rule for rule in multipliers if _covers(rule, line, shares)])
        alone = any(not _is(rule, "stackable", "true") for rule in there)
        product = ONE
        for rule in there:
            product = min(Fraction(10), product * Fraction(rule["times"]))
        if not alone:
            product = min(Fraction(10), product * order["level_times"])
        parts["line", line["id"]] = on_line[line["id"]] * product

    # 3. Bonuses, for the order. One that names lines asks for one of them.
    for rule in rules:
        if "times" in rule or _is_base(rule):
            continue
        there = [line for line in lines if _covers(rule, line, shares)]
        if "per" in rule:
            together = sum((_units(rule, statement, line, shares) for line in there), NOTHING)
            gives = Fraction(rule["points"]) * _whole(rule, together)
        else:
            gives = Fraction(rule["points"]) if there or not _asks_for_lines(rule) else NOTHING
        parts["bonus", rule["rule"]] = capped(rule, gives)
    return parts


def _that_stand(rules: Sequence[Facts]) -> list[Facts]:
    """Of the rules on one line: the non-stackable one of the highest priority alone, else all stackable ones."""
    if not rules:
        return []
    highest = max(_priority(rule) for rule in rules)
    for rule in rules:  # in the order of the file, so the earlier one wins a tie
        if _priority(rule) == highest and not _is(rule, "stackable", "true"):
            return [rule]
    return [rule for rule in rules if _is(rule, "stackable", "true")]


def _units(rule: Facts, statement: Facts, line: Facts, shares: Kept) -> Fraction:
    """How often the rule's unit goes into what is kept of the line; a gift card earns when it is spent."""
    if line["gift_card"]:
        return NOTHING
    if rule["per"] == "item":
        return Fraction(line["quantity"] * shares[line["id"]])
    return _basis(rule, statement, line, shares) / _unit(rule, statement["currency"])


def _basis(rule: Facts, statement: Facts, line: Facts, shares: Kept) -> Fraction:
    """What of a line counts for a rule, with its part of shipping and fees where the rule asks for them."""
    with_tax = _is(rule, "tax", "true")
    parcel, lines = statement["parcel"], statement["lines"]

    def counted(each: Facts) -> Fraction:
        """The price of it, as far as money paid it."""
        tax_out = each["tax"] - each["added"] if not with_tax and each["price"] else NOTHING
        return Fraction((each["price"] - tax_out) * each["money_share"])

    if not _is(rule, "shipping") and rule.get("basis") != "total":
        return counted(line) * shares[line["id"]]
    # Shipping, fees and added tax belong to no line: they are spread over the lines that count, by what these cost,
    # and fees and tax shrink with them.
    count = [each for each in lines if not each["gift_card"]]
    # Where none of them cost anything, each has an equal part.
    costs_nothing = not any(each["price"] for each in count)
    weight = {each["id"]: 1 if costs_nothing else each["price"] for each in count}
    whole = Fraction(sum(weight.values()))
    left = sum((weight[each["id"]] * shares[each["id"]] for each in count), NOTHING)
    beside = counted(parcel) * shares[PARCEL] if _is(rule, "shipping") else NOTHING
    if rule.get("basis") == "total" and whole:
        added = sum((each["added"] * each["money_share"] for each in (*lines, parcel)), NOTHING)
        beside += (statement["fees"] + (added if with_tax else 0)) * left / whole
    part = weight.get(line["id"], 0) * shares[line["id"]] / left if left else NOTHING
    return counted(line) * shares[line["id"]] + beside * part


def _covers(rule: Facts, line: Facts, shares: Kept) -> bool:
    """Whether something is kept of the line, and the rule asks for such a line."""
    if not shares[line["id"]]:
        return False
    asked = rule.get("if", {})
    return all(
        (name not in asked or line[name] & _set(asked[name]))
        and (f"not_{name}" not in asked or not line[name] & _set(asked[f"not_{name}"]))
        for name in NAMES_OF_LINES
    )


def _holds(ledger: Facts, rule: Facts, order: Facts, shares: Kept) -> bool:
    """Whether a rule holds for the order as a whole."""
    asked, statement, number = rule.get("if", {}), order["statement"], order["number"]
    said = {**statement, "level": order["level"]}
    fails = (
        _has_no_unit(rule, statement["currency"]),
        "order_at_least" in asked and not _reaches(asked["order_at_least"], statement, shares),
        any(name in asked and said[name] not in _set(asked[name]) for name in NAMES_OF_ORDERS),
        asked.get("first_order") == "true" and number != 1,
        "order_number" in asked and number != int(asked["order_number"]),
        "every_nth_order" in asked and number % int(asked["every_nth_order"]),
    )
    return not any(fails) and _in_time(ledger, rule, order["time"])


def _has_no_unit(rule: Facts, currency: str) -> bool:
    return rule.get("per", "item") != "item" and not _unit(rule, currency)


def _reaches(least: str, statement: Facts, shares: Kept) -> bool:
    """The items after discounts over the whole order, however they were paid, gift-card products left out."""
    amount, currency = least.split()
    items = [line["price"] * shares[line["id"]] for line in statement["lines"] if not line["gift_card"]]
    return currency == statement["currency"] and sum(items, NOTHING) >= _minor(amount, currency)


def _in_time(ledger: Facts, rule: Facts, moment: datetime) -> bool:
    asked, local = rule.get("if", {}), moment.astimezone(ledger["zone"])
    if "from" in rule and local.date() < date.fromisoformat(rule["from"]):
        return False
    if "until" in rule and local.date() > date.fromisoformat(rule["until"]):
        return False
    if "weekday" in asked and DAYS[local.weekday()] not in _set(asked["weekday"]):
        return False
    if "hours" in asked:
        start, end = asked["hours"].split(" to ")
        now = f"{local:%H:%M}"
        return bool(start <= now < end if start < end else now >= start or now < end)
    return True


# --- Caps -------------------------------------------------------------------------------------------------------------


def _find_room(ledger: Facts, order: Facts) -> list[Taken]:
    """The room an order finds in each capped rule is stored and bounds it ever after; what it takes of it.

    An edit finds the room again, but never more than the order found first, and gives none back.
    """
    order["room"] = {}
    taken: list[Taken] = []
    would_give: dict[str, Fraction] = {}
    capped = [rule for rule in ledger["rules"] if rule["on"] == "order.paid" and _is_capped(rule)]
    if capped:
        _parts(ledger, order, (), would_give)
    for rule in capped:
        name = rule["rule"]
        drawers = _caps(ledger, rule, order["member"], order["time"], {})
        mine, gives = order["counted"][name], would_give.get(name, NOTHING)
        found = _free(ledger, drawers, mine)
        rejects = rule.get("beyond") == "reject"
        first = order["first_room"].setdefault(name, NOTHING if rejects and gives > found else found)
        room = min(found, first)
        rejected = rejects and gives > room
        order["room"][name] = (room, rejected)
        given = NOTHING if rejected else min(gives, room)
        if given > mine:
            taken.append((name, drawers, mine, given))
    return taken


def _within_program(ledger: Facts, order: Facts, wanted: int) -> tuple[int, Fraction]:
    """What the caps of the program leave of the whole points of an order, counted; and how much room there was."""
    drawers = _program_caps(ledger, order["member"], order["time"])
    if not drawers:
        return wanted, ONE
    mine, found = order["counted"][PROGRAM], _free(ledger, drawers, order["counted"][PROGRAM])
    first = order["first_room"].setdefault(
        PROGRAM, NOTHING if _program_rejects(ledger) and wanted > found else found
    )
    room = min(found, first)
    if _program_rejects(ledger) and wanted > room:
        room = NOTHING
    award = min(wanted, int(room))
    if award > mine:
        _use(ledger, drawers, award - mine, times=0)
        order["counted"][PROGRAM] = Fraction(award)
    return award, room


def _program_caps(ledger: Facts, member: str, moment: datetime) -> list[Cap]:
    """What all rules together may give one member: whole points, by period."""
    words = [cap["at_most"].replace(" points", "") for cap in ledger["program"]["ledger"].get("caps", ())]
    rules = [{"rule": PROGRAM, "on": "", "at_most": at_most} for at_most in words]
    return [cap for rule in rules for cap in _caps(ledger, rule, member, moment, {})]


def _program_rejects(ledger: Facts) -> bool:
    return any(cap.get("beyond") == "reject" for cap in ledger["program"]["ledger"].get("caps", ()))


def _is_capped(rule: Facts) -> bool:
    return bool(_limit(rule)) or "at_most" in rule


def _limit(rule: Facts) -> str:
    usual = {"review.published": "1 per product", "content.shared": "1 per network and day"}
    return str(rule.get("limit", usual.get(rule["on"], "")))


def _caps(ledger: Facts, rule: Facts, member: str, moment: datetime, event: Mapping[str, Any]) -> list[Cap]:
    """The caps of a rule: each `times` or `points`, how many, and the drawer in which they are counted."""
    day = moment.astimezone(ledger["zone"]).date()
    labels = {
        "day": day,
        "week": day.isocalendar()[:2],
        "month": (day.year, day.month),
        "year": day.year,
        "lifetime": None,
        "product": event.get("product_id"),
        "network": event.get("network"),
        None: None,
    }
    found = []
    for counts, text in (("times", _limit(rule)), ("points", str(rule.get("at_most", "")))):
        if match := re.fullmatch(r"(\d+) (?:per|a) (\w+)(?: and (\w+))?", text):
            drawer = (counts, rule["rule"], member, labels[match[2]], labels[match[3]])
            found.append((counts, Fraction(match[1]), drawer))
    return found


def _free(ledger: Facts, caps: Sequence[Cap], mine: Fraction = NOTHING) -> Fraction:
    """How many points the caps leave; `mine` is what this very order has in them already."""
    room = Fraction(10**30)
    for counts, at_most, drawer in caps:
        used = ledger["used"][drawer]
        if counts == "points":
            room = min(room, max(NOTHING, at_most - used + mine))
        elif used - (1 if mine else 0) >= at_most:
            room = NOTHING
    return room


def _use(ledger: Facts, caps: Sequence[Cap], points: Fraction, times: int = 1) -> None:
    for counts, _, drawer in caps:
        ledger["used"][drawer] += points if counts == "points" else times


# --- Sign-ups, reviews and shares -------------------------------------------------------------------------------------


def _deed(ledger: Facts, event: Mapping[str, Any]) -> None:
    member, review = event["member"], (event["member"], event.get("review_id"))
    if event["type"] == "review.removed":
        ledger["gone_reviews"].add(review)
        points, freed = ledger["reviews"].pop(review, (0, ()))
        ledger["deeds"][member] -= points
        for drawer, part in freed:
            ledger["used"][drawer] -= part
        return
    if event["type"] == "review.published" and (
        review in ledger["reviews"] or review in ledger["gone_reviews"]
    ):
        return
    exact, taken, used = NOTHING, [], []
    for rule in ledger["rules"]:
        if rule["on"] != event["type"] or not _deed_holds(ledger, rule, event):
            continue
        caps = _caps(ledger, rule, member, event["time"], event)
        wants, room = Fraction(rule["points"]), _free(ledger, caps)
        gives = NOTHING if wants > room and rule.get("beyond") == "reject" else min(wants, room)
        if gives:
            used.append((caps, gives))
            # A removed review frees its product.
            taken += [
                (drawer, Fraction(1) if counts == "times" else gives)
                for counts, _, drawer in caps
                if "per product" in (_limit(rule) if counts == "times" else str(rule["at_most"]))
            ]
        exact += gives
    points, caps = _rounded(ledger, exact), _program_caps(ledger, member, event["time"])
    room = _free(ledger, caps)
    if _program_rejects(ledger) and points > room:
        room = NOTHING
    points = min(points, int(room))
    if room:
        for its_caps, gives in used:
            _use(ledger, its_caps, gives)
        _use(ledger, caps, Fraction(points))
    else:
        taken = []
    ledger["deeds"][member] += points
    if event["type"] == "review.published":
        ledger["reviews"][review] = (points, taken)


def _deed_holds(ledger: Facts, rule: Facts, event: Mapping[str, Any]) -> bool:
    asked = rule.get("if", {})
    if "text_at_least" in asked and len((event.get("text") or "").strip()) < int(asked["text_at_least"]):
        return False
    if any(
        name in asked and event.get(name, False) != (asked[name] == "true") for name in ("photo", "video")
    ):
        return False
    if "network" in asked and event.get("network") not in _set(asked["network"]):
        return False
    return _in_time(ledger, rule, event["time"])


# --- Small things -----------------------------------------------------------------------------------------------------


def _minor(amount: str, currency: str) -> int:
    found = Fraction(amount) * 10 ** DECIMALS[currency]
    assert found.denominator == 1, amount
    return int(found)


def _unit(rule: Facts, currency: str) -> int:
    """The unit of a rule in minor units of this currency; 0 where it has none."""
    amounts = [rule["per"]] if isinstance(rule["per"], str) else rule["per"]
    found = [amount.split()[0] for amount in amounts if amount.split()[1:] == [currency]]
    return _minor(found[0], currency) if found else 0


def _largest_remainder(total: int, weights: Sequence[int | Fraction]) -> list[int]:
    """Each part its exact share rounded down; what is left goes one by one to the largest remainders."""
    whole = sum(weights, NOTHING)
    exact = [total * Fraction(weight) / whole if whole else NOTHING for weight in weights]
    parts = [floor(share) for share in exact]
    left = total - sum(parts) if whole else 0
    by_remainder = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in by_remainder[:left]:
        parts[place] += 1
    return parts


def _rounded(ledger: Facts, exact: Fraction | int) -> int:
    if ledger["rounding"] == "up":
        return ceil(exact)
    return floor(exact + Fraction(1, 2)) if ledger["rounding"] == "half-up" else floor(exact)


def _whole(rule: Facts, units: Fraction) -> Fraction:
    return Fraction(floor(units)) if _is(rule, "whole_units") else units


def _is_base(rule: Facts) -> bool:
    return "per" in rule and not _is(rule, "bonus")


def _is(rule: Facts, word: str, default: str = "false") -> bool:
    return str(rule.get(word, default)) == "true"


def _priority(rule: Facts) -> int:
    return int(rule.get("priority", "0"))


def _asks_for_lines(rule: Facts) -> bool:
    return any(name.removeprefix("not_") in NAMES_OF_LINES for name in rule.get("if", {}))


def _set(wanted: Any) -> set[str]:
    return {wanted} if isinstance(wanted, str) else set(wanted)
