"""The front over latency, cost and quality, with the noise taken into account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paceline.rank.reading import Reading, better


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One variant's readings by dimension; `None` where it has none."""

    variant_id: str
    readings: Mapping[str, Reading | None]


def pareto_front(points: Sequence[Point], *, less_is_better: Mapping[str, bool]) -> tuple[str, ...]:
    """Ids of the points that no other dominates, in the order given.

    One point dominates another when it is better beyond the noise in one dimension and not worse
    beyond the noise in any. A dimension that no point has is left out; a point that lacks one of
    the others cannot be placed and is not on the front.
    """
    live = {
        dimension: less
        for dimension, less in less_is_better.items()
        if any(point.readings.get(dimension) is not None for point in points)
    }
    placed = [
        point
        for point in points
        if live and all(point.readings.get(dimension) is not None for dimension in live)
    ]
    front = [p for p in placed if not any(_dominates(q, p, live) for q in placed if q is not p)]
    # "Not worse beyond the noise" is not transitive: with wide intervals points can dominate each
    # other in a circle. Then the noise separates none of them, and all stay.
    return tuple(point.variant_id for point in front or placed)


def _dominates(one: Point, other: Point, live: Mapping[str, bool]) -> bool:
    wins = False
    for dimension, less in live.items():
        mine, theirs = one.readings[dimension], other.readings[dimension]
        if mine is None or theirs is None or better(theirs, mine, less=less):
            return False
        wins = wins or better(mine, theirs, less=less)
    return wins
