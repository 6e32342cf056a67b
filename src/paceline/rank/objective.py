"""The priority as a number per variant: what orders the variants that meet every constraint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from paceline.rank.filter import Measured, quality_ratio
from paceline.rank.pool import Pooled
from paceline.rank.reading import Reading, geometric_mean, inverse, read, scaled
from paceline.records.metric_names import (
    COST_USD_PER_IMAGE,
    COST_USD_PER_MTOK,
    COST_USD_PER_REQUEST,
    OUTPUT_TOKENS_PER_S,
    QUALITY,
    constrained_name,
    latency_name,
)
from paceline.records.request import Priority, Request
from paceline.stats import Bounds

DEFAULT_LATENCY: Final = ("e2e", "p95")
_UNIT_COSTS: Final = (COST_USD_PER_MTOK, COST_USD_PER_REQUEST, COST_USD_PER_IMAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """The figures that stand for latency and cost in one request."""

    latency: str
    cost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """How the priority is computed, in words, in a unit, in a direction and as a function."""

    formula: str
    unit: str
    less_is_better: bool
    of: Callable[[Measured], Reading | None]


def dimensions(request: Request) -> Dimensions:
    """The first latency that the request limits from above, else e2e p95; the cost likewise.

    A cost per month is no cost per unit: it is the same for every variant on the same hardware.
    """
    open_loop = request.workload.rate_rps is not None
    latency = latency_name(*DEFAULT_LATENCY, open_loop=open_loop)
    cost = COST_USD_PER_MTOK
    for constraint in reversed(request.constraints):
        if not constraint.comparison.wants_less:
            continue
        name = constrained_name(constraint, request.workload)
        if constraint.statistic is not None:
            latency = name
        elif name in _UNIT_COSTS:
            cost = name
    return Dimensions(latency=latency, cost=cost)


def objective(request: Request, baseline: Pooled | None) -> Objective:
    """What `request.priority` means for this request."""
    dims = dimensions(request)
    match request.priority:
        case Priority.LATENCY:
            return _figure("latency", dims.latency, "ms", less=True)
        case Priority.THROUGHPUT:
            load = _load(request)
            return _figure(f"throughput at {load}", OUTPUT_TOKENS_PER_S, "tokens/s", less=False)
        case Priority.COST:
            return _figure("cost", dims.cost, _cost_unit(dims.cost), less=True)
        case Priority.QUALITY:
            return _quality(baseline)
        case Priority.BALANCED:
            return _balanced(dims, baseline)


def quality_of(measured: Measured) -> Reading | None:
    """Paired composite ÷ baseline; exactly 1 for the baseline itself."""
    if measured.baseline is not None and measured.baseline.variant == measured.pooled.variant:
        one = Reading(value=1.0, bounds=Bounds(lo=1.0, hi=1.0))
        return one if measured.pooled.quality is not None else None
    return None if measured.comparison is None else quality_ratio(measured.comparison)


def _figure(what: str, name: str, unit: str, *, less: bool) -> Objective:
    return Objective(
        formula=f"{what}: {name}, {'less' if less else 'more'} is better",
        unit=unit,
        less_is_better=less,
        of=lambda measured: read(measured.pooled.metrics, name),
    )


def _cost_unit(name: str) -> str:
    return name.removeprefix("cost_").replace("_per_", "/")


def _load(request: Request) -> str:
    workload = request.workload
    if workload.rate_rps is not None:
        return f"{workload.rate_rps:g} requests/s"
    return f"{workload.concurrency} concurrent requests"


def _quality(baseline: Pooled | None) -> Objective:
    if baseline is None or baseline.quality is None:
        return _figure("quality, without a baseline to compare with", QUALITY, "", less=False)
    return Objective(
        formula="quality: composite ÷ the baseline's, paired by item, more is better",
        unit="x",
        less_is_better=False,
        of=quality_of,
    )


def _balanced(dims: Dimensions, baseline: Pooled | None) -> Objective:
    """The baseline's own noise moves every variant alike, so only its values enter."""
    figures: Mapping[str, float] = (
        {}
        if baseline is None
        else {
            name: metric.value
            for name in (dims.latency, OUTPUT_TOKENS_PER_S, dims.cost)
            if (metric := baseline.metrics.get(name)) is not None and metric.value > 0
        }
    )
    with_quality = baseline is not None and baseline.quality is not None

    def gains(measured: Measured) -> Reading | None:
        found = [_gain(measured.pooled, name, base) for name, base in figures.items()]
        if with_quality:
            found.append(quality_of(measured))
        known = [reading for reading in found if reading is not None]
        return geometric_mean(known) if known and len(known) == len(found) else None

    terms = [
        f"{name} ÷ baseline" if name == OUTPUT_TOKENS_PER_S else f"baseline ÷ {name}"
        for name in figures
    ]
    terms += ["quality ÷ baseline"] if with_quality else []
    return Objective(
        formula="balanced: geometric mean of "
        + (", ".join(terms) or "nothing, for the baseline has no figures")
        + "; more is better",
        unit="x",
        less_is_better=False,
        of=gains,
    )


def _gain(pooled: Pooled, name: str, base: float) -> Reading | None:
    own = read(pooled.metrics, name)
    if own is None:
        return None
    relative = scaled(own, by=1 / base)
    return relative if name == OUTPUT_TOKENS_PER_S else inverse(relative)
