"""Where the variants stand while a run is still measuring, for the search to decide on.

The same pools, verdicts and objective as in the ranking, as logarithms with bounds. A trial that
was not asked the quality suite (one that ended early is not) is taken to be as good as the
baseline: optimistic, for it may still be asked.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from paceline.rank.choose import Candidate, in_order
from paceline.rank.filter import Measured
from paceline.rank.objective import Objective, dimensions, objective
from paceline.rank.pool import Pooled, as_pool, pool
from paceline.rank.ranking import judged
from paceline.rank.reading import Reading
from paceline.records.measurement import Verdict
from paceline.records.plan import Plan
from paceline.records.quality import QualityResult
from paceline.records.race import Outlook, Standing
from paceline.records.request import Priority, Request
from paceline.records.trial import TrialRecord
from paceline.stats import Bounds

DEVIATIONS_90: Final = 1.645
"""Of a normal distribution on either side hold 90 % of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How an objective and its score (see `records.race`) turn into each other."""

    unit: str
    less_is_better: bool

    def score(self, value: float) -> float | None:
        """`None` for a value that has no logarithm."""
        if value <= 0 or not math.isfinite(value):
            return None
        return -math.log(value) if self.less_is_better else math.log(value)

    def value(self, score: float) -> float:
        """The value of the objective that has this score."""
        return math.exp(-score if self.less_is_better else score)

    def text(self, score: float) -> str:
        """For people: `1,234 tokens/s`."""
        return f"{self.value(score):,.4g} {self.unit}".strip()


def scale(request: Request) -> Scale:
    """Of the request's priority."""
    goal = objective(request, None)
    return Scale(unit=goal.unit, less_is_better=goal.less_is_better)


def standings(request: Request, plan: Plan, trials: Iterable[TrialRecord]) -> tuple[Standing, ...]:
    """Every variant with a finished trial, best first."""
    stored = tuple(trials)
    variants = list(dict.fromkeys([plan.baseline, *plan.variants]))
    pools = [p for variant in variants if (p := pool(variant, stored)) is not None]
    baseline = next((p for p in pools if p.variant == plan.baseline), None)
    goal, dims = objective(request, baseline), dimensions(request)
    quality = None if baseline is None else baseline.quality
    candidates = [judged(_given(p, quality), baseline, request, goal, dims) for p in pools]
    places = in_order(candidates, less_is_better=goal.less_is_better)
    return tuple(_standing(place.candidate, goal, request) for place in places)


def outlooks(request: Request, plan: Plan) -> tuple[Outlook, ...]:
    """What the plan's predictions say of the objective, where they say enough for it."""
    # Whose they are does not enter: the baseline stands in for all.
    pools = {p.variant_id: as_pool(plan.baseline, p) for p in plan.predictions}
    baseline = pools.get(plan.baseline.id)
    if baseline is None:
        return ()
    goal, turn = objective(request, baseline), scale(request)
    found = (
        (
            variant_id,
            goal.of(
                Measured(
                    pooled=pooled, baseline=baseline, comparison=None, workload=request.workload
                )
            ),
        )
        for variant_id, pooled in pools.items()
    )
    return tuple(
        outlook
        for variant_id, reading in found
        if reading is not None and (outlook := _outlook(variant_id, reading, turn)) is not None
    )


def _outlook(variant_id: str, reading: Reading, turn: Scale) -> Outlook | None:
    score = turn.score(reading.value)
    if score is None or reading.bounds is None:
        return None
    ends = [turn.score(end) for end in (reading.bounds.lo, reading.bounds.hi)]
    if ends[0] is None or ends[1] is None:
        return None
    sd = abs(ends[1] - ends[0]) / (2 * DEVIATIONS_90)
    return Outlook(variant_id=variant_id, score=score, sd=sd)


def _given(pooled: Pooled, quality: QualityResult | None) -> Pooled:
    if pooled.quality is not None or pooled.cut is None:
        return pooled
    return replace(pooled, quality=quality)


def _standing(found: Candidate, goal: Objective, request: Request) -> Standing:
    pooled = found.measured.pooled
    turn = Scale(unit=goal.unit, less_is_better=goal.less_is_better)
    reading = found.objective
    bounds = None if reading is None else reading.bounds or _edges(reading, pooled, request)
    ends = [] if bounds is None else [turn.score(bounds.lo), turn.score(bounds.hi)]
    low, high = reversed(ends) if ends and goal.less_is_better else ends or (None, None)
    return Standing(
        variant=found.variant,
        verdict=_verdict(found),
        score=None if reading is None else turn.score(reading.value),
        low=low,
        high=high,
        complete=pooled.cut is None,
        launches=pooled.trials,
        doubted=found.doubt is not None,
    )


def _verdict(found: Candidate) -> Verdict:
    """Its standing, but for a doubt about its figures alone: the search allows for that as noise,
    for a machine that is never quiet must not make it measure everything whole."""
    decided = {judgement.verdict.verdict for judgement in found.judgements}
    return found.standing if decided - {Verdict.PASS} else Verdict.PASS


def _edges(reading: Reading, pooled: Pooled, request: Request) -> Bounds | None:
    """Bounds of a rate over so few requests that it has no interval.

    At either edge of the window up to as many requests as are in flight may be counted that
    belong outside, or missed that belong inside.
    """
    rate = pooled.metrics.get(dimensions(request).throughput)
    if rate is None or not rate.n or request.priority in (Priority.LATENCY, Priority.QUALITY):
        return None
    off = 1 + request.workload.concurrency / rate.n
    return Bounds(lo=reading.value / off, hi=reading.value * off)
