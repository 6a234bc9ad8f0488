"""`when` expressions in CEL: checked when the program is read, compiled once, asked of every event of their rules.

What a newcomer would get wrong: the domain never sees the library. It gets a plain function of the facts (`When.ask`).
All expressions of a trigger share one look at an event: turning its facts into the library's values is what costs.
"""

from __future__ import annotations

import re
from typing import Any

import cel

from services.ledger.domain.conditions import Facts
from services.ledger.domain.when import MOST_LINES, When, too_many_lines, variables_of
from services.ledger.program.expressions.checking import Checker
from services.ledger.program.expressions.grammar import ExpressionFault, tree_of
from services.ledger.program.expressions.kinds import variables_for

LONGEST = 2_000  # characters; the library crashes the process at 40,000
SHOWN = 100  # of an expression that is not true, in an explanation


class Look:
    """What all expressions of one trigger look at, turned into the library's values once for each event."""

    def __init__(self) -> None:
        self._uses: dict[str, frozenset[str]] = {}
        self._facts: Facts | None = None
        self._context: cel.Context | None = None

    def also_uses(self, uses: dict[str, set[str]]) -> None:
        """One more expression names these fields."""
        for name, fields in uses.items():
            self._uses[name] = self._uses.get(name, frozenset()) | fields

    def at(self, facts: Facts) -> cel.Context:
        """The facts as the library's values; those of the facts seen last are remembered."""
        if self._context is None or self._facts is not facts:
            self._context = cel.Context(variables_of(facts, self._uses))
            self._facts = facts
        return self._context


def when_of(source: str, trigger: str, look: Look, *, by_the_calendar: bool) -> When:
    """The condition that an expression stands for.

    Raises:
        ExpressionFault: it cannot be read, does not fit the trigger, or may cost too much; with the place.
    """
    if len(source) > LONGEST:
        raise ExpressionFault(f"more than {LONGEST} characters", LONGEST)
    checker = Checker(variables_for(trigger, by_the_calendar=by_the_calendar))
    checker.check(tree_of(source))
    try:
        compiled = cel.compile(source)
    except ValueError as error:  # what our grammar takes and the library does not, such as a reserved word
        raise _fault_of(str(error), source) from None
    look.also_uses(checker.uses)
    uses = {name: frozenset(fields) for name, fields in checker.uses.items()}
    return When(source, _asking(compiled, look, looks_at_lines="lines" in uses), uses)


def place_of(source: str, at: int) -> str:
    """Where a character stands, as people count: `column 7`, or `line 2, column 7`."""
    before = source[:at]
    line, column = before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
    return f"column {column}" if "\n" not in source.strip() else f"line {line}, column {column}"


def _fault_of(message: str, source: str) -> ExpressionFault:
    """What the library says of an expression, at the place that it names."""
    found = re.search(r"<input>:(?P<line>\d+):(?P<column>\d+): (?P<what>[^\n]+)", message)
    if found is None:
        return ExpressionFault("this cannot be read", 0)
    lines = source.splitlines(keepends=True)[: int(found["line"]) - 1]
    return ExpressionFault(found["what"], sum(map(len, lines)) + int(found["column"]) - 1)


def _asking(compiled: cel.Program, look: Look, *, looks_at_lines: bool) -> Any:
    source = " ".join(compiled.source.split())
    shown = source if len(source) <= SHOWN else source[:SHOWN] + " ..."

    def ask(facts: Facts) -> str | None:
        if looks_at_lines and too_many_lines(facts):
            return f"the order has more than {MOST_LINES} lines; `when` looks at no larger one"
        try:
            is_so = compiled.execute(look.at(facts))
        except KeyError as error:
            return f"{error.args[0]} is not given, which `when` asks for: {shown}"
        except IndexError:
            return f"there are fewer in the list than `when` asks for: {shown}"
        except ArithmeticError:
            return f"`when` divides by 0, or reckons with too large a number: {shown}"
        except (TypeError, ValueError, RuntimeError) as error:
            return f"`when` cannot be answered ({str(error).partition('.')[0]}): {shown}"
        return None if is_so is True else f"this is not so: {shown}"

    return ask


__all__ = ["ExpressionFault", "Look", "place_of", "when_of"]
