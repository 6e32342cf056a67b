"""Several trials of one variant → one figure per metric.

Noise between launches exceeds noise within one (docs/decisions/0002), so intervals are not merged
as if launches were samples of one process: the pooled interval is the hull of the trials'
intervals and values. Trials whose load cannot be trusted are set aside, with the reason kept.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from paceline.records.client import ClientState
from paceline.records.fidelity import Fidelity
from paceline.records.image import ImageFacts
from paceline.records.launch import Cause
from paceline.records.measurement import Interval, Metric
from paceline.records.metric_names import (
    COST_USD_PER_MONTH,
    KL_NATS,
    LATENTS_SSIM,
    MEMORY_PERCENT,
    PEAK_MEMORY_GIB,
    PERPLEXITY_RATIO,
    PIXELS_SSIM,
    QUALITY,
    QUALITY_LOADED,
    QUALITY_LONG,
    QUALITY_MINE,
    QUALITY_SHARE,
    TOP1_AGREEMENT,
    seen_whole,
)
from paceline.records.plan import Predicted
from paceline.records.quality import QualityResult
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant

Known = TypeVar("Known")

CONTENDED_ABOVE: Final = 0.10
"""Share of all cores that other processes may take before a window says little of the engine."""

HARDLY_TOUCHED: Final = frozenset(
    {PEAK_MEMORY_GIB, MEMORY_PERCENT, COST_USD_PER_MONTH}
    | {QUALITY, QUALITY_MINE, QUALITY_LOADED, QUALITY_LONG, QUALITY_SHARE}
    | {KL_NATS, TOP1_AGREEMENT, PERPLEXITY_RATIO, PIXELS_SSIM, LATENTS_SSIM}
)
"""Figures that a busy client or neighbour does not change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """What all finished trials of a variant say together.

    `unsound` tells why no verdict rests on its load figures, `None` when they can be trusted;
    `set_aside` names single trials that were left out because others were sound. `trials` counts
    the finished ones. `cut` tells why even the longest of them was ended early, `None` when one
    went through its whole window; then those that did not are left out. `client_added_ms` is the
    most that the client added to a latency when nothing else is in doubt, else `None`. `inspected`
    is what the last launch of an image model was seen to have inside.
    """

    variant: Variant
    metrics: Mapping[str, Metric]
    quality: QualityResult | None
    unsound: str | None
    set_aside: tuple[str, ...]
    trials: int
    cut: str | None = None
    own_quality: QualityResult | None = None
    loaded_quality: QualityResult | None = None
    long_quality: QualityResult | None = None
    fidelity: Fidelity | None = None
    fidelity_because: str | None = None
    client_added_ms: float | None = None
    inspected: ImageFacts | None = None
    remarks: tuple[str, ...] = ()
    """What finished trials have to say besides, such as why nothing was inspected."""

    def doubt(self, name: str) -> str | None:
        """Why no verdict may rest on figure `name`, `None` when one may."""
        return None if name in HARDLY_TOUCHED else self.unsound


