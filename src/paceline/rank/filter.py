"""Constraint × figures → verdict: pass, fail or unresolved, with its margin and its reason.

`pass` needs the whole interval on the right side of the limit, `fail` the whole interval on the
wrong side. Everything else, and everything that cannot be trusted, is `unresolved`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from paceline.rank.pool import Pooled
from paceline.rank.reading import Reading, ratio, read, unbounded_by_failures
from paceline.records.measurement import Verdict
from paceline.records.metric_names import (
    FAILED_SHARE,
    QUALITY,
    QUALITY_LOADED,
    QUALITY_LONG,
    QUALITY_MINE,
    constrained_name,
)
from paceline.records.quality import QualityComparison
from paceline.records.ranking import ConstraintVerdict
from paceline.records.request import Constraint, Workload
from paceline.stats import Bounds, requests_to_tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with the bounds that it rests on."""

    verdict: ConstraintVerdict
    bounds: Bounds | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a verdict on one variant looks at.

    `baseline` is `None` when the baseline has no finished trial; `comparison` is `None` when the
    quality of the two cannot be compared, `own_comparison` the same for the user's own test set,
    `long_comparison` for long texts and `full_comparison` for both in full batches.
    `loaded_comparison` is of the variant in full batches to itself, and no limit is about it.
    """

    pooled: Pooled
    baseline: Pooled | None
    comparison: QualityComparison | None
    workload: Workload
    own_comparison: QualityComparison | None = None
    long_comparison: QualityComparison | None = None
    full_comparison: QualityComparison | None = None
    loaded_comparison: QualityComparison | None = None

    @property
    def paired(self) -> Mapping[str, QualityComparison | None]:
        """Figures that are compared with the baseline's item by item."""
        return {
            QUALITY: self.comparison,
            QUALITY_MINE: self.own_comparison,
            QUALITY_LONG: self.long_comparison,
            QUALITY_LOADED: self.full_comparison,
        }


def judge(constraint: Constraint, measured: Measured) -> Judgement:
    """What the measurements of a variant say about one constraint."""
    name = constrained_name(constraint, measured.workload)
    metrics = measured.pooled.metrics
    doubt = measured.pooled.doubt(name)
    if doubt is not None:
        plain = None if constraint.relative else read(metrics, name)
        added_ms = measured.pooled.client_added_ms
        if plain is not None and _misses_anyway(constraint, name, plain, added_ms):
            because = f"{_compared(constraint, plain)}; of it the client added at most"
            return _judgement(constraint, Verdict.FAIL, plain, f"{because} {added_ms:.3g} ms")
        return _judgement(constraint, Verdict.UNRESOLVED, plain, doubt)
    failures = unbounded_by_failures(metrics, name)
    if failures is not None:
        verdict = Verdict.FAIL if constraint.comparison.wants_less else Verdict.PASS
        because = f"{failures.because}, so it has no upper bound"
        if not failures.sure:
            verdict, because = Verdict.UNRESOLVED, f"{because} here; too few to say of the long run"
        return _judgement(constraint, verdict, None, because)
    reading = read(metrics, name) or f"{name} was not measured"
    if constraint.relative and isinstance(reading, Reading):
        reading = _against_baseline(reading, name, measured)
    if isinstance(reading, str):
        return _judgement(constraint, Verdict.UNRESOLVED, None, reading)
    if constraint.limit == 0:  # of the failed share: nothing could show that none would ever fail
        reading = Reading(value=reading.value, bounds=Bounds(lo=reading.value, hi=reading.value))
    verdict = Verdict.UNRESOLVED
    if reading.bounds is not None:
        lo, hi = reading.bounds.lo, reading.bounds.hi
        verdict = constraint.comparison.verdict(lo, hi, constraint.limit)
    because = _compared(constraint, reading)
    if name == FAILED_SHARE and verdict is Verdict.UNRESOLVED and not constraint.relative:
        because += f"; {requests_to_tell(reading.value, constraint.limit)}"
    return _judgement(constraint, verdict, reading, because)


def _misses_anyway(
    constraint: Constraint, name: str, reading: Reading, client_added_ms: float | None
) -> bool:
    """Whether a latency is over its limit also without all that the client may have added.

    That is known up to its p99: what it added to the slowest request of all is not.
    """
    if client_added_ms is None or reading.bounds is None or not name.endswith("_ms"):
        return False
    if constraint.statistic == "max":
        return False
    wants_less = constraint.comparison.wants_less
    return wants_less and reading.bounds.lo - client_added_ms > constraint.limit


def quality_ratio(comparison: QualityComparison) -> Reading:
    """The paired ratio to the baseline with its bounds."""
    interval = comparison.ratio_ci95
    return Reading(value=comparison.ratio, bounds=Bounds(lo=interval.lo, hi=interval.hi))


def shown(value: float, constraint: Constraint) -> str:
    """A figure in the constraint's unit, for people."""
    unit = "x" if constraint.relative else constraint.unit
    return f"{value:.4g}{' ' if len(unit) > 1 else ''}{unit}"


def _against_baseline(own: Reading, name: str, measured: Measured) -> Reading | str:
    """The figure as a factor of the baseline's, or why there is none."""
    baseline = measured.baseline
    if baseline is None:
        return "the baseline has no finished trial to compare with"
    if baseline.variant == measured.pooled.variant:
        return Reading(value=1.0, bounds=Bounds(lo=1.0, hi=1.0))
    if name in measured.paired:
        compared = measured.paired[name]
        if compared is None:
            return "the answers cannot be compared with the baseline's"
        return quality_ratio(compared)
    theirs = read(baseline.metrics, name)
    doubt = baseline.doubt(name)
    if theirs is None or doubt is not None:
        return f"{name} of the baseline: {doubt or 'no figure to compare with'}"
    return ratio(own, theirs) or f"{name} of the baseline is 0, so there is no ratio"


def _compared(constraint: Constraint, reading: Reading) -> str:
    limit = shown(constraint.limit, constraint)
    text = f"{shown(reading.value, constraint)} against {limit}"
    if reading.bounds is None:
        return f"{text}; too few samples for an interval"
    if math.isinf(reading.bounds.hi):
        return f"{text}; surely above {shown(reading.bounds.lo, constraint)}, no upper bound"
    if reading.bounds.lo == reading.bounds.hi:
        return f"{text}, seen whole"
    return f"{text}, 95 % in {reading.bounds.lo:.4g}–{reading.bounds.hi:.4g}"


def _judgement(
    constraint: Constraint, verdict: Verdict, reading: Reading | None, because: str
) -> Judgement:
    value = None if reading is None else reading.value
    return Judgement(
        verdict=ConstraintVerdict(
            constraint=constraint,
            verdict=verdict,
            value=value,
            margin=constraint.margin(value),
            because=because,
        ),
        bounds=None if reading is None else reading.bounds,
    )
