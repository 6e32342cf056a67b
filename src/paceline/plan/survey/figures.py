"""From predicted throughput, TTFT and TPOT to the figures of the JSON contract, with bands.

What one look at a mean cannot tell is bounded: a percentile lies between the mean itself
(constant service) and that of an exponential wait; its middle is that of a uniform wait, which is
what a request sees that joins a running batch at a random moment. Quality, cold starts, failures
and inter-token gaps are not predicted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from paceline.money import HOURS_PER_MONTH, SECONDS_PER_HOUR
from paceline.plan.predict.deployment import Array, Batch
from paceline.plan.predict.predict import Band, Prediction
from paceline.records.metric_names import (
    COST_USD_PER_MONTH,
    COST_USD_PER_MTOK,
    COST_USD_PER_REQUEST,
    MEMORY_PERCENT,
    OUTPUT_TOKENS_PER_S,
    PEAK_MEMORY_GIB,
    REQUESTS_PER_S,
    latency_name,
)
from paceline.records.request import Constraint, Request, Workload

Mask: TypeAlias = NDArray[np.bool_]
LATENCIES: Final = ("ttft", "tpot", "e2e")
DEFAULT_STATISTIC: Final = "p95"
# Quantile of a uniform and of an exponential wait, in multiples of its mean: 2q and -ln(1 - q).
TTFT_TAIL: Final = {"p90": (1.8, 2.30), "p95": (1.9, 3.00), "p99": (1.98, 4.61), "max": (2.0, 6.91)}
# A request's TPOT is a mean over its tokens already, so that requests differ less: the batch it
# meets may hold up to half as many again.
TPOT_TAIL: Final = {"p90": (1.05, 1.3), "p95": (1.1, 1.4), "p99": (1.2, 1.5), "max": (1.3, 2.0)}
UNITS: Final = {
    OUTPUT_TOKENS_PER_S: "tokens/s",
    REQUESTS_PER_S: "requests/s",
    COST_USD_PER_MTOK: "usd/mtok",
    COST_USD_PER_REQUEST: "usd/request",
    COST_USD_PER_MONTH: "usd/month",
    PEAK_MEMORY_GIB: "GiB",
    MEMORY_PERCENT: "%",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """What costs and memory shares are counted on. `[rows]`; not-a-number: price unknown."""

    usd_per_hour: Array
    """Of all devices together."""
    memory_gib: Array
    """Of one device."""


def request_figures(
    laid: Batch, seen: Prediction, request: Request, usd_per_hour: Array
) -> Mapping[str, Band]:
    """The figures of `laid` that `request` asks about, and e2e p95."""
    memory = np.array([device.memory_gib for device in laid.devices])[laid.device_at]
    return figures(
        seen,
        request.workload,
        Footing(usd_per_hour=usd_per_hour, memory_gib=memory),
        statistics=statistics_in(request.constraints) | {DEFAULT_STATISTIC},
    )


def unit_of(name: str) -> str:
    """The unit of a figure by its contract name."""
    return UNITS.get(name, "ms")


def figures(
    seen: Prediction, workload: Workload, footing: Footing, *, statistics: frozenset[str]
) -> Mapping[str, Band]:
    """Everything that can be said of each row. `statistics` adds percentiles beside the means."""
    found: dict[str, Band] = {}
    for statistic in ("mean", *sorted(statistics - {"mean"})):
        ttft = _tail(seen.ttft_ms, TTFT_TAIL.get(statistic))
        tpot = _tail(seen.tpot_ms, TPOT_TAIL.get(statistic))
        e2e = _sum(ttft, _times(tpot, max(0, workload.output_tokens - 1)))
        for name, band in zip(LATENCIES, (ttft, tpot, e2e), strict=True):
            found[latency_name(name, statistic)] = band
    rate = seen.output_tokens_per_s
    requests = _times(rate, 1.0 / max(1, workload.output_tokens))
    need = seen.need_gib
    month = footing.usd_per_hour * HOURS_PER_MONTH
    return found | {
        OUTPUT_TOKENS_PER_S: rate,
        REQUESTS_PER_S: requests,
        COST_USD_PER_MTOK: cost(footing.usd_per_hour, rate),
        COST_USD_PER_REQUEST: _over(footing.usd_per_hour / SECONDS_PER_HOUR, requests),
        COST_USD_PER_MONTH: _exact(month),
        PEAK_MEMORY_GIB: _exact(need),
        MEMORY_PERCENT: _exact(100.0 * need / footing.memory_gib),
    }


def cost(usd_per_hour: Array, tokens_per_s: Band) -> Band:
    """USD per million output tokens: price / 3600 / tokens per second x 1e6."""
    return _over(usd_per_hour / SECONDS_PER_HOUR * 1e6, tokens_per_s)


def statistics_in(constraints: tuple[Constraint, ...]) -> frozenset[str]:
    """The statistics that latencies are limited in."""
    return frozenset(
        c.statistic for c in constraints if c.statistic is not None and c.metric in LATENCIES
    )


def _tail(mean: Band, factors: tuple[float, float] | None) -> Band:
    """A percentile by its mean; the median and the mean are not told apart by what was learned."""
    if factors is None:
        return mean
    middle, high = factors
    return Band(value=mean.value * middle, low=mean.low, high=mean.high * high)


def _sum(one: Band, other: Band) -> Band:
    return Band(value=one.value + other.value, low=one.low + other.low, high=one.high + other.high)


def _times(band: Band, factor: float) -> Band:
    return Band(value=band.value * factor, low=band.low * factor, high=band.high * factor)


def _over(amount: Array, rate: Band) -> Band:
    return Band(value=amount / rate.value, low=amount / rate.high, high=amount / rate.low)


def _exact(value: Array) -> Band:
    return Band(value=value, low=value, high=value)


def better_worse(band: Band, *, less_is_better: bool) -> tuple[Array, Array]:
    """The optimistic and the pessimistic end."""
    return (band.low, band.high) if less_is_better else (band.high, band.low)


def violates(value: Array, constraint: Constraint) -> Mask:
    """Where a value breaks the limit; an unknown value (not-a-number) breaks nothing."""
    less = constraint.comparison.wants_less
    edge = value == constraint.limit
    strict = constraint.comparison.value in ("<", ">")
    beyond = value > constraint.limit if less else value < constraint.limit
    return np.asarray(beyond | (edge & strict), dtype=np.bool_)