def pool(variant: Variant, trials: Iterable[TrialRecord]) -> Pooled | None:
    """The trials of `variant` as one; `None` when none of them finished."""
    finished = sorted(
        (t for t in trials if t.variant == variant and t.cause is Cause.FINISHED),
        key=lambda t: (t.repeat, t.trial_id),
    )
    if not finished:
        return None
    whole = [t for t in finished if t.cut is None]
    cut = None if whole else finished[-1].cut
    finished = whole or finished[-1:]
    doubts = {t.trial_id: doubt for t in finished if (doubt := doubt_about(t)) is not None}
    sound = [t for t in finished if t.trial_id not in doubts]
    names = sorted({name for t in finished for name in t.metrics})
    figures = {
        name: [
            t.metrics[name]
            for t in (finished if name in HARDLY_TOUCHED else sound or finished)
            if name in t.metrics
        ]
        for name in names
    }
    return Pooled(
        variant=variant,
        metrics={name: _pooled(name, found) for name, found in figures.items() if found},
        quality=_first(t.quality for t in finished),
        own_quality=_first(t.own_quality for t in finished),
        loaded_quality=_first(t.loaded_quality for t in finished),
        long_quality=_first(t.long_quality for t in finished),
        fidelity=_first(t.fidelity for t in finished),
        fidelity_because=_first(t.fidelity_because for t in finished),
        unsound=None if sound else next(iter(doubts.values())),
        set_aside=tuple(f"{i} set aside: {why}" for i, why in doubts.items()) if sound else (),
        trials=len(finished),
        cut=None if cut is None else f"ended after {cut.share:.0%} of its window: {cut.because}",
        remarks=tuple(dict.fromkeys(t.detail for t in finished if t.detail)),
        inspected=next((t.inspected for t in reversed(finished) if t.inspected), None),
        client_added_ms=None if sound else _client_added_ms(finished),
    )


def as_pool(variant: Variant, predicted: Predicted) -> Pooled:
    """Predicted figures in the shape of measured ones."""
    return Pooled(
        variant=variant,
        metrics={
            name: Metric(value=found.value, unit=found.unit, ci95=found.band90, n=0)
            for name, found in predicted.metrics.items()
        },
        quality=None,
        unsound=None,
        set_aside=(),
        trials=0,
    )


def doubt_about(trial: TrialRecord) -> str | None:
    """Why no verdict rests on the load of a trial, `None` when it can be trusted."""
    doubts = [_other_doubt(trial)]  # first: a busy machine is what slows a client, too
    if trial.client is not None and trial.client.verdict is not ClientState.OK:
        reasons = "; ".join(trial.client.reasons) or "the client was the limit"
        doubts.append(f"client-bound: {reasons}")
    return "; ".join(doubt for doubt in doubts if doubt) or None


def _first(found: Iterable[Known | None]) -> Known | None:
    """What the first trial that knows it says: questions are asked once."""
    return next((one for one in found if one is not None), None)


def _client_added_ms(trials: Sequence[TrialRecord]) -> float | None:
    added_ms = [
        None if trial.client is None or _other_doubt(trial) else trial.client.added_ms
        for trial in trials
    ]
    known = [value for value in added_ms if value is not None]
    return max(known) if known and len(known) == len(added_ms) else None


def _other_doubt(trial: TrialRecord) -> str | None:
    """What speaks against the load apart from the client."""
    share = trial.foreign_cpu_share
    if share is not None and share > CONTENDED_ABOVE:
        return (
            f"contended: other processes took {share:.0%} of the cores, "
            f"more than {CONTENDED_ABOVE:.0%}"
        )
    if trial.strangers:
        return f"shared: {'; '.join(process.text for process in trial.strangers)}"
    return None if trial.steady else "not steady: the load drifted within the window"


def _pooled(name: str, found: Sequence[Metric]) -> Metric:
    if len(found) == 1:
        return found[0]
    values = [metric.value for metric in found]
    peak = name in (PEAK_MEMORY_GIB, MEMORY_PERCENT) or name.endswith("_max_ms")
    return Metric(
        value=max(values) if peak else math.fsum(values) / len(values),
        unit=found[0].unit,
        ci95=_hull(found, whole=seen_whole(name)),
        n=sum(metric.n for metric in found),
    )


def _hull(found: Sequence[Metric], *, whole: bool) -> Interval | None:
    """One trial without an interval leaves the pool without one, unless it was seen whole."""
    intervals = [metric.ci95 for metric in found if metric.ci95 is not None]
    if len(intervals) < len(found) and not whole:
        return None
    values = [metric.value for metric in found]
    return Interval(
        lo=min([*values, *(i.lo for i in intervals)]), hi=max([*values, *(i.hi for i in intervals)])
    )
