"""A paired verdict that may be looked at after every answer, and stops the asking when it is clear.

Each item gives a difference, variant − baseline. A bet against a claim about the mean difference
cannot grow if the claim is true; when it has grown 67-fold, the claim is refused. That holds
whenever one looks (Ville 1939), so stopping early costs no error. When every item was answered, one
ordinary interval is drawn as well, with the error that was kept back for it: it is the sharper one.
Items must come in random order.

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B
2024: the capital process with the approximate growth-optimal bet. The last interval: Agresti and
Min, "Simple improved confidence intervals for comparing matched proportions", 2005.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from paceline.errors import Code, SpecError
from paceline.ports.quality import StopRule
from paceline.records.measurement import Interval, Verdict
from paceline.records.quality import (
    ItemScore,
    PairedVerdict,
    QualityResult,
    StopCause,
    Stopped,
    Suite,
)
from paceline.stats import proportion_bounds
from paceline.trial.scoring import item_shares

Floats = npt.NDArray[np.float64]

ALPHA_ON_THE_WAY: Final = 0.03
ALPHA_AT_THE_END: Final = 0.02
"""The chance of a wrong refusal, both sides together: of all the looks on the way, and of the one
more when every item was answered. They add up to the 5 % of a 95 % interval."""

_LOG_STAKES: Final = math.log(2 / ALPHA_ON_THE_WAY)
_Z_AT_THE_END: Final = 2.3263478740408408  # standard normal, 99th percentile

FEWEST: Final = 20
"""Answers before a verdict: fewer convince nobody."""

FLIPS_WIDTH: Final = 0.05
"""How well the share of flips of an endpoint against itself is to be known."""

USUAL_MARGIN: Final = 0.03
"""Three points less are still good enough, where nobody said otherwise."""

_LARGEST_BET: Final = 0.9  # of the stake; a bet of everything could never recover
_PRIOR_VARIANCE: Final = 0.05  # one item in twenty flips: what int8 usually does
_BESIDE: Final = 1e-9  # of a margin: what rounding in a later comparison cannot undo
_GRID: Final = 40  # points per unit, then again within the last step: 0.0006 in all


class PairedRule:
    """The stop rule against a baseline, and the verdict at the last look."""

    def __init__(self, suite: Suite, baseline: QualityResult, *, margin: float) -> None:
        if suite.sha256 != baseline.suite_sha256:
            raise SpecError(
                Code.SUITE_CHANGED,
                f"the baseline did not answer this suite {suite.name!r}",
                why=f"its items hash to {baseline.suite_sha256[:16]}, these to {suite.sha256[:16]}",
                fix="ask the baseline this suite too",
            )
        if not 0 < margin < 1:
            raise SpecError(
                Code.BAD_OPTION,
                f"a margin of {margin} is no share of the score",
                why=f"{margin} is not between 0 and 1",
                fix="0.03 means that three points less are still good enough",
            )
        self._margin = margin
        self._reference = {score.item_id: score.score for score in baseline.items}
        self._weights = item_weights(suite)
        self._seen: Sequence[ItemScore] = ()

    def __call__(self, scores: Sequence[ItemScore]) -> Stopped | None:
        """Stop when the claim or its contrary is refused."""
        self._seen = tuple(scores)
        differences = self._differences()
        if len(differences) < FEWEST:
            return None
        verdict = _decide(differences, self._margin, self._reach)
        if verdict is Verdict.UNRESOLVED:
            return self._exhausted(len(differences))
        sign = "within" if verdict is Verdict.PASS else "beyond"
        return Stopped(
            cause=StopCause.CLEAR,
            because=f"after {len(differences)} items the difference to the baseline is {sign} "
            f"the margin of {self._margin:g} ({np.mean(differences):+.3f})",
        )

    def _exhausted(self, compared: int) -> Stopped | None:
        """The baseline itself may have been asked a part of the suite: more cannot be compared."""
        shared = len(self._reference.keys() & self._weights.keys())
        if compared < shared or shared == len(self._weights):
            return None
        return Stopped(
            cause=StopCause.SHARE,
            because=f"the baseline answered no more than these {shared} items of "
            f"{len(self._weights)}",
        )

    def verdict(self, *, over: bool = False) -> PairedVerdict:
        """What can be said after the answers seen so far.

        `over` tells that no more will be asked, for a reason that does not depend on the answers.
        """
        differences = self._differences()
        return paired_verdict(
            differences,
            margin=self._margin,
            reach=self._reach,
            complete=over or len(differences) == len(self._reference.keys() & self._weights.keys()),
        )

    @property
    def _reach(self) -> float:
        """The largest difference that one item can make."""
        return max(self._weights.values(), default=1.0)

    def _differences(self) -> Floats:
        found = [
            (score.score - self._reference[score.item_id]) * self._weights[score.item_id]
            for score in self._seen
            if score.item_id in self._reference
        ]
        return np.array(found, dtype=np.float64)


def quality_margin(limits: Iterable[float], baseline: QualityResult) -> float | None:
    """How much worse than the baseline still meets the strictest of several relative limits.

    `limits` are factors, 0.97 for `quality >= 0.97x`; without any, three points. `None` when no
    difference can show it: a baseline without a right answer, or a limit of 1 or more.
    """
    shares = [(1 - limit) * baseline.score for limit in limits]
    margin = min(shares, default=USUAL_MARGIN)
    return margin if 0 < margin < 1 and baseline.score > 0 else None


def judged_again(
    suite: Suite, stored: QualityResult, baseline: QualityResult, *, margin: float, seed: int
) -> PairedVerdict:
    """The verdict on stored answers, looked at in the order in which they were asked."""
    rule = PairedRule(suite, baseline, margin=margin)
    by_id = {score.item_id: score for score in stored.items}
    order = (item.item_id for item in suite.asking_order(seed))
    rule([by_id[item_id] for item_id in order if item_id in by_id])
    stopped = stored.stopped
    return rule.verdict(over=stopped is not None and stopped.cause is StopCause.SHARE)


def item_weights(suite: Suite) -> Mapping[str, float]:
    """Each item's weight in the composite, 1 on average."""
    shares = zip(suite.items, item_shares(suite, suite.items), strict=True)
    return {item.item_id: share * len(suite.items) for item, share in shares}


