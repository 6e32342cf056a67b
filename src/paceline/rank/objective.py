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
    REQUESTS_PER_S,
    constrained_name,
    latency_name,
)
from paceline.records.request import Priority, Request
from paceline.stats import Bounds

DEFAULT_LATENCY: Final = ("e2e", "p95")
IMAGE_LATENCY: Final = ("e2e", "p50")
"""A picture's time hardly varies; what a second start or a queue adds is shown apart."""
_UNIT_COSTS: Final = (COST_USD_PER_MTOK, COST_USD_PER_REQUEST, COST_USD_PER_IMAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """The figures that stand for latency, cost and throughput in one request."""

    latency: str
    cost: str
    throughput: str = OUTPUT_TOKENS_PER_S


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
    Images have no tokens: there the default is e2e p50, the cost of an image, and requests/s.
    """
    open_loop = request.workload.rate_rps is not None
    images = request.workload.image is not None
    usual = IMAGE_LATENCY if images else DEFAULT_LATENCY
    latency = latency_name(*usual, open_loop=open_loop)
    cost = COST_USD_PER_IMAGE if images else COST_USD_PER_MTOK
    for constraint in reversed(request.constraints):
        if not constraint.comparison.wants_less:
            continue
        name = constrained_name(constraint, request.workload)
        if constraint.statistic is not None:
            latency = name
        elif name in _UNIT_COSTS:
            cost = name
    return Dimensions(
        latency=latency, cost=cost, throughput=REQUESTS_PER_S if images else OUTPUT_TOKENS_PER_S
    )


def objective(request: Request, baseline: Pooled | None) -> Objective:
    """What `request.priority` means for this request."""
    dims = dimensions(request)
    match request.priority:
        case Priority.LATENCY:
            return _figure("latency", dims.latency, "ms", less=True)
        case Priority.THROUGHPUT:
            load = _load(request)
            unit = _rate_unit(dims.throughput)
            return _figure(f"throughput at {load}", dims.throughput, unit, less=False)
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


def _rate_unit(name: str) -> str:
    return "tokens/s" if name == OUTPUT_TOKENS_PER_S else "requests/s"


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
            for name in (dims.latency, dims.throughput, dims.cost)
            if (metric := baseline.metrics.get(name)) is not None and metric.value > 0
        }
    )
    with_quality = baseline is not None and baseline.quality is not None

    def gains(measured: Measured) -> Reading | None:
        found = [
            _gain(measured.pooled, name, base, more=name == dims.throughput)
            for name, base in figures.items()
        ]
        if with_quality:
            found.append(quality_of(measured))
        known = [reading for reading in found if reading is not None]
        return geometric_mean(known) if known and len(known) == len(found) else None

    terms = [
        f"{name} ÷ baseline" if name == dims.throughput else f"baseline ÷ {name}"
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


def _gain(pooled: Pooled, name: str, base: float, *, more: bool) -> Reading | None:
    own = read(pooled.metrics, name)
    if own is None:
        return None
    relative = scaled(own, by=1 / base)
    return relative if more else inverse(relative)
