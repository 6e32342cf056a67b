"""Small charts as inline SVG: pure functions from numbers to text.

Every chart is drawn on the width of a phone, so that its letters can be read there; on wider
screens several stand side by side. Colours and fonts come from the page's style sheet by class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, NamedTuple

from paceline.records.measurement import Interval

WIDTH: Final = 360
HEIGHT: Final = 210
LEFT: Final = 46
RIGHT: Final = 12
TOP: Final = 20
BOTTOM: Final = 36
LETTER: Final = 12
"""Room for one line of words."""
TICKS: Final = 4
"""About so many per axis: more do not fit on a phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale with its caption: linear, or of powers of ten."""

    low: float
    high: float
    label: str
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, from 0 (the low end) to 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """The values that are written beside it."""
        return log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A vertical or horizontal line at a value, with a word beside it."""

    value: float
    label: str
    kind: str
    """CSS class: `limit` or `percentile`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A labelled point; `kind` are its CSS classes, `about` is told when it is pointed at."""

    x: float
    y: float
    label: str
    kind: str
    about: str = ""
    x_span: Interval | None = None
    y_span: Interval | None = None


def axis(values: Sequence[float], label: str, *, from_zero: bool = True) -> Axis:
    """An axis on which all values have room."""
    low = 0.0 if from_zero else min(values, default=0.0)
    high = max(values, default=1.0)
    if high <= low:
        high = low + (abs(low) or 1.0) * 0.1
    return Axis(low=low, high=high + (high - low) * 0.05, label=label)


def log_axis(values: Sequence[float], label: str) -> Axis:
    """An axis of powers of ten on which all values, each above zero, have room."""
    room = max((max(values) / min(values)) ** 0.06, 1.1)
    return Axis(low=min(values) / room, high=max(values) * room, label=label, log=True)


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, or as many of the powers as there is room for."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [10.0**power * factor for power in powers for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) <= TICKS + 1:
            break
    return found[:: max(math.ceil(len(found) / (TICKS + 1)), 1)] or [low, high]


def ticks(low: float, high: float, about: int = TICKS) -> list[float]:
    """Round numbers between two bounds: 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def number(value: float) -> str:
    """A tick's text: `0.5`, `20`, `1.5k`, `2M`."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{suffix}"
    return f"{value:.4g}"


def bars(
    counts: Sequence[float],
    edges: Sequence[float],
    *,
    title: str,
    x_label: str,
    y_label: str,
    marks: Sequence[Mark],
) -> str:
    """A histogram; `edges` are one more than `counts`."""
    room = [*edges, *(mark.value for mark in marks)]
    x, y = axis(room, x_label, from_zero=False), axis(counts, y_label)
    plot = _Plot(x, y, title)
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        if count:
            plot.add(
                f'<rect class="bar" x="{plot.x(low):.1f}" y="{plot.y(count):.1f}"'
                f' width="{max(plot.x(high) - plot.x(low) - 0.5, 0.5):.1f}"'
                f' height="{plot.y(0) - plot.y(count):.1f}">'
                f"<title>{low:.4g}–{high:.4g} {escape(x_label)}: {count:g}</title></rect>"
            )
    plot.vertical(marks)
    return plot.text()


def line(
    xs: Sequence[float], ys: Sequence[float], *, title: str, x_label: str, y_label: str
) -> str:
    """Values over something, as a line with a filled area."""
    plot = _Plot(axis(xs, x_label, from_zero=False), axis(ys, y_label), title)
    path = " L".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in zip(xs, ys, strict=True))
    if xs:
        floor = plot.y(0)
        plot.add(
            f'<path class="area" d="M{plot.x(xs[0]):.1f},{floor:.1f} L{path}'
            f' L{plot.x(xs[-1]):.1f},{floor:.1f} Z"/><path class="line" d="M{path}"/>'
        )
    return plot.text()


def cloud(
    xs: Sequence[float],
    ys: Sequence[float],
    *,
    title: str,
    x_label: str,
    y_label: str,
    failed_at: Sequence[float],
    marks: Sequence[Mark],
) -> str:
    """Many small points, failures as ticks along the top, limits as horizontal lines."""
    y = axis([*ys, *(mark.value for mark in marks)], y_label)
    plot = _Plot(axis([*xs, *failed_at], x_label, from_zero=False), y, title)
    dots = "".join(
        f"M{plot.x(x):.1f},{plot.y(y):.1f}h0" for x, y in zip(xs, ys, strict=True)
    )  # a stroke of no length with round ends is a dot, in one element for all of them
    plot.add(f'<path class="dots" d="{dots}"/>')
    crosses = "".join(f"M{plot.x(at):.1f},{TOP}v7" for at in failed_at)
    if crosses:
        plot.add(f'<path class="failed" d="{crosses}"><title>failed requests</title></path>')
    plot.horizontal(marks)
    return plot.text()


def scatter(
    dots: Sequence[Dot], *, title: str, x_label: str, y_label: str, marks: Sequence[Mark]
) -> str:
    """Labelled points, joined in their order."""
    x = axis([dot.x for dot in dots], x_label)
    y = axis([*(dot.y for dot in dots), *(mark.value for mark in marks)], y_label)
    plot = _Plot(x, y, title)
    path = " L".join(f"{plot.x(dot.x):.1f},{plot.y(dot.y):.1f}" for dot in dots)
    plot.add(f'<path class="join" d="M{path}"/>' if dots else "")
    plot.horizontal(marks)
    named: list[tuple[float, float]] = []
    for dot in dots:
        at = (plot.x(dot.x), plot.y(dot.y))
        plot.add(f'<circle class="dot {dot.kind}" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="4"/>')
        if any(abs(at[0] - x) < 2 * LETTER and abs(at[1] - y) < LETTER for x, y in named):
            continue  # the names of dots this near would cover each other
        named.append(at)
        side, shift = ("end", -7) if at[0] > WIDTH - RIGHT - 40 else ("start", 7)
        plot.add(
            f'<text class="name" x="{at[0] + shift:.1f}" y="{at[1] - 5:.1f}"'
            f' text-anchor="{side}">{escape(dot.label)}</text>'
        )
    return plot.text()