def settled_flips(first: QualityResult) -> StopRule:
    """Stops a second asking when the share of items that flip is known well enough.

    It only says how much an endpoint differs from itself, and decides nothing: so its interval may
    be looked at after every answer.
    """
    was = {score.item_id: score.score for score in first.items}

    def rule(scores: Sequence[ItemScore]) -> Stopped | None:
        flips = sum(score.score != was.get(score.item_id) for score in scores)
        bounds = proportion_bounds(flips, len(scores))
        if len(scores) < FEWEST or bounds.hi - bounds.lo > FLIPS_WIDTH:
            return None
        return Stopped(
            cause=StopCause.CLEAR,
            because=f"{flips} of {len(scores)} items flip, which is {bounds.lo:.1%} to "
            f"{bounds.hi:.1%} of all",
        )

    return rule


def first_of(*rules: StopRule) -> StopRule:
    """The first of several rules that stops; every rule sees every look."""

    def rule(scores: Sequence[ItemScore]) -> Stopped | None:
        found = [stopped for one in rules if (stopped := one(scores))]
        return found[0] if found else None

    return rule


def paired_verdict(
    differences: Sequence[float] | Floats,
    *,
    margin: float,
    reach: float = 1.0,
    complete: bool = False,
) -> PairedVerdict:
    """The verdict on differences in random order, each within ±`reach`.

    `complete` tells that nothing is left to ask; it must not depend on the answers.
    """
    values = np.asarray(differences, dtype=np.float64)
    interval = difference_bounds(values, reach=reach)
    verdict = _decide(values, margin, reach)
    if complete and len(values):
        interval = _both(interval, _last_interval(values, reach))
        if verdict is Verdict.UNRESOLVED:
            verdict = _read(interval, margin)
    interval = _without_refused(interval, verdict, margin)
    return PairedVerdict(
        verdict=verdict,
        margin=margin,
        difference=float(values.mean()) if len(values) else 0.0,
        difference_ci95=interval,
        different=not interval.lo <= 0 <= interval.hi,
        items=len(values),
    )


