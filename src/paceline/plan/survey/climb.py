"""The highest load at which predicted latencies still meet their limits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from paceline.plan.predict.deployment import Array, Index
from paceline.plan.predict.predict import Band, predict
from paceline.plan.survey.figures import Mask, request_figures, violates
from paceline.plan.survey.limits import figure_of
from paceline.plan.survey.space import Axes, Rows, batch
from paceline.records.metric_names import OUTPUT_TOKENS_PER_S
from paceline.records.request import Constraint, Request

FILLED: Final = 0.95
"""Share of what fits that the highest load takes: beyond it a queue for memory begins to form."""
COARSE_ROUNDS: Final = 2
"""Bisections for every combination: enough to order them."""
FINE_ROUNDS: Final = 7
"""For the few that are shown."""
FEW: Final = 256
"""Up to so many rows one prediction more costs more than predicting some of them in vain."""


class Climb:
    """Finds the highest load at which predicted values meet every limit that depends on load."""

    def __init__(self, axes: Axes, request: Request, judged: Sequence[Constraint]) -> None:
        self._axes = axes
        self._request = request
        workload = request.workload
        self._limits = [c for c in judged if c.statistic is not None]
        self._workload = replace(workload, rate_rps=None)

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
        self,
        rows: Rows,
        hourly: Array,
        at_once: Array,
        now: Mapping[str, Band],
        *,
        wanted: Mask | None = None,
        rounds: int = COARSE_ROUNDS,
    ) -> tuple[Array, Band]:
        """Between the load asked for and what fits, or down to one request where it is missed.

        By bisection on a logarithmic scale: latencies rise with the load, so that of many rows
        those alone are tried at the top that meet the limits in the middle. Returns requests in
        flight (0 where not even one meets the limits) and output tokens per second there; rows not
        `wanted` stay at the load asked for. Without limits the highest load is what fits.
        """
        asked = float(self._workload.concurrency)
        top = np.maximum(asked, np.floor(at_once * FILLED))
        wanted = np.ones(len(rows), dtype=np.bool_) if wanted is None else wanted
        good = self._good_now(now)
        best = np.where(good, asked, 0.0)
        rate = now[OUTPUT_TOKENS_PER_S]
        most = Band(value=rate.value.copy(), low=rate.low.copy(), high=rate.high.copy())

        def tried(these: Mask, load: Array) -> tuple[Index, Mask]:
            at = np.flatnonzero(wanted & these)
            return at, self._try(rows, hourly, at, load, best, most)

        if not self._limits:
            tried(wanted, top)
            return best, most
        limit, end = np.where(good, top, asked), np.where(good, top, 1.0)
        later = good & (len(rows) > FEW)
        tried(~later & (limit > best), end)
        for _ in range(rounds):
            middle = np.round(np.sqrt(np.maximum(1.0, best) * limit))
            at, met = tried((best > 0) & (middle > best) & (middle < limit), middle)
            limit[at[~met]] = middle[at[~met]]
            tried(later & (limit == top) & (top > best), end)
            later[:] = False
        return best, most

    def _good_now(self, now: Mapping[str, Band]) -> Mask:
        good = np.ones(len(now[OUTPUT_TOKENS_PER_S].value), dtype=np.bool_)
        for limit in self._limits:
            good &= ~violates(now[figure_of(limit, self._workload)].value, limit)
        return good

    def _try(  # noqa: PLR0917 - what it fills in comes last
        self, rows: Rows, hourly: Array, at: Index, load: Array, best: Array, most: Band
    ) -> Mask:
        """Whether the rows `at` meet the limits at `load`; kept in `best` and `most` where so."""
        if not len(at):
            return np.zeros(0, dtype=np.bool_)
        meets, rate = self.meets(rows.take(at), hourly[at], load[at])
        kept = at[meets]
        best[kept] = load[kept]
        for mine, its in ((most.value, rate.value), (most.low, rate.low), (most.high, rate.high)):
            mine[kept] = its[meets]
        return meets
