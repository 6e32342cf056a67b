"""A variant's answers against the baseline's, item by item.

The same items were asked of both, so the noise of the items themselves cancels out and damage of a
percent can be seen with some hundreds of items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from paceline.errors import Code, SpecError
from paceline.records.measurement import Interval
from paceline.records.quality import ItemScore, QualityComparison, QualityResult, StopCause
from paceline.stats import coin_share

RESAMPLES: Final = 2000
_TAILS: Final = (0.025, 0.975)

Floats = npt.NDArray[np.float64]


def compare_quality(
    variant: QualityResult, baseline: QualityResult, *, seed: int
) -> QualityComparison | None:
    """Ratio and difference of the composites over the items that both were asked.

    An item without an answer counts as wrong. `None` when nothing is shared or the baseline has
    no right answer, so that there is no ratio. Intervals are percentiles of a paired bootstrap,
    or, when the asking stopped because the verdict was clear, the one that holds at any moment;
    `p_value` is McNemar's exact test (McNemar 1947; the sign test for graded scores). Raises
    SpecError (`suite-changed`) for answers to different suites.
    """
    if variant.suite_sha256 != baseline.suite_sha256:
        raise SpecError(
            Code.SUITE_CHANGED,
            f"answers to two different suites, {variant.suite!r} and {baseline.suite!r}",
            why=f"their items hash to {variant.suite_sha256[:16]} and {baseline.suite_sha256[:16]}",
            fix="ask both the same suite",
        )
    theirs = {item.item_id: item for item in baseline.items}
    shared = [(item, theirs[item.item_id]) for item in variant.items if item.item_id in theirs]
    weights = _item_weights(variant, [item for item, _ in shared])
    scores = np.array([(mine.score, base.score) for mine, base in shared]).reshape(-1, 2)
    mine, base = (float(total) for total in weights @ scores)
    if base <= 0:
        return None
    intervals = _at_any_moment(variant, baseline, mine - base, mine / base) or _bootstrapped(
        scores, weights, seed, mine - base, mine / base
    )
    lost = tuple(m.item_id for m, b in shared if m.score < b.score)
    gained = tuple(m.item_id for m, b in shared if m.score > b.score)
    return QualityComparison(
        ratio=mine / base,
        ratio_ci95=intervals.ratio,
        difference=mine - base,
        difference_ci95=intervals.difference,
        p_value=_mcnemar(len(lost), len(gained)),
        lost=lost,
        gained=gained,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Intervals:
    difference: Interval
    ratio: Interval


def _bootstrapped(
    scores: Floats, weights: Floats, seed: int, difference: float, ratio: float
) -> _Intervals:
    ratios, differences = _resampled(scores, weights, seed)
    return _Intervals(difference=_interval(differences, difference), ratio=_interval(ratios, ratio))


def _at_any_moment(
    variant: QualityResult, baseline: QualityResult, difference: float, ratio: float
) -> _Intervals | None:
    """The interval of the verdict that stopped the asking; `None` when nothing was stopped by one.

    A bootstrap would be too narrow there: it does not know that somebody looked before.
    """
    stopped, paired = variant.stopped, variant.paired
    if stopped is None or stopped.cause is not StopCause.CLEAR or paired is None:
        return None
    edges = np.array([paired.difference_ci95.lo, paired.difference_ci95.hi])
    return _Intervals(
        difference=_around(edges, difference), ratio=_around(1 + edges / baseline.score, ratio)
    )


def _item_weights(result: QualityResult, items: Sequence[ItemScore]) -> Floats:
    """Each item's share of the composite: its weight's part of its category's share. Sums to 1."""
    totals: dict[str, float] = {}
    for item in items:
        totals[item.category] = totals.get(item.category, 0.0) + item.weight
    raw = np.array(
        [
            result.weights.get(item.category, 1.0) * item.weight / totals[item.category]
            for item in items
        ]
        if result.weights
        else [item.weight for item in items]
    )
    return raw / raw.sum() if len(items) else raw


def _resampled(scores: Floats, weights: Floats, seed: int) -> tuple[Floats, Floats]:
    """Ratios and differences of resampled items.

    The items drawn from hold one lost and one gained item more than was seen (the adjustment of
    Agresti and Min 2005 for paired shares): ten answers without a flip do not prove equality, and
    a plain bootstrap would say that they do.
    """
    scores = np.vstack([scores, [[0.0, 1.0], [1.0, 0.0]]])
    weights = np.append(weights, [1 / (len(weights) or 1)] * 2)
    # RandomState, not Generator: its stream is frozen, and a receipt is recomputed years later.
    drawn = np.random.RandomState(seed).randint(0, len(weights), size=(RESAMPLES, len(weights)))
    mine, base, total = (
        column[drawn].sum(axis=1)
        for column in (scores[:, 0] * weights, scores[:, 1] * weights, weights)
    )
    usable = base > 0
    return mine[usable] / base[usable], (mine - base) / total


def _interval(samples: Floats, value: float) -> Interval:
    return _around(np.quantile(samples, _TAILS), value)


def _around(edges: Floats, value: float) -> Interval:
    """The edges, moved outwards to hold the value itself."""
    lo, hi = (float(edge) for edge in edges)
    return Interval(lo=min(lo, value), hi=max(hi, value))


def _mcnemar(lost: int, gained: int) -> float:
    """Two-sided exact p: how likely flips fall at least this unevenly if both are as good."""
    return min(1.0, 2 * coin_share(min(lost, gained), lost + gained))
