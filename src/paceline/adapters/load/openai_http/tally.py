"""What one client process counts about the load and about itself."""

import random
from array import array
from typing import Final

from paceline.records.load import LoadProgress
from paceline.records.samples import Outcome

KEPT: Final = 100_000
"""Lags and skews kept; beyond it a uniform random sample of that size."""
RECENT: Final = 100
"""Times per report: a report must fit into one atomic write to a pipe (4 KiB)."""


class Tally:
    """Counts since the start of a window, and the recent times for who watches."""

    def __init__(self) -> None:
        self.started = self.held = self.opened = self.retried = self.kernel_stamps = 0
        self.ok = self.failed = self.chunks = 0
        self.failures: dict[str, int] = {}
        self.lags_s, self.skews_s = Reservoir(), Reservoir()
        self._ttft_ms: list[float] = []
        self._tpot_ms: list[float] = []
        self._e2e_ms: list[float] = []

    def ended(
        self,
        sent_s: float | None,
        stamps: list[float],
        tokens: int | None,
        outcome: Outcome,
    ) -> None:
        """One request ended."""
        self.chunks += len(stamps)
        if outcome is not Outcome.OK:
            self.failed += 1
            self.failures[outcome.value] = self.failures.get(outcome.value, 0) + 1
            return
        self.ok += 1
        if sent_s is None or len(self._ttft_ms) >= RECENT:
            return
        self._ttft_ms.append(round((stamps[0] - sent_s) * 1e3, 2))
        self._e2e_ms.append(round((stamps[-1] - sent_s) * 1e3, 2))
        if tokens and tokens > 1:
            self._tpot_ms.append(round((stamps[-1] - stamps[0]) * 1e3 / (tokens - 1), 3))

    def report(self, elapsed_s: float) -> LoadProgress:
        """The state now; recent times are handed out once."""
        progress = LoadProgress(
            elapsed_s=round(elapsed_s, 3),
            in_flight=self.started - self.ok - self.failed,
            started=self.started,
            ok=self.ok,
            failed=self.failed,
            output_chunks=self.chunks,
            recent_ttft_ms=tuple(self._ttft_ms),
            recent_tpot_ms=tuple(self._tpot_ms),
            recent_e2e_ms=tuple(self._e2e_ms),
            failures=dict(self.failures),
        )
        self._ttft_ms.clear()
        self._tpot_ms.clear()
        self._e2e_ms.clear()
        return progress


class Reservoir:
    """A bounded sample of an unbounded series (Vitter's algorithm R); never below zero."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._random = random.Random(kept)  # noqa: S311 - which values are kept is no secret
        self.seen = 0
        self.values = array("d")

    def add(self, value: float) -> None:
        self.seen += 1
        value = max(value, 0.0)
        if len(self.values) < self._kept:
            self.values.append(value)
            return
        place = self._random.randrange(self.seen)
        if place < self._kept:
            self.values[place] = value
