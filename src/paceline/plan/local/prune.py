"""Variants that need not be measured, by their predictions; each with both numbers.

A variant is left out only when even the optimistic end of its band misses a limit, or is behind
the pessimistic end of one that should meet every limit. The baseline is never left out, nor what
the predictor cannot speak of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paceline.plan.survey.limits import can_judge, latency_of
from paceline.records.metric_names import (
    COST_USD_PER_MTOK,
    OUTPUT_TOKENS_PER_S,
    constrained_name,
)
from paceline.records.plan import Predicted, PredictedMetric
from paceline.records.request import Constraint, Priority, Request
from paceline.records.variant import Rejection, RejectionReason, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A limit out of reach: `best` is the optimistic end of the predicted figure."""

    constraint: Constraint
    metric: PredictedMetric
    best: float


def pruned(
    request: Request, variants: Sequence[Variant], predictions: Sequence[Predicted]
) -> tuple[Rejection, ...]:
    """Those of `variants` that cannot pass or cannot win; the first is the baseline and stays."""
    said = {one.variant_id: one.metrics for one in predictions}
    rejected = []
    best = _surest(request, variants, said)
    for variant in variants[1:]:
        metrics = said.get(variant.id)
        if metrics is None:
            continue
        ground = _misses(request, variant, metrics) or _loses(request, variant, metrics, best)
        if ground is not None:
            rejected.append(ground)
    return tuple(rejected)


def missed(request: Request, metrics: Mapping[str, PredictedMetric]) -> Miss | None:
    """The first limit that even the optimistic end of a prediction misses."""
    for constraint in request.constraints:
        if not can_judge(constraint, request.workload):
            continue
        metric = metrics.get(constrained_name(constraint, request.workload))
        if metric is None:
            continue
        best = _optimistic(metric, less=constraint.comparison.wants_less)
        if not constraint.comparison.holds(best, constraint.limit):
            return Miss(constraint=constraint, metric=metric, best=best)
    return None


def _misses(
    request: Request, variant: Variant, metrics: Mapping[str, PredictedMetric]
) -> Rejection | None:
    miss = missed(request, metrics)
    if miss is None:
        return None
    constraint = miss.constraint
    return Rejection(
        variant=variant,
        reason=RejectionReason.CONSTRAINT,
        detail=f"predicted to miss {constraint.text} even at the optimistic end",
        have=_shown(miss.metric),
        need=f"{constraint.comparison} {constraint.limit:.4g} {constraint.unit}".strip(),
    )


def _loses(
    request: Request,
    variant: Variant,
    metrics: Mapping[str, PredictedMetric],
    best: tuple[Variant, PredictedMetric] | None,
) -> Rejection | None:
    metric = metrics.get(_objective(request) or "")
    if best is None or metric is None:
        return None
    leader, its = best
    less = request.priority is not Priority.THROUGHPUT
    own, bar = _optimistic(metric, less=less), _optimistic(its, less=not less)
    if leader == variant or (own <= bar if less else own >= bar):
        return None
    return Rejection(
        variant=variant,
        reason=RejectionReason.PREDICTED,
        detail=f"its optimistic {own:.4g} {metric.unit} is behind the pessimistic {bar:.4g} of"
        f" {leader.label}",
        have=_shown(metric),
        need=_shown(its),
    )


def _surest(
    request: Request,
    variants: Sequence[Variant],
    said: Mapping[str, Mapping[str, PredictedMetric]],
) -> tuple[Variant, PredictedMetric] | None:
    """The best pessimistic end among those that should meet every limit; `None` where a limit
    cannot be judged, since nobody then knows who may win."""
    name = _objective(request)
    if name is None or not all(can_judge(c, request.workload) for c in request.constraints):
        return None
    found = [
        (variant, said[variant.id][name])
        for variant in variants
        if name in said.get(variant.id, {})
        and all(_surely_meets(c, request, said[variant.id]) for c in request.constraints)
    ]
    less = request.priority is not Priority.THROUGHPUT
    sign = 1.0 if less else -1.0
    return min(found, key=lambda pair: sign * _optimistic(pair[1], less=not less), default=None)


def _surely_meets(
    constraint: Constraint, request: Request, metrics: Mapping[str, PredictedMetric]
) -> bool:
    metric = metrics.get(constrained_name(constraint, request.workload))
    if metric is None:
        return False
    worst = _optimistic(metric, less=not constraint.comparison.wants_less)
    return constraint.comparison.holds(worst, constraint.limit)


def _objective(request: Request) -> str | None:
    """The figure that the priority orders by; balance and quality need what is not predicted."""
    match request.priority:
        case Priority.LATENCY:
            name = latency_of(request)
            open_loop = request.workload.rate_rps is not None
            return f"scheduled_{name}" if open_loop and not name.startswith("tpot") else name
        case Priority.THROUGHPUT:
            return OUTPUT_TOKENS_PER_S
        case Priority.COST:
            return COST_USD_PER_MTOK
        case _:
            return None


def _optimistic(metric: PredictedMetric, *, less: bool) -> float:
    return metric.band90.lo if less else metric.band90.hi


def _shown(metric: PredictedMetric) -> str:
    return f"{metric.value:.4g} {metric.unit} [{metric.band90.lo:.4g} – {metric.band90.hi:.4g}]"
