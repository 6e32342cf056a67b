"""The front over several dimensions with noise."""

import random

from paceline.rank.pareto import Point, pareto_front
from paceline.rank.reading import Reading, better
from paceline.stats import Bounds

LESS = {"latency": True, "cost": True, "quality": False}


def a_point(name: str, *readings: tuple[float, float] | None) -> Point:
    return Point(
        variant_id=name,
        readings={
            dimension: None
            if reading is None
            else Reading(value=sum(reading) / 2, bounds=Bounds(lo=reading[0], hi=reading[1]))
            for dimension, reading in zip(LESS, readings, strict=True)
        },
    )


def front(*points: Point) -> tuple[str, ...]:
    return pareto_front(points, less_is_better=LESS)


def test_better_in_one_and_level_in_the_others_dominates() -> None:
    fast = a_point("fast", (1, 2), (5, 6), (0.8, 0.9))
    slow = a_point("slow", (3, 4), (5, 6), (0.81, 0.91))
    assert front(slow, fast) == ("fast",)


def test_a_difference_within_the_noise_dominates_nobody() -> None:
    one = a_point("one", (1, 3), (5, 6), (0.8, 0.9))
    two = a_point("two", (2, 4), (5, 6), (0.8, 0.9))
    assert front(one, two) == ("one", "two")


def test_a_trade_stays_on_the_front() -> None:
    fast = a_point("fast", (1, 2), (9, 9.5), (0.8, 0.9))
    cheap = a_point("cheap", (3, 4), (5, 6), (0.8, 0.9))
    good = a_point("good", (5, 6), (9, 9.5), (0.95, 0.99))
    bad = a_point("bad", (5, 6), (9.6, 9.9), (0.1, 0.2))
    assert front(fast, cheap, good, bad) == ("fast", "cheap", "good")


def test_a_dimension_that_nobody_has_is_left_out_and_a_gap_is_not() -> None:
    fast = a_point("fast", (1, 2), (5, 6), None)
    slow = a_point("slow", (3, 4), (5, 6), None)
    assert front(fast, slow) == ("fast",)
    assert front(a_point("good", (9, 10), (5, 6), (0.8, 0.9)), fast) == ("good",)
    assert front(a_point("none", None, None, None)) == ()
    assert front() == ()


def test_a_circle_of_noise_keeps_all() -> None:
    points = (
        a_point("a", (1, 2), (1, 9), (0.1, 0.2)),
        a_point("b", (3, 4), (1, 2), (0.1, 0.9)),
        a_point("c", (1, 9), (3, 4), (0.3, 0.4)),
    )
    assert front(*points) == ("a", "b", "c")


def test_the_front_is_never_empty_and_nobody_outside_is_undominated() -> None:
    chance = random.Random(6)
    for _ in range(200):
        points = [
            a_point(
                str(n),
                *((lo, lo + chance.uniform(0, 0.2)) for lo in (chance.random() for _ in LESS)),
            )
            for n in range(8)
        ]
        found = front(*points)
        assert found
        for point in points:
            beaten = any(
                all(not _better(point, other, d) for d in LESS)
                and any(_better(other, point, d) for d in LESS)
                for other in points
            )
            assert (point.variant_id in found) is (not beaten) or len(found) == len(points)


def _better(one: Point, other: Point, dimension: str) -> bool:
    mine, theirs = one.readings[dimension], other.readings[dimension]
    assert mine is not None and theirs is not None
    return better(mine, theirs, less=LESS[dimension])
