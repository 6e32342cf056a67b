"""A series of measurements as a `Stat`: mean, percentiles and what their intervals are."""

from typing import Final

import numpy as np

from paceline.records.measurement import Interval, Stat
from paceline.records.metric_names import PERCENTILES
from paceline.stats import Bounds, Series, mean_bounds, quantile, quantile_bounds

NOTHING: Final = Stat(mean=None, p50=None, p90=None, p95=None, p99=None, max=None, n=0, ci95={})


def describe(series: Series) -> Stat:
    """Summary of values in the order in which they were measured."""
    values = np.asarray(series, dtype=np.float64)
    if not len(values):
        return NOTHING
    intervals = {"mean": interval_of(mean_bounds(values))}
    for name, share in PERCENTILES.items():
        intervals[name] = interval_of(quantile_bounds(values, share))
    points = {name: quantile(values, share) for name, share in PERCENTILES.items()}
    return Stat(
        mean=float(np.mean(values)),
        max=float(np.max(values)),
        n=len(values),
        ci95=intervals,
        **points,
    )


def interval_of(bounds: Bounds | None) -> Interval | None:
    """Bounds as the record that is stored."""
    return None if bounds is None else Interval(lo=bounds.lo, hi=bounds.hi)
