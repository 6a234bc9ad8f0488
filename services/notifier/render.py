"""From facts to text: templates per language, with numbers, money and days as the member's country writes them.

The files are `templates/<message>/<language>.<part>`; the parts are subject, inbox, text and html.

What a newcomer would get wrong: a template that could fail for some member must fail before the service starts, so
`Templates.load` renders each one with samples of everything that it may meet, and refuses a name that nobody supplies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, Undefined, meta, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notifier.domain.facts import SAMPLES
from services.notifier.domain.languages import normal
from services.notifier.errors import TemplateInvalid
from shared.errors import ServiceError
from shared.money import to_decimal_string

_BREAKABLE: Final = re.compile(r"[^\S\u00a0\u202f]+")
_MANY_LINES: Final = re.compile(r"\n{3,}")
PARTS: Final = ("subject", "inbox", "text", "html")
MAX_CHARACTERS: Final = 200_000
"""Mail clients cut a mail at about half of this; a template that makes more is broken."""
MAX_SUBJECT_CHARACTERS: Final = 200
_COMMON: Final = frozenset(
    {"program", "name", "unsubscribe_url", "language", "locale", "zone", "subject", "preview"}
)
_LAYOUT: Final = "layout"
_JINJA_FILTERS: Final = (
    "capitalize",
    "e",
    "escape",
    "first",
    "join",
    "last",
    "length",
    "lower",
    "trim",
    "upper",
)
"""Of Jinja's own filters those that cannot blow up a text; `center(10000000000)` is no use to anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """For whom something is rendered: the language of the text, the locale of its numbers, the zone of its days."""

    language: str
    locale: str
    zone: ZoneInfo
    program: str
    name: str | None = None
    unsubscribe_url: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's content."""

    subject: str
    text: str
    html: str


class Templates:
    """The texts of all messages in all languages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = _environment(folder)
        self.languages = frozenset(path.stem for path in (folder / _LAYOUT).glob("*.words"))
        self.names = tuple(
            sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != _LAYOUT)
        )

    @classmethod
    @cache
    def load(cls, folder: Path | None = None) -> Templates:
        """The templates of a folder (the ones that come with the service), each tried out; once a process, since that
        takes a moment and nothing of it changes.

        Raises:
            TemplateInvalid: one is missing, or fails for some facts; the message names it.
        """
        templates = cls(folder or Path(str(resources.files("services.notifier"))) / "templates")
        templates.check()
        return templates

    def check(self) -> None:
        """Try every template with samples of all that it may meet.

        Raises:
            TemplateInvalid: see `load`.
        """
        if set(self.names) != set(SAMPLES):
            raise TemplateInvalid(
                f"there are templates for {list(self.names)}, but messages {sorted(SAMPLES)}"
            )
        for name in self.names:
            for language in sorted(self.languages):
                for part in PARTS:
                    self._check(name, language, part)

    def mail(self, name: str, facts: Mapping[str, Any], setting: Setting) -> Rendered:
        """Subject, text and HTML of an e-mail.

        Raises:
            TemplateInvalid: it cannot be rendered with these facts.
        """
        subject, preview = self.entry(name, facts, setting)
        values = {**facts, **_values(setting), "subject": subject, "preview": preview}
        text, html = (self._output(f"{name}/{setting.language}.{part}", values) for part in ("text", "html"))
        return Rendered(subject, _MANY_LINES.sub("\n\n", text.strip()) + "\n", html)

    def entry(self, name: str, facts: Mapping[str, Any], setting: Setting) -> tuple[str, str]:
        """Title and text of an entry in the inbox.

        Raises:
            TemplateInvalid: it cannot be rendered with these facts.
        """
        values = {**facts, **_values(setting)}
        title, text = (
            self._output(f"{name}/{setting.language}.{part}", values) for part in ("subject", "inbox")
        )
        return _line(title), _line(text)

    def page(self, name: str, setting: Setting, **values: Any) -> str:
        """A page of ours for a member's browser, such as the one after unsubscribing."""
        return self._output(f"{_LAYOUT}/{setting.language}.{name}.page", {**_values(setting), **values})

    def broken_page(self, language: str) -> str:
        """The page for a link that means nothing; whose it was is not known, so only the language is chosen."""
        return self._output(f"{_LAYOUT}/{language}.broken.page", {"language": language})

    def _output(self, path: str, values: Mapping[str, Any]) -> str:
        try:
            pieces, length = [], 0
            for piece in self._environment.get_template(path).generate(values):
                length += len(piece)
                if length > MAX_CHARACTERS:
                    raise TemplateInvalid(f"{path} makes more than {MAX_CHARACTERS} characters")
                pieces.append(piece)
            return "".join(pieces)
        except TemplateInvalid:
            raise
        except (TemplateError, ServiceError, ArithmeticError, ValueError, TypeError, LookupError) as error:
            raise TemplateInvalid(f"{path}: {type(error).__name__}: {error}") from error

    def _check(self, name: str, language: str, part: str) -> None:
        path = f"{name}/{language}.{part}"
        if not (self._folder / path).is_file():
            raise TemplateInvalid(f"{path} is missing")
        samples = SAMPLES[name]
        known = set(samples[0]) | _COMMON
        unknown = self._names(path) - known
        if unknown:
            raise TemplateInvalid(
                f"{path} names {sorted(unknown)}; a message of {name} knows {sorted(known)}"
            )
        setting = Setting(
            language=language, locale=language, zone=ZoneInfo("Europe/Paris"), program="Tea & Cup Club"
        )
        for person in (None, "Zoë <3"):
            for facts in samples:
                text = self._output(
                    path, {**facts, **_values(setting), "name": person, "subject": "S", "preview": "P"}
                )
                if not text.strip() or (part == "subject" and len(_line(text)) > MAX_SUBJECT_CHARACTERS):
                    raise TemplateInvalid(f"{path} is empty or too long for some facts, such as {facts}")

    def _names(self, path: str) -> set[str]:
        """What a template wants to be given."""
        try:
            tree = self._environment.parse((self._folder / path).read_text(encoding="utf-8"))
            imported = {str(name) for node in tree.find_all(nodes.FromImport) for name in node.names}
            return meta.find_undeclared_variables(tree) - imported
        except TemplateError as error:
            raise TemplateInvalid(f"{path}: {error}") from error


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, without the two ways it leaves to fill the memory: `'x' * 10**9`, and `range`."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or not all(isinstance(side, int | float | Decimal) for side in (left, right)):
            raise SecurityError(f"templates do not know {operator!r} here")
        return super().call_binop(context, operator, left, right)