def difference_bounds(values: Floats, *, reach: float = 1.0) -> Interval:
    """The mean differences that no bet refuses: a 97 % interval valid at any moment."""
    scaled = values / reach
    coarse = np.linspace(-1.0, 1.0, 2 * _GRID + 1)[1:-1]  # a claim of ±1 leaves nothing to bet on
    kept = coarse[~_refused(scaled, coarse)]
    if not len(kept):  # narrower than the grid
        kept = np.clip([scaled.mean()], coarse[0], coarse[-1])
    step = 1.0 / _GRID
    lo, hi = float(kept.min()), float(kept.max())
    lower = _outermost_kept(scaled, np.linspace(lo, max(lo - step, coarse[0]), _GRID))
    upper = _outermost_kept(scaled, np.linspace(hi, min(hi + step, coarse[-1]), _GRID))
    open_below, open_above = lower <= coarse[0], upper >= coarse[-1]
    return Interval(
        lo=-reach if open_below else lower * reach, hi=reach if open_above else upper * reach
    )


def _outermost_kept(values: Floats, outwards: Floats) -> float:
    """The first refused of the means that lie ever further out, else the last one."""
    refused = np.flatnonzero(_refused(values, outwards))
    return float(outwards[refused[0] if len(refused) else -1])


def _last_interval(values: Floats, reach: float) -> Interval:
    """98 %, by the normal distribution, with flips added both ways that were not seen.

    `z² ÷ 4` of either sign, after Agresti and Min: without them, no flip at all would prove
    equality.
    """
    added = _Z_AT_THE_END**2 / 4
    n = len(values) + 2 * added
    mean = float(values.sum()) / n
    variance = (float(values @ values) + 2 * added * reach**2) / n - mean**2
    half = _Z_AT_THE_END * math.sqrt(variance / n)
    return Interval(lo=max(mean - half, -reach), hi=min(mean + half, reach))


def _both(early: Interval, last: Interval) -> Interval:
    """What neither refuses; the last one where they leave nothing."""
    lo, hi = max(early.lo, last.lo), min(early.hi, last.hi)
    return Interval(lo=lo, hi=hi) if lo <= hi else last


def _without_refused(interval: Interval, verdict: Verdict, margin: float) -> Interval:
    """The interval ends where the verdict was given: its grid is coarser than that."""
    match verdict:
        case Verdict.PASS:
            edge = -margin + _BESIDE
            return Interval(lo=max(interval.lo, edge), hi=max(interval.hi, edge))
        case Verdict.FAIL:
            edge = -margin - _BESIDE
            return Interval(lo=min(interval.lo, edge), hi=min(interval.hi, edge))
        case Verdict.UNRESOLVED:
            return interval


def _read(interval: Interval, margin: float) -> Verdict:
    if interval.lo > -margin:
        return Verdict.PASS
    return Verdict.FAIL if interval.hi < -margin else Verdict.UNRESOLVED


def _decide(values: Floats, margin: float, reach: float) -> Verdict:
    limit = np.array([-margin / reach])
    above, below = _log_capitals(values / reach, limit)
    if above[0] >= _LOG_STAKES:
        return Verdict.PASS
    return Verdict.FAIL if below[0] >= _LOG_STAKES else Verdict.UNRESOLVED


def _refused(values: Floats, means: Floats) -> npt.NDArray[np.bool_]:
    above, below = _log_capitals(values, means)
    refused: npt.NDArray[np.bool_] = np.maximum(above, below) >= _LOG_STAKES
    return refused


def _log_capitals(values: Floats, means: Floats) -> tuple[Floats, Floats]:
    """Logarithms of the most that bets on a higher and on a lower mean had grown to, per claim.

    `values` are within ±1, in the order they came; shapes `[items]` and `[means]`.
    """
    if not len(values):
        return np.zeros_like(means), np.zeros_like(means)
    seen = np.arange(1, len(values) + 1)  # what was known before each item, with one prior item
    sums = np.concatenate([[0.0], np.cumsum(values)[:-1]])
    squares = np.concatenate([[0.0], np.cumsum(values**2)[:-1]]) + _PRIOR_VARIANCE
    mean = sums / seen
    variance = np.maximum(squares / seen - mean**2, _PRIOR_VARIANCE / seen)
    gap = mean[:, None] - means[None, :]
    bet = gap / (variance[:, None] + gap**2)
    up = np.clip(bet, 0.0, _LARGEST_BET / (1 + means))
    down = np.clip(-bet, 0.0, _LARGEST_BET / (1 - means))
    moves = values[:, None] - means[None, :]
    return (
        np.cumsum(np.log1p(up * moves), axis=0).max(axis=0),
        np.cumsum(np.log1p(-down * moves), axis=0).max(axis=0),
    )