def points(dots: Sequence[Dot], *, title: str, x: Axis, y: Axis, level: bool = False) -> str:
    """Labelled points and how far each may be off; `level`: a line from corner to corner, on
    which x is y when both axes are alike."""
    plot = _Plot(x, y, title)
    if level:
        ends = LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, TOP
        plot.add('<line class="level" x1="{}" y1="{}" x2="{}" y2="{}"/>'.format(*ends))
    taken = []
    for dot in dots:
        at = plot.x(dot.x), plot.y(dot.y)
        across, up = dot.x_span, dot.y_span
        if across is not None:
            plot.reach(dot.kind, (plot.x(across.lo), at[1]), (plot.x(across.hi), at[1]))
        if up is not None:
            plot.reach(dot.kind, (at[0], plot.y(up.lo)), (at[0], plot.y(up.hi)))
        plot.add(
            f'<circle class="point {dot.kind}" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="4">'
            f"<title>{escape(dot.about or dot.label)}</title></circle>"
        )
        taken.append(_Box(at[0] - 4, at[1] - 4, at[0] + 4, at[1] + 4))
    for dot in dots:
        taken.append(plot.name(dot, taken))
    return plot.text()


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def shared(self, other: "_Box") -> float:
        """The area that two boxes share."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(high, 0.0)


class _Plot:
    """One chart under construction: places values, draws the frame."""

    def __init__(self, x: Axis, y: Axis, title: str) -> None:
        self._x_axis, self._y_axis, self._title = x, y, title
        self._parts: list[str] = []

    def add(self, element: str) -> None:
        self._parts.append(element)

    def x(self, value: float) -> float:
        return LEFT + self._x_axis.share(value) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - self._y_axis.share(value) * (HEIGHT - TOP - BOTTOM)

    def reach(self, kind: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """The line of an interval, between two places."""
        self.add(
            f'<line class="reach {kind}" x1="{start[0]:.1f}" y1="{start[1]:.1f}"'
            f' x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>'
        )

    def name(self, dot: Dot, taken: Sequence[_Box]) -> _Box:
        """A dot's name, beside it where it covers least; where that is."""
        x, y = self.x(dot.x), self.y(dot.y)
        wide = LETTER * 0.6 * len(dot.label)
        lefts = [left for left in (x + 5, x - 5 - wide) if LEFT < left < WIDTH - RIGHT - wide / 2]
        places = [
            _Box(left, top, left + wide, top + LETTER)
            for top in (y - 3 - LETTER, y + 3)
            for left in lefts
            if TOP - LETTER < top < HEIGHT - BOTTOM - LETTER
        ]
        box = min(places, key=lambda place: sum(place.shared(other) for other in taken))
        self.add(
            f'<text class="name {dot.kind}" x="{box.left:.1f}" y="{box.bottom - 2:.1f}">'
            f"{escape(dot.label)}</text>"
        )
        return box

    def vertical(self, marks: Sequence[Mark]) -> None:
        """Lines at values of x; their words step down so that near ones stay readable."""
        for row, mark in enumerate(sorted(marks, key=lambda mark: mark.value)):
            at = self.x(mark.value)
            side = "end" if at > WIDTH / 2 else "start"
            shift = -3 if side == "end" else 3
            self.add(
                f'<line class="{mark.kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}"'
                f' y2="{HEIGHT - BOTTOM}"/><text class="{mark.kind}" x="{at + shift:.1f}"'
                f' y="{TOP + 9 + LETTER * row}" text-anchor="{side}">{escape(mark.label)}</text>'
            )

    def horizontal(self, marks: Sequence[Mark]) -> None:
        """Lines at values of y."""
        for mark in marks:
            at = self.y(mark.value)
            word_at = at - 4 if at > TOP + LETTER else at + LETTER
            self.add(
                f'<line class="{mark.kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}"'
                f' y2="{at:.1f}"/><text class="{mark.kind}" x="{WIDTH - RIGHT}"'
                f' y="{word_at:.1f}" text-anchor="end">{escape(mark.label)}</text>'
            )

    def text(self) -> str:
        """The whole element."""
        title = escape(self._title)
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
            f'<text class="title" x="{LEFT}" y="12">{title}</text>'
            f"{self._frame()}{''.join(self._parts)}</svg>"
        )

    def _frame(self) -> str:
        floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = [f'<path class="frame" d="M{LEFT},{TOP}V{floor}H{right}"/>']
        for value in self._x_axis.ticks():
            parts.append(
                f'<text class="tick" x="{self.x(value):.1f}" y="{floor + 13}"'
                f' text-anchor="middle">{number(value)}</text>'
            )
        for value in self._y_axis.ticks():
            at = self.y(value)
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
                f'<text class="tick" x="{LEFT - 5}" y="{at + 3.5:.1f}"'
                f' text-anchor="end">{number(value)}</text>'
            )
        parts.append(
            f'<text class="label" x="{(LEFT + right) / 2}" y="{HEIGHT - 6}"'
            f' text-anchor="middle">{escape(self._x_axis.label)}</text>'
            f'<text class="label" transform="translate(10 {(TOP + floor) / 2}) rotate(-90)"'
            f' text-anchor="middle">{escape(self._y_axis.label)}</text>'
        )
        return "".join(parts)
