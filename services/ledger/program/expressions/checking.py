"""Checks an expression before it may decide anything: kinds that do not fit, unknown names, and what it may cost.

Example: `order.itms >= 6000` is refused with "there is no `itms` in order; it has card_partner, channel, ...", at the
character where `itms` stands; `order.items >= "60"` with "`>=` compares a number with a text".

What a newcomer would get wrong: the library would find most of this too, but only when an order comes, and only on the
side that it looks at. A merchant is to learn it when the rule is saved.

An expression may look at every line at most twice, and never at every line for every line: so its cost grows with the
order and not with its square. Functions are named here one by one; what is not named (patterns, clocks, conversions) is
refused, so the same facts always give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from services.ledger.program.expressions.grammar import (
    Binary,
    Call,
    Choice,
    ExpressionFault,
    Field,
    Index,
    Items,
    Literal,
    Name,
    Node,
    Unary,
)
from services.ledger.program.expressions.kinds import NUMBER, TEXT, YES_OR_NO, Kind, ListOf, Thing
from services.ledger.words.conditions import NO_STARS

MOST_LOOKS = 2  # how many times an expression may go over a whole list
ASKS_EACH: Final = ("exists", "exists_one", "all", "filter")
OF_TEXTS: Final = ("startsWith", "endsWith", "contains")
STARS: Final = frozenset({"stars", "rating"})


class Checker:
    """Finds the kind of every part. `uses` are the fields that were named, by variable."""

    def __init__(self, variables: Mapping[str, Kind]) -> None:
        self._variables = dict(variables)
        self._roots = {str(kind): name for name, kind in variables.items()} | {"line": "lines"}
        self._looks = 0
        self._is_looking = False
        self.uses: dict[str, set[str]] = {}
        self._by_node: dict[type, Callable[[Any], Kind]] = {
            Literal: self._literal,
            Name: self._variable,
            Field: self._field,
            Items: self._items,
            Index: self._index,
            Unary: self._unary,
            Binary: self._binary,
            Choice: self._choice,
            Call: self._call,
        }

    def check(self, node: Node) -> None:
        """The whole is a yes or no.

        Raises:
            ExpressionFault: something does not fit; with its place.
        """
        kind = self._kind(node)
        if kind != YES_OR_NO:
            raise ExpressionFault(f"a rule asks a yes or no, and this is a {kind}", node.at)

    def _kind(self, node: Node) -> Kind:
        kind: Kind = self._by_node[type(node)](node)
        return kind

    def _literal(self, node: Literal) -> Kind:
        kinds: dict[type, Kind] = {bool: YES_OR_NO, int: NUMBER, str: TEXT}
        return kinds[type(node.value)]

    def _unary(self, node: Unary) -> Kind:
        return self._wants(node.of, YES_OR_NO if node.sign == "!" else NUMBER, f"`{node.sign}`")

    def _wants(self, node: Node, wanted: Kind, who: str) -> Kind:
        found = self._kind(node)
        if found != wanted:
            raise ExpressionFault(f"{who} wants a {wanted}, and this is a {found}", node.at)
        return wanted

    def _variable(self, node: Name) -> Kind:
        if node.name in STARS:
            raise ExpressionFault(NO_STARS, node.at)
        kind = self._variables.get(node.name)
        if kind is None:
            known = ", ".join(f"`{name}`" for name in sorted(self._variables))
            raise ExpressionFault(f"there is no `{node.name}` here; there is {known}", node.at)
        self.uses.setdefault(self._roots.get(str(kind), node.name), set())
        return kind

    def _field(self, node: Field) -> Kind:
        of = self._kind(node.of)
        if node.name in STARS:
            raise ExpressionFault(NO_STARS, node.at)
        if not isinstance(of, Thing):
            raise ExpressionFault(f"a {of} has no fields", node.at)
        kind = of.fields.get(node.name)
        if kind is None:
            known = ", ".join(sorted(of.fields))
            raise ExpressionFault(f"there is no `{node.name}` in {of}; it has {known}", node.at)
        self.uses.setdefault(self._roots[of.name], set()).add(node.name)
        return kind

    def _items(self, node: Items) -> Kind:
        kinds = [self._kind(item) for item in node.items]
        if not kinds:
            raise ExpressionFault("an empty list has nothing in it", node.at)
        for item, kind in zip(node.items, kinds, strict=True):
            if kind != kinds[0]:
                raise ExpressionFault(f"this list begins with a {kinds[0]}, and this is a {kind}", item.at)
        return ListOf(kinds[0])

    def _index(self, node: Index) -> Kind:
        of = self._list(node.of, "`[...]`")
        self._wants(node.place, NUMBER, "a place in a list")
        return of.of

    def _list(self, node: Node, who: str) -> ListOf:
        kind = self._kind(node)
        if not isinstance(kind, ListOf):
            raise ExpressionFault(f"{who} wants a list, and this is a {kind}", node.at)
        return kind

    def _binary(self, node: Binary) -> Kind:
        if node.sign in ("&&", "||"):
            for side in (node.left, node.right):
                self._wants(side, YES_OR_NO, f"`{node.sign}`")
            return YES_OR_NO
        if node.sign in "+-*/%":
            for side in (node.left, node.right):
                self._wants(side, NUMBER, f"`{node.sign}`")
            return NUMBER
        left, right = self._kind(node.left), self._kind(node.right)
        if node.sign == "in":
            if not isinstance(right, ListOf) or right.of != left:
                raise ExpressionFault(f"`in` looks for a {left} in a {right}", node.at)
            return YES_OR_NO
        if left != right or left not in (NUMBER, TEXT, YES_OR_NO):
            raise ExpressionFault(f"`{node.sign}` compares a {left} with a {right}", node.at)
        if node.sign not in ("==", "!=") and left == YES_OR_NO:
            raise ExpressionFault(f"of two things that are {left}, none is the greater", node.at)
        return YES_OR_NO

    def _choice(self, node: Choice) -> Kind:
        self._wants(node.asked, YES_OR_NO, "what stands before `?`")
        kind = self._kind(node.then)
        return self._wants(node.otherwise, kind, "what stands behind `:`")

    def _call(self, node: Call) -> Kind:
        if node.name == "has" and node.of is None:
            return self._has(node)
        if node.name == "size":
            self._count(node, 0 if node.of is not None else 1)
            self._list(node.of if node.of is not None else node.arguments[0], "`size`")
            return NUMBER
        if node.of is not None and node.name in OF_TEXTS:
            self._count(node, 1)
            self._wants(node.of, TEXT, f"`{node.name}`")
            self._wants(node.arguments[0], TEXT, f"`{node.name}`")
            return YES_OR_NO
        if node.of is not None and node.name in ASKS_EACH:
            return self._each(node, node.of)
        known = ", ".join(("has", "size", *OF_TEXTS, *ASKS_EACH))
        raise ExpressionFault(f"`{node.name}` is no function here; there is {known}", node.at)

    def _count(self, node: Call, wanted: int) -> None:
        if len(node.arguments) != wanted:
            raise ExpressionFault(f"`{node.name}` takes {wanted} here, not {len(node.arguments)}", node.at)

    def _has(self, node: Call) -> Kind:
        self._count(node, 1)
        if not isinstance(node.arguments[0], Field):
            raise ExpressionFault(
                "`has` asks for a field, such as `has(order.channel)`", node.arguments[0].at
            )
        self._kind(node.arguments[0])
        return YES_OR_NO

    def _each(self, node: Call, of: Node) -> Kind:
        """`list.exists(one, ...)`: the second argument is asked of each in the list, under the name of the first."""
        kind = self._list(of, f"`{node.name}`")
        self._count(node, 2)
        name, asked = node.arguments
        if not isinstance(name, Name) or name.name in self._variables:
            raise ExpressionFault("here stands a new name for one of the list", name.at)
        if self._is_looking:
            raise ExpressionFault(
                "one look at a whole list may not stand within another; ask `in` instead", node.at
            )
        self._looks += 1
        if self._looks > MOST_LOOKS:
            raise ExpressionFault(f"more than {MOST_LOOKS} looks at whole lists", node.at)
        self._variables[name.name] = kind.of
        self._is_looking = True
        self._wants(asked, YES_OR_NO, f"`{node.name}`")
        self._is_looking = False
        del self._variables[name.name]
        return kind if node.name == "filter" else YES_OR_NO
