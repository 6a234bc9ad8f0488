"""The pictures of the page as geometry: areas, bars and their axes, in whole numbers.

A picture is drawn on a canvas of `WIDTH` by `HEIGHT` units that the page stretches to whatever room there is; so its
words are not in it but around it, placed by percent, and stay as large on a phone as on a desk.

What a newcomer would get wrong: two programs that give the same are drawn side by side on one scale, or the smaller
would look as large.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from services.ledger.simulation.figures import Figures, Month
from services.ledger.simulation.numbers import amount, noun, percent, short

WIDTH, HEIGHT = 6000, 2400
MOST_TICKS = 5
MOST_DATES = 7  # labels below a picture that do not touch on a desk; a phone shows every second
GAP = Fraction(1, 5)  # of the room of a bar that stays empty


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the picture (or a mark below it): its words, and how far from the top (the left), in percent."""

    words: str
    at: str
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """An area or a bar: its kind (the style), its outline, and what it says when it is pointed at."""

    kind: str
    path: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture. `title` names it, `about` says what is to be seen to those who do not see it."""

    title: str
    about: str
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    dates: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """From a number to a height of the canvas; `low` is 0 or below."""

    low: int
    high: int
    step: int

    def y(self, number: int) -> int:
        """How far from the top."""
        return HEIGHT * (self.high - number) // (self.high - self.low)

    def ticks(self, words: Callable[[int], str]) -> tuple[Tick, ...]:
        """The lines across."""
        count = (self.high - self.low) // self.step
        numbers = [self.low + self.step * each for each in range(count + 1)]
        return tuple(Tick(words(number), _percent(self.y(number), HEIGHT)) for number in numbers)


def scale_of(low: int, high: int) -> Scale:
    """A scale that holds both, with few lines at round numbers."""
    step = 1
    while (high - low) > step * MOST_TICKS:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return Scale(-(-max(0, -low) // step) * step * -1, max(step, -(-high // step) * step), step)


def owed(figures: Sequence[Figures]) -> list[Picture]:
    """What members had at the end of each month: available below, pending on top."""
    return [_owed(each, scale_of(0, max(month.owed for month in _alike(each, figures)))) for each in figures]


def flows(figures: Sequence[Figures]) -> list[Picture]:
    """What was issued in each month upwards, what was spent and what expired downwards."""
    pictures = []
    for each in figures:
        months = _alike(each, figures)
        scale = scale_of(-max(map(_left, months)), max(month.issued for month in months))
        pictures.append(_flows(each, scale))
    return pictures


def tenths(figures: Sequence[Figures]) -> list[Picture]:
    """Which share of all each tenth of the members earned; none where members are few."""
    if not all(each.members.tenths for each in figures):
        return []
    highest = max(max(each.members.tenths) for each in figures)
    scale = scale_of(0, int(highest * 100) + 1)
    return [_tenths(each, scale) for each in figures]


def _alike(figures: Figures, all_figures: Sequence[Figures]) -> list[Month]:
    """The months of all programs that give the same as this one."""
    return [month for each in all_figures if each.trial.asset == figures.trial.asset for month in each.months]


def _owed(figures: Figures, scale: Scale) -> Picture:
    months, told = figures.months, partial(amount, figures.trial.asset)
    available = [0, *[month.available + month.held for month in months]]
    everything = [0, *[month.owed for month in months]]
    floor = [0] * len(everything)
    return Picture(
        f"What members were owed in {noun(figures.trial.asset)}: {figures.trial.label}",
        f"From {months[0].label} to {months[-1].label}; at the end {told(months[-1].owed)}, at most "
        f"{told(max(everything))}.",
        (
            Mark("available", _area(floor, available, scale)),
            Mark("pending", _area(available, everything, scale)),
            *_hovers(
                months,
                lambda month: (
                    f"{told(month.available + month.held)} available, {told(month.pending)} pending"
                ),
            ),
        ),
        scale.ticks(partial(short, figures.trial.asset)),
        _dates(months),
    )


def _flows(figures: Figures, scale: Scale) -> Picture:
    months, total, asset = figures.months, figures.total, figures.trial.asset
    told = partial(amount, asset)
    marks = []
    for place, month in enumerate(months):
        spent = -month.spent
        for kind, start, end in (
            ("issued", 0, month.issued),
            ("spent", 0, spent),
            ("expired", spent, spent - month.expired),
            ("taken", spent - month.expired, -_left(month)),
        ):
            if start != end:
                marks.append(Mark(kind, _bar(place, len(months), start, end, scale)))
    return Picture(
        f"What was issued, spent and expired in {noun(asset)}: {figures.trial.label}",
        f"From {months[0].label} to {months[-1].label}: {told(total.issued)} issued, {told(total.spent)} spent, "
        f"{told(total.expired)} expired.",
        (
            *marks,
            *_hovers(
                months,
                lambda month: (
                    f"{told(month.issued)} issued, {told(month.spent)} spent, {told(month.expired)} expired"
                ),
            ),
        ),
        scale.ticks(lambda number: short(asset, abs(number))),
        _dates(months),
    )


def _tenths(figures: Figures, scale: Scale) -> Picture:
    shares = figures.members.tenths
    marks = [
        Mark("tenth", _bar(place, len(shares), 0, int(share * 100), scale, part=share * 100), percent(share))
        for place, share in enumerate(shares)
    ]
    dates = [
        Tick(_tenth(place), _percent(2 * place + 1, 2 * len(shares)), bool(place % 3))
        for place in range(len(shares))
    ]
    return Picture(
        f"Share of each tenth of members: {figures.trial.label}",
        f"The tenth that earned most has {percent(shares[-1])} of all, the tenth that earned least "
        f"{percent(shares[0])}.",
        tuple(marks),
        scale.ticks(lambda number: f"{number} %"),
        tuple(dates),
    )


def _area(low: Sequence[int], high: Sequence[int], scale: Scale) -> str:
    """The outline between two lines over the whole width."""
    count = len(high) - 1
    there = [f"{WIDTH * place // count},{scale.y(number)}" for place, number in enumerate(high)]
    back = [f"{WIDTH * place // count},{scale.y(number)}" for place, number in enumerate(low)]
    return f"M{' L'.join(there)} L{' L'.join(reversed(back))}Z"


def _bar(place: int, count: int, start: int, end: int, scale: Scale, part: Fraction | None = None) -> str:
    """A bar in its place of so many, between two numbers; `part` is an end that is no whole number."""
    left = int(WIDTH * (place + GAP / 2) / count)
    right = int(WIDTH * (place + 1 - GAP / 2) / count)
    top = scale.y(end) if part is None else int(HEIGHT * (scale.high - part) / (scale.high - scale.low))
    return f"M{left},{scale.y(start)} V{top} H{right} V{scale.y(start)}Z"


def _hovers(months: Sequence[Month], words: Callable[[Month], str]) -> list[Mark]:
    """An unseen column over each month that says its numbers."""
    count = len(months)
    return [
        Mark(
            "hover",
            f"M{WIDTH * place // count},0 H{WIDTH * (place + 1) // count} V{HEIGHT} H{WIDTH * place // count}Z",
            f"{month.label}: {words(month)}",
        )
        for place, month in enumerate(months)
    ]


def _left(month: Month) -> int:
    return month.spent + month.expired + month.taken_back


def _dates(months: Sequence[Month]) -> tuple[Tick, ...]:
    """Labels at the middle of some months, the first among them; every second is left out where there is no room."""
    every = -(-len(months) // MOST_DATES)
    shown = range(0, len(months), every)
    return tuple(
        Tick(f"{months[place].first_day:%b %y}", _percent(2 * place + 1, 2 * len(months)), bool(number % 2))
        for number, place in enumerate(shown)
    )


def _tenth(place: int) -> str:
    return ("1st", "2nd", "3rd")[place] if place < 3 else f"{place + 1}th"


def _percent(part: int, whole_of: int) -> str:
    """A place for CSS, to a hundredth of a percent."""
    hundredths = part * 10_000 // whole_of
    return f"{hundredths // 100}.{hundredths % 100:02}%"