def _environment(folder: Path) -> ImmutableSandboxedEnvironment:
    environment = _Sandbox(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith((".html", ".page")),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        auto_reload=False,
    )
    environment.globals.clear()
    filters: dict[str, Callable[..., Any]] = {
        "number": _number,
        "counted": _counted,
        "money": _money,
        "minor": _minor,
        "percent": _percent,
        "day": _day,
    }
    ours = {name: pass_context(each) for name, each in filters.items()}
    environment.filters = {name: environment.filters[name] for name in _JINJA_FILTERS} | ours
    return environment


def _values(setting: Setting) -> dict[str, Any]:
    return {
        "program": setting.program,
        "name": setting.name,
        "unsubscribe_url": setting.unsubscribe_url,
        "language": setting.language,
        "locale": setting.locale,
        "zone": setting.zone,
    }


def _line(text: str) -> str:
    """Text as one line, as a header may carry it. The spaces that French puts before its marks stay unbroken."""
    return _BREAKABLE.sub(" ", text).strip(" ")


@lru_cache(maxsize=256)
def _locale(tag: str) -> Locale:
    """The locale of a tag, shortened until Babel knows it; English at last."""
    parts = normal(tag).split("-")
    while parts:
        try:
            return Locale.parse("_".join(parts), sep="_")
        except (UnknownLocaleError, ValueError):
            parts.pop()
    return Locale("en")


def _in(context: Context) -> Locale:
    return _locale(context["locale"])


def _number(context: Context, value: Any) -> str:
    """`1234` as 1,234 or 1 234."""
    return format_decimal(Decimal(value), locale=_in(context))


def _counted(context: Context, count: int, **forms: str) -> str:
    """`{{ points | counted(one="# point", other="# points") }}`: the form that fits the number, `#` being the number.

    The forms are CLDR's plural categories of the *text's* language; one that it needs and that is missing is an error.
    """
    category = _locale(context["language"]).plural_form(abs(count))
    if category not in forms:
        raise ValueError(f"the form {category!r} for {count} is missing; there are {sorted(forms)}")
    return forms[category].replace("#", _number(context, count))


def _money(context: Context, amount: str, currency: str) -> str:
    """`"42.00"` and EUR as €42.00 or 42,00 €."""
    return format_currency(Decimal(amount), currency, locale=_in(context))


def _minor(context: Context, minor: int, currency: str) -> str:
    """4200 minor units of EUR as €42.00 or 42,00 €."""
    return _money(context, to_decimal_string(minor, currency), currency)


def _percent(context: Context, percent: str) -> str:
    """`"10"` as 10% or 10 %."""
    return format_percent(Decimal(percent) / 100, locale=_in(context), decimal_quantization=False)


def _day(context: Context, moment: str | Undefined, *, before: bool = False) -> str:
    """A moment as the day on which it falls in the member's zone: 31 December 2026.

    `before`: the last day before it, for what ends at a midnight.
    """
    local = datetime.fromisoformat(str(moment)).astimezone(context["zone"])
    day = local.date()
    if before and local.time().replace(fold=0) == local.time().min:
        day = day.fromordinal(day.toordinal() - 1)
    return format_date(day, format="long", locale=_in(context))
