"""The highest load at which predicted latencies still meet their limits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from paceline.plan.predict.batching import SATURATION
from paceline.plan.predict.deployment import Array, Index
from paceline.plan.predict.predict import Band, predict
from paceline.plan.survey.figures import Mask, request_figures, violates
from paceline.plan.survey.limits import figure_of
from paceline.plan.survey.space import Axes, Rows, batch
from paceline.records.metric_names import OUTPUT_TOKENS_PER_S
from paceline.records.request import Constraint, Request

STEPS_UP: Final = 3
"""Loads tried between the one asked for and the highest that fits; leaders are refined."""
STEPS_DOWN: Final = 2
REFINEMENTS: Final = 8


class Climb:
    """Finds the highest load at which predicted values meet every limit that depends on load."""

    def __init__(self, axes: Axes, request: Request, judged: Sequence[Constraint]) -> None:
        self._axes = axes
        self._request = request
        workload = request.workload
        self._limits = [c for c in judged if c.statistic is not None]
        self._workload = replace(workload, rate_rps=None)

    @property
    def limited(self) -> bool:
        """Whether a latency is limited; if not, the highest load is what fits."""
        return bool(self._limits)

    def meets(self, rows: Rows, hourly: Array, in_flight: Array) -> tuple[Mask, Band]:
        """Whether each row meets the limits at its load, and what it puts out there."""
        laid = batch(self._axes, rows, self._workload, in_flight=in_flight)
        seen = predict(laid)
        found = request_figures(laid, seen, self._request, hourly)
        good = np.ones(len(rows), dtype=np.bool_)
        for limit in self._limits:
            good &= ~violates(found[figure_of(limit, self._workload)].value, limit)
        return good, seen.output_tokens_per_s

    def highest(
        self, rows: Rows, hourly: Array, at_once: Array, now: Mapping[str, Band]
    ) -> tuple[Array, Band]:
        """A coarse ladder for all rows: up where the load asked for is met, down where not."""
        asked = float(self._workload.concurrency)
        top = np.maximum(asked, np.floor(at_once * SATURATION))
        if not self.limited:
            return top, self.meets(rows, hourly, top)[1]
        start = np.full(len(rows), asked)
        good = self._good_now(now)
        best = np.where(good, start, 0.0)
        rate = now[OUTPUT_TOKENS_PER_S]
        most = Band(value=rate.value.copy(), low=rate.low.copy(), high=rate.high.copy())
        ladder = [np.round(start * (top / start) ** (n / STEPS_UP)) for n in range(1, STEPS_UP + 1)]
        for load in ladder:
            self._step(
                rows, hourly, np.flatnonzero(good & (top > asked)), load, best=best, most=most
            )
        for step in range(STEPS_DOWN):
            load = np.maximum(1.0, np.round(start ** (step / STEPS_DOWN)))
            self._step(rows, hourly, np.flatnonzero(~good), load, best=best, most=most)
        return best, most

    def refined(self, rows: Rows, hourly: Array, at_once: Array) -> tuple[Array, Band]:
        """By bisection between one request and what fits: for a few rows."""
        good: Array = np.ones(len(rows), dtype=np.float64)
        bad = np.maximum(1.0, np.floor(at_once * SATURATION))
        if not self.limited:
            return bad, self.meets(rows, hourly, bad)[1]
        good = np.where(self.meets(rows, hourly, bad)[0], bad, good)
        for _ in range(REFINEMENTS):
            middle = np.round(np.sqrt(good * bad))
            meets = self.meets(rows, hourly, middle)[0]
            good, bad = np.where(meets, middle, good), np.where(meets, bad, middle)
        meets, most = self.meets(rows, hourly, good)
        return np.where(meets, good, 0.0), most

    def _good_now(self, now: Mapping[str, Band]) -> Mask:
        good = np.ones(len(now[OUTPUT_TOKENS_PER_S].value), dtype=np.bool_)
        for limit in self._limits:
            good &= ~violates(now[figure_of(limit, self._workload)].value, limit)
        return good

    def _step(
        self, rows: Rows, hourly: Array, at: Index, load: Array, *, best: Array, most: Band
    ) -> None:
        """Try `load` for the rows `at`, and keep it where it is met."""
        if not len(at):
            return
        meets, rate = self.meets(rows.take(at), hourly[at], load[at])
        kept = at[meets]
        best[kept] = load[kept]
        for mine, its in ((most.value, rate.value), (most.low, rate.low), (most.high, rate.high)):
            mine[kept] = its[meets]
