"""Constraints that cannot hold together, found before anything is measured.

Covers two limits on one figure and figures that are ordered by their definition (p50 ≤ p95,
ttft ≤ e2e). Whether a limit is reachable on given hardware is for the plan and the measurement.
"""

from collections.abc import Sequence
from itertools import permutations
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.metric_names import PERCENTILES
from paceline.records.request import Constraint

_RISING: Final = (*PERCENTILES, "max")
_METRICS_IN_ORDER: Final = (("ttft", "e2e"),)
"""Of every request, so of every statistic too."""


def refuse_contradictions(constraints: Sequence[Constraint]) -> None:
    """Raises SpecError (`contradiction`) naming the first two that cannot both hold."""
    for least, most in permutations(constraints, 2):
        if least.comparison.wants_less or not most.comparison.wants_less:
            continue
        why = _why_below(least, most)
        if why is not None and _crossed(least, most):
            raise SpecError(
                Code.CONTRADICTION,
                f"{least.text!r} and {most.text!r} cannot both hold",
                why=f"{why}, and {least.limit:g}{_unit(least)} is not below "
                f"{most.limit:g}{_unit(most)}",
                fix="leave one of them out, or move one of the limits",
            )


def subject(constraint: Constraint) -> tuple[object, ...]:
    """What a constraint limits, and from which side."""
    return (
        constraint.metric,
        constraint.statistic,
        constraint.unit,
        constraint.relative,
        constraint.comparison.wants_less,
    )


def _crossed(least: Constraint, most: Constraint) -> bool:
    """Whether no value is left between the two limits."""
    if least.limit > most.limit:
        return True
    closed = most.comparison.holds(most.limit, most.limit) and least.comparison.holds(
        least.limit, least.limit
    )
    return least.limit == most.limit and not closed


def _why_below(low: Constraint, high: Constraint) -> str | None:
    """Why the figure of `low` is never above that of `high`; `None` when it can be."""
    if low.unit != high.unit or low.relative != high.relative:
        return None
    if (low.metric, low.statistic) == (high.metric, high.statistic):
        return "they limit the same figure"
    if low.relative:  # two factors of two different baseline figures say nothing of their order
        return None
    metrics = low.metric == high.metric or (low.metric, high.metric) in _METRICS_IN_ORDER
    if metrics and _never_above(low.statistic, high.statistic):
        return f"{low.metric} {low.statistic} is never above {high.metric} {high.statistic}"
    return None


def _never_above(low: str | None, high: str | None) -> bool:
    if low == high:
        return True
    if low in _RISING and high in _RISING:
        return _RISING.index(low) < _RISING.index(high)
    return low == "mean" and high == "max"


def _unit(constraint: Constraint) -> str:
    return "x" if constraint.relative else f" {constraint.unit}" if constraint.unit else ""
