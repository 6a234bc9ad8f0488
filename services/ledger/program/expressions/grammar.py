"""Reads an expression of CEL into a tree whose nodes know where they stand, so that a fault can name its place.

Example: `order.items >= 6000` is `Binary(">=", Field(Name("order"), "items"), Literal(6000))`.

What a newcomer would get wrong: this never evaluates anything, the kept library does (`cel`). It reads a part of the
language: no maps, no bytes, no null, and no numbers with a point, since money is counted exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LARGEST = 2**63 - 1
DEEPEST = 24  # parentheses within parentheses; nobody reads a deeper one

LEVELS = {
    "||": 1, "&&": 2,
    "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "%": 5,
}  # fmt: skip
"""How tightly an operator binds."""

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<number>\d[\w.]*)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>&&|\|\||[=!<>]=|[-+*/%<>!?:.,()\[\]])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPES = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t"}


class ExpressionFault(Exception):
    """What is wrong with an expression, and at which character of it (from 0)."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, or yes or no."""

    value: int | str | bool
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Field:
    """A field of something: `order.items`."""

    of: Node
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function, perhaps of something: `lines.exists(line, line.gift_card)`."""

    name: str
    of: Node | None
    arguments: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Index:
    """One of a list: `lines[0]`."""

    of: Node
    place: Node
    at: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list: `["tea", "coffee"]`."""

    items: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`!` or `-` before something."""

    sign: str
    of: Node
    at: int


@dataclass(frozen=True, slots=True)
class Binary:
    """Two things with an operator between them."""

    sign: str
    left: Node
    right: Node
    at: int


@dataclass(frozen=True, slots=True)
class Choice:
    """`this ? that : other`."""

    asked: Node
    then: Node
    otherwise: Node
    at: int


Node = Literal | Name | Field | Call | Index | Items | Unary | Binary | Choice


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: its kind, and where it begins."""

    kind: str
    text: str
    at: int


def tree_of(source: str) -> Node:
    """The expression as a tree.

    Raises:
        ExpressionFault: it cannot be read.
    """
    return _Parser(list(_tokens(source))).whole()


def _tokens(source: str) -> Iterator[Token]:
    at = 0
    while at < len(source):
        found = _TOKEN.match(source, at)
        if found is None:
            raise ExpressionFault(f"{source[at]!r} has no meaning here", at)
        kind = found.lastgroup or ""
        if kind != "space":
            yield Token(kind, found.group(), at)
        at = found.end()
    yield Token("end", "the end", at)


class _Parser:
    """Reads from left to right, one function for each kind of thing."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._expression()
        if self._next.kind != "end":
            raise ExpressionFault(f"{self._next.text!r} was not expected here", self._next.at)
        return node

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._tokens[self._place]
        self._place += 1
        return token

    def _takes(self, sign: str) -> bool:
        """Go past this sign, if it is the next."""
        is_next = self._next.kind != "text" and self._next.text == sign
        self._place += is_next
        return is_next

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise ExpressionFault(f"{sign!r} was expected here, not {self._next.text!r}", self._next.at)

    def _deeper(self, by: int = 1) -> None:
        self._depth += by
        if self._depth > DEEPEST:
            raise ExpressionFault(f"more than {DEEPEST} things stand within each other", self._next.at)

    def _expression(self) -> Node:
        self._deeper()
        node = self._binary(1)
        at = self._next.at
        if self._takes("?"):
            then = self._binary(1)
            self._expect(":")
            node = Choice(node, then, self._expression(), at)
        self._depth -= 1
        return node

    def _binary(self, least: int) -> Node:
        left = self._unary()
        while self._next.kind in ("sign", "name") and LEVELS.get(self._next.text, 0) >= least:
            sign = self._take()
            left = Binary(sign.text, left, self._binary(LEVELS[sign.text] + 1), sign.at)
        return left

    def _unary(self) -> Node:
        at = self._next.at
        for sign in ("!", "-"):
            if self._takes(sign):
                self._deeper()
                node = Unary(sign, self._unary(), at)
                self._depth -= 1
                return node
        return self._member(self._primary())

    def _member(self, node: Node) -> Node:
        """Fields, functions and places of something, one behind the other."""
        while True:
            at = self._next.at
            if self._takes("."):
                name = self._name()
                if self._takes("("):
                    node = Call(name.text, node, self._list_until(")"), name.at)
                else:
                    node = Field(node, name.text, name.at)
            elif self._takes("["):
                node = Index(node, self._expression(), at)
                self._expect("]")
            else:
                return node

    def _name(self) -> Token:
        if self._next.kind != "name":
            raise ExpressionFault(f"a name was expected here, not {self._next.text!r}", self._next.at)
        return self._take()

    def _primary(self) -> Node:
        token = self._take()
        if token.kind == "name" and token.text not in LEVELS:
            return self._named(token)
        if token.kind == "number":
            return Literal(_number(token), token.at)
        if token.kind == "text":
            return Literal(_text(token), token.at)
        if token.text == "[":
            return Items(self._list_until("]"), token.at)
        if token.text != "(":
            raise ExpressionFault(f"something is missing before {token.text!r}", token.at)
        node = self._expression()
        self._expect(")")
        return node

    def _named(self, token: Token) -> Node:
        if token.text in ("true", "false"):
            return Literal(token.text == "true", token.at)
        if self._takes("("):
            return Call(token.text, None, self._list_until(")"), token.at)
        return Name(token.text, token.at)

    def _list_until(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._takes(end):
            if found and not self._takes(","):
                raise ExpressionFault(
                    f"',' or {end!r} was expected here, not {self._next.text!r}", self._next.at
                )
            found.append(self._expression())
        return tuple(found)


def _number(token: Token) -> int:
    if not token.text.isdecimal() or int(token.text) > LARGEST:
        raise ExpressionFault(
            f"{token.text} is no whole number; money is counted in the currency's smallest unit, so 60.00 EUR is 6000",
            token.at,
        )
    return int(token.text)


def _text(token: Token) -> str:
    found = []
    letters = iter(token.text[1:-1])
    for letter in letters:
        if letter != "\\":
            found.append(letter)
            continue
        escaped = next(letters)
        if escaped not in _ESCAPES:
            raise ExpressionFault(f"'\\{escaped}' has no meaning in a text", token.at)
        found.append(_ESCAPES[escaped])
    return "".join(found)
