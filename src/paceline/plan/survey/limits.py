"""Which constraints can be judged beforehand, and on which figure."""

from typing import Final

from paceline.plan.survey.figures import DEFAULT_STATISTIC, LATENCIES
from paceline.records.metric_names import MEMORY_PERCENT, constrained_name, latency_name
from paceline.records.request import Constraint, Request, Workload

DEFAULT_LATENCY: Final = ("e2e", DEFAULT_STATISTIC)


def can_judge(constraint: Constraint, workload: Workload) -> bool:
    """Percentiles of TTFT, TPOT and e2e, rates, costs and the share of memory, if not relative."""
    if constraint.relative:
        return False
    if constraint.statistic is not None:
        return constraint.metric in LATENCIES
    if constraint.metric == "cost":
        return constraint.unit != "usd/image"
    rates = ("output_tokens_per_s", "requests_per_s")
    return constraint.metric in rates or figure_of(constraint, workload) == MEMORY_PERCENT


def figure_of(constraint: Constraint, workload: Workload) -> str:
    """The figure a constraint is about; waiting for a slot is part of every predicted latency."""
    return constrained_name(constraint, workload).removeprefix("scheduled_")


def latency_of(request: Request) -> str:
    """The first latency limited from above, else e2e p95: as in the ranking of measurements."""
    for constraint in request.constraints:
        limited = constraint.metric in LATENCIES and constraint.statistic is not None
        if limited and constraint.comparison.wants_less:
            return figure_of(constraint, request.workload)
    return latency_name(*DEFAULT_LATENCY)
