"""A figure with its bounds, and what can be said of two of them.

Bounds are 95 % and may be infinite here (one-sided knowledge); records hold finite intervals only.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from paceline.records.load_plan import ClientSettings
from paceline.records.measurement import Interval, Metric
from paceline.records.metric_names import FAILED_SHARE, LATENCIES, PERCENTILES, seen_whole
from paceline.stats import Bounds, proportion_bounds
from paceline.units import MS_PER_S

_FORGIVEN: Final = {"p50": 0.5, "p90": 0.1, "p95": 0.05, "p99": 0.01, "max": 0.0}
"""The share of requests that may be slower than the statistic says."""

_LONGEST_MS: Final = ClientSettings().timeout_s * MS_PER_S
"""What a failed request lasted at most: trials give up after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A value and its bounds; `None` bounds mean that nothing is known of its noise."""

    value: float
    bounds: Bounds | None

    @property
    def interval(self) -> Interval | None:
        """The bounds as a record holds them: `None` unless both are finite."""
        if self.bounds is None or not math.isfinite(self.bounds.hi - self.bounds.lo):
            return None
        return Interval(lo=self.bounds.lo, hi=self.bounds.hi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbounded:
    """Why a latency has no value over all requests; `sure` beyond the noise of what failed."""

    because: str
    sure: bool


def read(metrics: Mapping[str, Metric], name: str) -> Reading | None:
    """The figure `name` with the best bounds that its neighbours allow; `None` if there is none.

    What was seen whole is its own bound. A percentile whose sample is too small for an interval
    still lies above the lower bound of every lower percentile, which is enough to fail a limit.
    The figures of latencies are those of answered requests; failed ones are misses, which can only
    raise them, so they move the upper bound.
    """
    metric = metrics.get(name)
    if metric is None or unbounded_by_failures(metrics, name) is not None:
        return None
    bounds = _bounds(metrics, name, metric)
    return Reading(value=metric.value, bounds=bounds and _with_misses(metrics, name, bounds))


def unbounded_by_failures(metrics: Mapping[str, Metric], name: str) -> Unbounded | None:
    """Why a latency has no value over all requests, `None` when it has.

    A failed request is a miss. When more failed than the statistic forgives, the figure of those
    that were answered says nothing.
    """
    latency, statistic = _split(name)
    failed = metrics.get(FAILED_SHARE)
    forgiven = _FORGIVEN.get(statistic)
    if latency not in LATENCIES or forgiven is None or failed is None or failed.value <= forgiven:
        return None
    return Unbounded(
        because=f"{failed.value:.2%} of {failed.n} requests failed; "
        f"{statistic} forgives {forgiven:.0%}",
        sure=_failing(failed).lo > forgiven,
    )


def ratio(of: Reading, to: Reading) -> Reading | None:
    """`of ÷ to` with the bounds of independent figures; `None` when `to` is zero."""
    if to.value <= 0:
        return None
    bounds = None
    if of.bounds is not None and to.bounds is not None:
        bounds = Bounds(
            lo=of.bounds.lo / to.bounds.hi if to.bounds.hi > 0 else 0.0,
            hi=of.bounds.hi / to.bounds.lo if to.bounds.lo > 0 else math.inf,
        )
    return Reading(value=of.value / to.value, bounds=bounds)


def scaled(reading: Reading, *, by: float) -> Reading:
    """`reading × by`, `by` above 0 and without noise."""
    bounds = reading.bounds
    return Reading(
        value=reading.value * by,
        bounds=None if bounds is None else Bounds(lo=bounds.lo * by, hi=bounds.hi * by),
    )


def inverse(reading: Reading) -> Reading | None:
    """`1 ÷ reading`; `None` when it is zero."""
    return ratio(Reading(value=1.0, bounds=Bounds(lo=1.0, hi=1.0)), reading)


def geometric_mean(readings: Iterable[Reading]) -> Reading:
    """Of one or more readings. Its bounds are the means of theirs: no independence is assumed,
    for throughput, latency and cost of one variant rise and fall together."""
    listed = list(readings)
    bounds = [reading.bounds for reading in listed]
    known = [bound for bound in bounds if bound is not None]
    return Reading(
        value=_geometric([reading.value for reading in listed]),
        bounds=Bounds(
            lo=_geometric([bound.lo for bound in known]),
            hi=_geometric([bound.hi for bound in known]),
        )
        if len(known) == len(listed)
        else None,
    )


def better(one: Reading, other: Reading, *, less: bool) -> bool:
    """Whether `one` is better beyond the noise: the bounds do not meet."""
    if one.bounds is None or other.bounds is None:
        return False
    if less:
        return one.bounds.hi < other.bounds.lo
    return one.bounds.lo > other.bounds.hi


def _geometric(values: list[float]) -> float:
    if min(values) <= 0:
        return 0.0
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def _bounds(metrics: Mapping[str, Metric], name: str, metric: Metric) -> Bounds | None:
    if metric.ci95 is not None:
        # Batch means of few values can reach below zero; no figure here can.
        return Bounds(lo=max(0.0, metric.ci95.lo), hi=metric.ci95.hi)
    if name == FAILED_SHARE:
        return _failing(metric)
    if seen_whole(name):
        return Bounds(lo=metric.value, hi=metric.value)
    floor = _floor(metrics, name)
    return None if floor is None else Bounds(lo=floor, hi=math.inf)


def _with_misses(metrics: Mapping[str, Metric], name: str, bounds: Bounds) -> Bounds:
    """The bounds over all requests: where failed ones took places at the top, a percentile of all
    is a higher one of those that were answered."""
    latency, statistic = _split(name)
    failed = metrics.get(FAILED_SHARE)
    if latency not in LATENCIES or failed is None or failed.value <= 0:
        return bounds
    if statistic == "mean":
        share = failed.value
        return Bounds(lo=bounds.lo, hi=bounds.hi * (1 - share) + _LONGEST_MS * share)
    answered = 1 - _failing(failed).hi
    needed = PERCENTILES[statistic]
    higher = (
        known.ci95.hi
        for percentile, share in PERCENTILES.items()
        if share * answered >= needed
        and (known := metrics.get(f"{latency}_{percentile}_ms")) is not None
        and known.ci95 is not None
    )
    return Bounds(lo=bounds.lo, hi=min(higher, default=math.inf))


def _failing(failed: Metric) -> Bounds:
    """The share of requests that fail in the long run."""
    if failed.ci95 is not None:
        return Bounds(lo=failed.ci95.lo, hi=failed.ci95.hi)
    return proportion_bounds(round(failed.value * failed.n), failed.n)


def _floor(metrics: Mapping[str, Metric], name: str) -> float | None:
    latency, statistic = _split(name)
    if latency not in LATENCIES or statistic not in PERCENTILES:
        return None
    own = PERCENTILES[statistic]
    lower = (f"{latency}_{p}_ms" for p, share in PERCENTILES.items() if share < own)
    known = (metrics[key].ci95 for key in lower if key in metrics)
    return max((interval.lo for interval in known if interval is not None), default=None)


def _split(name: str) -> tuple[str, str]:
    """`ttft_p95_ms` → `ttft`, `p95`; of other figures, two parts that are no latency."""
    latency, _, statistic = name.removesuffix("_ms").rpartition("_")
    return latency, statistic
