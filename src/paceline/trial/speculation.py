"""How often an engine's guesses were right: from its own counters, before and after a load."""

from collections.abc import Sequence
from typing import Final

from paceline.ports.telemetry import Telemetry
from paceline.records.load import Target
from paceline.records.measurement import Metric
from paceline.records.metric_names import (
    SPECULATION_ACCEPTANCE,
    SPECULATION_DRAFT_RATIO,
    SPECULATION_MEAN_LENGTH,
)
from paceline.records.speculation import SpeculationCounts
from paceline.records.telemetry import Counter, Snapshot, TelemetryGap

SETTLE_S: Final = 0.3
"""Engines count a request when it ends: the last ones a moment after the client has read them."""


def read_counters(sources: Sequence[Telemetry], target: Target) -> Snapshot | None:
    """One reading of what the engine behind an endpoint has counted; `None` where no source can."""
    for source in sources:
        reader = source.open(target)
        if isinstance(reader, TelemetryGap):
            continue
        found = reader.read()
        reader.close()
        if isinstance(found, Snapshot) and any(name in found.counters for name in Counter):
            return found
    return None


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
