"""Figures with bounds."""

import math
import random

import pytest

from paceline.rank.reading import Reading, better, geometric_mean, inverse, ratio, read, scaled
from paceline.records.measurement import Interval, Metric
from paceline.stats import Bounds
from paceline.testing.builders import a_metric


def a_reading(value: float, lo: float, hi: float) -> Reading:
    return Reading(value=value, bounds=Bounds(lo=lo, hi=hi))


def test_a_percentile_without_interval_is_above_the_lower_ones() -> None:
    metrics = {
        "ttft_p95_ms": Metric(value=900.0, unit="ms", ci95=None, n=12),
        "ttft_p90_ms": Metric(value=800.0, unit="ms", ci95=None, n=12),
        "ttft_p50_ms": a_metric(500.0, spread=0.1),
        "e2e_p50_ms": a_metric(5000.0, spread=0.1),
    }
    reading = read(metrics, "ttft_p95_ms")
    assert reading is not None
    assert reading.bounds == Bounds(lo=450.0, hi=math.inf)
    assert reading.interval is None


def test_a_figure_without_interval_and_without_neighbours_has_no_bounds() -> None:
    metrics = {"output_tokens_per_s": Metric(value=9.0, unit="tokens/s", ci95=None, n=1)}
    assert read(metrics, "output_tokens_per_s") == Reading(value=9.0, bounds=None)
    assert read(metrics, "ttft_p95_ms") is None


def test_what_was_seen_whole_is_its_own_bound() -> None:
    metrics = {"peak_memory_gib": Metric(value=2.0, unit="GiB", ci95=None, n=1)}
    assert read(metrics, "peak_memory_gib") == a_reading(2.0, 2.0, 2.0)


def test_no_bound_is_below_zero() -> None:
    rate = Metric(value=1.0, unit="tokens/s", ci95=Interval(lo=-2.0, hi=4.0), n=3)
    assert read({"output_tokens_per_s": rate}, "output_tokens_per_s") == a_reading(1.0, 0.0, 4.0)


@pytest.mark.parametrize(("share", "known"), [(0.04, True), (0.05, True), (0.06, False)])
def test_a_percentile_is_known_while_it_forgives_the_failures(share: float, known: bool) -> None:
    metrics = {
        "ttft_p95_ms": a_metric(100.0, spread=0.1),
        "output_tokens_per_s": a_metric(100.0, spread=0.1),
        "failed_share": Metric(value=share, unit="", ci95=None, n=100),
    }
    assert (read(metrics, "ttft_p95_ms") is not None) is known
    assert read(metrics, "output_tokens_per_s") is not None


def test_a_ratio_holds_every_ratio_of_values_within_the_bounds() -> None:
    chance = random.Random(1)
    for _ in range(300):
        lows = [chance.uniform(0.1, 10.0) for _ in range(2)]
        above, below = (a_reading(lo * 1.5, lo, lo * chance.uniform(1.6, 3)) for lo in lows)
        found = ratio(above, below)
        assert found is not None and found.bounds is not None
        for one in (above, below):
            assert one.bounds is not None
        assert above.bounds is not None and below.bounds is not None
        drawn = chance.uniform(above.bounds.lo, above.bounds.hi)
        drawn /= chance.uniform(below.bounds.lo, below.bounds.hi)
        assert found.bounds.lo - 1e-12 <= drawn <= found.bounds.hi + 1e-12
        assert found.bounds.lo <= found.value <= found.bounds.hi


def test_dividing_by_what_may_be_zero_has_no_upper_bound() -> None:
    found = ratio(a_reading(1.0, 0.5, 2.0), a_reading(1.0, 0.0, 2.0))
    assert found is not None
    assert found.bounds == Bounds(lo=0.25, hi=math.inf)
    assert ratio(a_reading(1.0, 0.5, 2.0), a_reading(0.0, 0.0, 2.0)) is None
    unknown = ratio(Reading(value=1.0, bounds=None), a_reading(2.0, 1.0, 3.0))
    assert unknown == Reading(value=0.5, bounds=None)


def test_the_geometric_mean_keeps_its_value_within_its_bounds() -> None:
    mean = geometric_mean([a_reading(2.0, 1.0, 4.0), a_reading(8.0, 4.0, 16.0)])
    assert mean.value == pytest.approx(4.0)
    assert mean.bounds is not None
    assert (mean.bounds.lo, mean.bounds.hi) == pytest.approx((2.0, 8.0))
    assert geometric_mean([a_reading(0.0, 0.0, 1.0), a_reading(1.0, 1.0, 1.0)]).value == 0.0
    assert geometric_mean([Reading(value=2.0, bounds=None)]).bounds is None


def test_inverse_and_scaled_turn_and_stretch_the_bounds() -> None:
    assert inverse(a_reading(2.0, 1.0, 4.0)) == a_reading(0.5, 0.25, 1.0)
    assert scaled(a_reading(2.0, 1.0, 4.0), by=2.0) == a_reading(4.0, 2.0, 8.0)


def test_better_is_a_strict_partial_order() -> None:
    chance = random.Random(2)
    readings = [
        a_reading(lo + width / 2, lo, lo + width)
        for lo, width in ((chance.uniform(0, 10), chance.uniform(0, 3)) for _ in range(25))
    ]
    readings.append(Reading(value=1.0, bounds=None))
    for less in (True, False):
        for a in readings:
            assert not better(a, a, less=less)
            for b in readings:
                assert not (better(a, b, less=less) and better(b, a, less=less))
                for c in readings:
                    if better(a, b, less=less) and better(b, c, less=less):
                        assert better(a, c, less=less)
