"""A few combinations of a survey in full: the leaders, and the best of each accelerator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from paceline.plan.predict.deployment import Index
from paceline.plan.predict.predict import Band
from paceline.plan.survey.climb import FINE_ROUNDS, Climb
from paceline.plan.survey.field import Field, Survey
from paceline.plan.survey.figures import cost, unit_of, violates
from paceline.plan.survey.limits import can_judge, figure_of
from paceline.plan.survey.pricing import Quote, Quotes, usual
from paceline.plan.survey.space import variant_of
from paceline.records.measurement import Interval, Verdict
from paceline.records.metric_names import COST_USD_PER_MTOK, OUTPUT_TOKENS_PER_S
from paceline.records.plan import PredictedMetric
from paceline.records.ranking import ConstraintVerdict
from paceline.records.request import Constraint, Request
from paceline.records.variant import Variant

LEADERS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHighestLoad:
    """The highest predicted load that meets the constraints, and what it costs there.

    `in_flight` is 0 where no load is predicted to meet them; figures are then at one request.
    """

    in_flight: int
    output_tokens_per_s: PredictedMetric
    usd_per_mtok: PredictedMetric | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One combination as a variant, with everything predicted of it.

    `rank` is 1-based over all combinations that could serve. `quote` is `None` where no price is
    known; `could_win` is false where even the optimistic end is behind the best's pessimistic one.
    """

    variant: Variant
    rank: int
    metrics: Mapping[str, PredictedMetric]
    verdicts: tuple[ConstraintVerdict, ...]
    highest: AtHighestLoad
    requests_at_most: int
    quote: Quote | None
    usd_per_hour: float | None
    could_win: bool


def leaders(field: Field) -> Index:
    """The first of the order."""
    return field.order[:LEADERS]


def best_of_each_device(field: Field) -> Index:
    """The first row of each accelerator, in order."""
    _, first = np.unique(field.rows.device[field.order], return_index=True)
    return field.order[np.sort(first)]


def candidates(
    found: Survey, request: Request, prices: Quotes, chosen: Index, *, market: str | None = None
) -> tuple[Candidate, ...]:
    """The chosen rows in full, their highest load found by bisection."""
    field = found.field
    if not len(chosen):
        return ()
    judged = tuple(c for c in request.constraints if can_judge(c, request.workload))
    rows, hourly = field.rows.take(chosen), field.usd_per_hour[chosen]
    climb = Climb(field.axes, request, judged)
    now = {name: band.take(chosen) for name, band in field.now.items()}
    in_flight, most = climb.highest(rows, hourly, field.at_once[chosen], now, rounds=FINE_ROUNDS)
    dear = cost(hourly, most)
    ranks = np.empty(len(field.order), dtype=np.intp)
    ranks[field.order] = np.arange(1, len(field.order) + 1)
    could_win = field.could_win()
    return tuple(
        Candidate(
            variant=variant_of(field.axes, field.rows, row),
            rank=int(ranks[row]),
            metrics=_metrics(field, row),
            verdicts=tuple(_verdict(c, field, row, request) for c in request.constraints),
            highest=AtHighestLoad(
                in_flight=int(in_flight[at]),
                output_tokens_per_s=_metric(OUTPUT_TOKENS_PER_S, most, at),
                usd_per_mtok=_priced(_metric(COST_USD_PER_MTOK, dear, at)),
            ),
            requests_at_most=int(field.at_once[row]),
            quote=usual(prices.get(field.axes.devices[field.rows.device[row]].name), market),
            usd_per_hour=_known(float(field.usd_per_hour[row])),
            could_win=bool(could_win[row]),
        )
        for at, row in enumerate(int(index) for index in chosen)
    )


def _metrics(field: Field, row: int) -> Mapping[str, PredictedMetric]:
    found = {name: _metric(name, band, row) for name, band in field.now.items()}
    return {name: metric for name, metric in found.items() if _priced(metric) is not None}


def _metric(name: str, band: Band, at: int) -> PredictedMetric:
    return PredictedMetric(
        value=float(band.value[at]),
        unit=unit_of(name),
        band90=Interval(lo=float(band.low[at]), hi=float(band.high[at])),
    )


def _priced(metric: PredictedMetric) -> PredictedMetric | None:
    return metric if np.isfinite(metric.value) else None


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _verdict(constraint: Constraint, field: Field, row: int, request: Request) -> ConstraintVerdict:
    """Pass or fail when the whole band says so; what is not predicted is unresolved."""
    band = None
    if can_judge(constraint, request.workload):
        band = field.now[figure_of(constraint, request.workload)].take(np.array([row]))
    if band is None or not np.isfinite(band.value[0]):
        because = "not predicted" if band is None else "no price is known"
        return ConstraintVerdict(
            constraint=constraint,
            verdict=Verdict.UNRESOLVED,
            value=None,
            margin=None,
            because=because,
        )
    ends = [bool(violates(end, constraint)[0]) for end in (band.low, band.high)]
    verdict = Verdict.FAIL if all(ends) else Verdict.UNRESOLVED if any(ends) else Verdict.PASS
    value = float(band.value[0])
    sign = 1.0 if constraint.comparison.wants_less else -1.0
    return ConstraintVerdict(
        constraint=constraint,
        verdict=verdict,
        value=value,
        margin=sign * (constraint.limit - value) / constraint.limit,
        because=f"predicted {value:.4g}, 90 % band {band.low[0]:.4g} to {band.high[0]:.4g}",
    )
