"""Rows of text in columns that fit a terminal: folded between words, never inside a name.

A width is counted in characters; those that terminals draw twice as wide lean out of their column.
"""

import os
import shutil
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

NOT_A_TERMINAL: Final = 120
"""Characters of a line of a table in a file or a pipe, unless COLUMNS says otherwise."""
GAP: Final = 2
INDENT: Final = 4
TOWER: Final = 2
"""Lines of a cell that still read as one, beside figures of one line."""
UNKNOWN: Final = "–"


def terminal_width() -> int | None:
    """Characters of a line where stdout is a terminal or COLUMNS is set, else `None`."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size(fallback=(NOT_A_TERMINAL, 0)).columns
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A table as lines: of its header, and of each row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def lay_out(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    left: Collection[int] | None = None,
    gap: int = GAP,
) -> Laid:
    """Columns within `width`. Those in `left` lean left, the others right; without it numbers do.

    Where even the longest words do not fit beside each other, the columns with the longest ones are
    lines of their own, under what is left of their row; and so is then what the rest would fold
    into a tower.
    """
    places = [_Column.of(name, [row[at] for row in rows]) for at, name in enumerate(columns)]
    if left is not None:
        places = [replace(one, leans_right=at not in left) for at, one in enumerate(places)]
    beside = list(range(len(columns)))
    while len(beside) > 1 and _taken([places[at].least for at in beside], gap) > width:
        beside.remove(max(beside, key=lambda at: (not places[at].leans_right, places[at].least)))
    if len(beside) < len(columns):
        beside = _without_towers(beside, places, rows, width, gap)
    below = [at for at in range(len(columns)) if at not in beside]
    shown = [places[at] for at in beside]
    widths = _shrunk(shown, width, gap)

    def lines_of(cells: Sequence[str]) -> tuple[str, ...]:
        lines = _row([cells[at] for at in beside], shown, widths, gap)
        for at in below:
            lines += [" " * INDENT + line for line in folded(cells[at], width - INDENT)]
        return tuple(lines)

    return Laid(header=lines_of(columns), rows=tuple(lines_of(row) for row in rows))


def _without_towers(
    beside: Sequence[int],
    places: Sequence["_Column"],
    rows: Sequence[Sequence[str]],
    width: int,
    gap: int,
) -> list[int]:
    """The columns that stay in the row: numbers, and words of at most `TOWER` lines."""
    widths = _shrunk([places[at] for at in beside], width, gap)
    return [
        at
        for at, room in zip(beside, widths, strict=True)
        if places[at].leans_right or all(len(folded(row[at], room)) <= TOWER for row in rows)
    ]


def folded(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters; a word that is longer has one to itself."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """`least` is the width of its longest word, `most` of its longest cell."""

    least: int
    most: int
    leans_right: bool

    @classmethod
    def of(cls, name: str, cells: Sequence[str]) -> "_Column":
        texts = (name, *cells)
        return cls(
            least=max(len(word) for text in texts for word in text.split() or [""]),
            most=max(len(text) for text in texts),
            leans_right=bool(cells) and all(_is_number(cell) for cell in cells),
        )


def _is_number(text: str) -> bool:
    digits = text.replace(",", "").replace(".", "").lstrip("-~<")
    return digits.isdigit() or text in ("", UNKNOWN)


def _taken(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _shrunk(columns: Sequence[_Column], width: int, gap: int) -> list[int]:
    """The widest gives first, so that short columns stay on one line."""
    widths = [column.most for column in columns]
    while _taken(widths, gap) > width:
        can_give = [at for at, column in enumerate(columns) if widths[at] > column.least]
        if not can_give:
            break
        widths[max(can_give, key=lambda at: widths[at])] -= 1
    return widths


def _row(
    cells: Sequence[str], columns: Sequence[_Column], widths: Sequence[int], gap: int
) -> list[str]:
    """As many lines as the cell with most of them."""
    stacks = [folded(cell, width) for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for level in range(max(len(stack) for stack in stacks)):
        parts = [
            _leaning(stack[level] if level < len(stack) else "", width, right=column.leans_right)
            for stack, column, width in zip(stacks, columns, widths, strict=True)
        ]
        lines.append((" " * gap).join(parts).rstrip())
    return lines


def _leaning(text: str, width: int, *, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)
