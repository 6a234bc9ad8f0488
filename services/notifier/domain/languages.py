"""Which of the languages there are is nearest to a member's (BCP 47 tags, look-up as in RFC 4647, section 3.4).

What a newcomer would get wrong: text and format are two choices. A member with `fr-CA` reads our French, with the
numbers and dates of Canada; so the tag is kept whole, and only the texts fall back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

LAST_RESORT = "en"


def normal(tag: str) -> str:
    """A tag in the usual spelling: `fr_ca` is `fr-CA`, `zh_hant` is `zh-Hant`."""
    first, *rest = tag.replace("_", "-").split("-")
    return "-".join([first.lower(), *(_subtag(part) for part in rest)])


def _subtag(part: str) -> str:
    if len(part) == 2:
        return part.upper()
    return part.title() if len(part) == 4 and part.isalpha() else part.lower()


def nearest(wanted: Iterable[str | None], there_are: Collection[str]) -> str:
    """The first of the wanted languages that there is, each tried whole and then shortened; at last English."""
    for tag in wanted:
        for shorter in _shortened(tag) if tag else ():
            if shorter in there_are:
                return shorter
    return LAST_RESORT


def _shortened(tag: str) -> Iterator[str]:
    parts = normal(tag).split("-")
    while parts:
        yield "-".join(parts)
        parts.pop()
