"""What can be seen in a picture of one coloured shape on a plain ground: `red circle`.

Nothing is learned: the colour is the one that most pixels of the figure are nearest to, the shape
the one that covers the same part of its bounding box. Size and place do not count.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paceline.trial.images.png import Pixels

Mask = NDArray[np.bool_]
Point = tuple[float, float]

COLOURS: Final[Mapping[str, tuple[int, int, int]]] = {
    "red": (220, 40, 40),
    "orange": (245, 140, 20),
    "yellow": (240, 215, 30),
    "green": (40, 160, 70),
    "cyan": (40, 200, 215),
    "blue": (40, 70, 210),
    "purple": (145, 50, 170),
    "black": (30, 30, 30),
    "white": (250, 250, 250),
    "grey": (128, 128, 128),
}
FIGURE_LEVELS: Final = 60.0
"""Of 255, Euclidean: a pixel that is farther from the ground belongs to the figure."""
LEAST_SHARE: Final = 0.01
MOST_SHARE: Final = 0.9
"""Of the picture. A figure outside of these is a speck, or everything."""
LEAST_OVERLAP: Final = 0.65
"""Intersection over union with the shape: a diamond and a circle have 0.64 in common."""
MOST_STRETCHED: Final = 2.0
"""A figure that is longer than its breadth by more is a bar."""
_STRAY: Final = 0.04
"""Lines with fewer pixels of the figure than this share of its fullest line do not bound it."""
_GRID: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The nearest colour and shape; `overlap` is intersection over union with that shape, 0–1."""

    colour: str
    shape: str
    overlap: float


def shows(pixels: Pixels, words: str) -> bool:
    """Whether the picture is of these words: `red circle`. Other words are never seen."""
    sight = look(pixels)
    return sight is not None and words.split() == [sight.colour, sight.shape]


def look(pixels: Pixels) -> Sight | None:
    """What a picture `[height, width, 3]` shows; `None` where no known shape stands out."""
    levels = pixels.astype(np.float64)
    border = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    ground = np.median(border, axis=0)
    figure = np.linalg.norm(levels - ground, axis=-1) > FIGURE_LEVELS
    if not LEAST_SHARE <= figure.mean() <= MOST_SHARE:
        return None
    rows, columns = _filled_lines(figure.sum(axis=1)), _filled_lines(figure.sum(axis=0))
    if not 1 / MOST_STRETCHED <= len(rows) / len(columns) <= MOST_STRETCHED:
        return None
    framed = figure[np.ix_(_sampled(rows), _sampled(columns))]
    overlaps = {name: _overlap(framed, mask) for name, mask in _SHAPES.items()}
    shape = max(overlaps, key=overlaps.__getitem__)
    if overlaps[shape] < LEAST_OVERLAP:
        return None
    return Sight(colour=_colour(levels[figure]), shape=shape, overlap=overlaps[shape])


def _colour(levels: NDArray[np.float64]) -> str:
    """The name that most of the pixels `[pixels, 3]` are nearest to; edges are outvoted."""
    known = np.array(list(COLOURS.values()), dtype=np.float64)
    nearest = np.linalg.norm(levels[:, None] - known, axis=-1).argmin(axis=1)
    return list(COLOURS)[int(np.bincount(nearest).argmax())]


def _filled_lines(counts: NDArray[np.int_]) -> range:
    """From the first line that the figure fills to the last."""
    full = np.flatnonzero(counts > _STRAY * counts.max())
    return range(int(full[0]), int(full[-1]) + 1)


def _sampled(lines: range) -> NDArray[np.int_]:
    """Which line of the picture each line of the grid is taken from."""
    return (lines.start + (np.arange(_GRID) + 0.5) * len(lines) / _GRID).astype(np.int_)


def _overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def _filled(corners: tuple[Point, ...]) -> Mask:
    """Where a polygon is within its own bounding box; even-odd rule."""
    points = np.array(corners)
    low, high = points.min(axis=0), points.max(axis=0)
    places = (np.arange(_GRID) + 0.5) / _GRID
    x = (low[0] + places * (high[0] - low[0]))[None, :]
    y = (low[1] + places * (high[1] - low[1]))[:, None]
    inside = np.zeros((_GRID, _GRID), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def _around(count: int, *radii: float) -> tuple[Point, ...]:
    """Corners around the middle, from the top on, whose radii take turns."""
    turns = ((corner, 2 * math.pi * corner / count) for corner in range(count))
    return tuple(
        (radii[corner % len(radii)] * math.sin(turn), -radii[corner % len(radii)] * math.cos(turn))
        for corner, turn in turns
    )


_ARM: Final = 0.33
_SHAPES: Final[Mapping[str, Mask]] = {
    name: _filled(corners)
    for name, corners in {
        "circle": _around(40, 1.0),
        "square": ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)),
        "triangle": ((0.0, -1.0), (1.0, 1.0), (-1.0, 1.0)),
        "diamond": ((0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)),
        "cross": (
            *((-_ARM, -1.0), (_ARM, -1.0), (_ARM, -_ARM), (1.0, -_ARM)),
            *((1.0, _ARM), (_ARM, _ARM), (_ARM, 1.0), (-_ARM, 1.0)),
            *((-_ARM, _ARM), (-1.0, _ARM), (-1.0, -_ARM), (-_ARM, -_ARM)),
        ),
        "star": _around(10, 1.0, 0.42),
    }.items()
}
SHAPES: Final = tuple(_SHAPES)
