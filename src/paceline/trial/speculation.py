"""How often an engine's guesses were right: from its own counters, before and after a load."""

import time
from collections.abc import Callable, Sequence

from paceline.ports.telemetry import Telemetry, TelemetryReader
from paceline.records.load import Target
from paceline.records.measurement import Metric
from paceline.records.metric_names import (
    SPECULATION_ACCEPTANCE,
    SPECULATION_DRAFT_RATIO,
    SPECULATION_MEAN_LENGTH,
)
from paceline.records.speculation import SpeculationCounts
from paceline.records.telemetry import Counter, Snapshot, TelemetryGap

SETTLE_S = 0.3
"""Engines count a request when it ends: the last ones a moment after the client has read them."""


class SpeculationCounter:
    """The counters of one endpoint from now on. Reads nothing where no source has them."""

    def __init__(
        self,
        sources: Sequence[Telemetry],
        target: Target,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._reader: TelemetryReader | None = None
        self._first: Snapshot | None = None
        for source in sources:
            reader = source.open(target)
            if isinstance(reader, TelemetryGap):
                continue
            found = reader.read()
            if isinstance(found, Snapshot) and Counter.SPECULATION_TOKENS_DRAFTED in found.counters:
                self._reader, self._first = reader, found
                return
            reader.close()

    def growth(self) -> SpeculationCounts | None:
        """What was counted since; closes the source. `None` when nothing can be said."""
        if self._reader is None or self._first is None:
            return None
        self._sleep(SETTLE_S)
        last = self._reader.read()
        self._reader.close()
        return None if isinstance(last, TelemetryGap) else counts_between(self._first, last)


def counts_between(first: Snapshot, last: Snapshot) -> SpeculationCounts | None:
    """The growth from one reading to the next; `None` when the engine started anew meanwhile."""
    grown = {name: value - first.counters.get(name, 0.0) for name, value in last.counters.items()}
    drafted = grown.get(Counter.SPECULATION_TOKENS_DRAFTED)
    if drafted is None or min(grown.values()) < 0:
        return None
    return SpeculationCounts(
        drafts=grown.get(Counter.SPECULATION_DRAFTS, 0.0),
        drafted=drafted,
        accepted=grown.get(Counter.SPECULATION_TOKENS_ACCEPTED, 0.0),
        generated=grown.get(Counter.GENERATION_TOKENS),
    )


def speculation_metrics(counts: SpeculationCounts | None) -> dict[str, Metric]:
    """Acceptance rate, mean accepted length and drafted tokens per output token.

    rate = accepted ÷ drafted; length = 1 + accepted ÷ drafts, the tokens that one checking pass
    yields, its own included (vLLM's `vllm.v1.spec_decode.metrics` computes both so). An engine that
    never proposed anything has no rate, a length of 1 and drafted nothing.
    """
    if counts is None:
        return {}
    checks = round(counts.drafts)
    length = 1.0 + (counts.accepted / counts.drafts if counts.drafts else 0.0)
    found = {SPECULATION_MEAN_LENGTH: _of(length, "tokens", checks)}
    if counts.drafted:
        rate = counts.accepted / counts.drafted
        found[SPECULATION_ACCEPTANCE] = _of(rate, "", round(counts.drafted))
    if counts.generated:
        share = counts.drafted / counts.generated
        found[SPECULATION_DRAFT_RATIO] = _of(share, "tokens", round(counts.generated))
    return found


def _of(value: float, unit: str, n: int) -> Metric:
    """Counted whole, not estimated; its drafts depend on each other, so no interval is claimed."""
    return Metric(value=value, unit=unit, ci95=None, n=n)
