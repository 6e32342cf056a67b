"""Percentiles, 95 % intervals and tests for series of measurements in the order they were made.

Pure. Requests of one test are correlated (they share batches, queues and the machine), so nothing
here assumes that they are independent: intervals of means rest on batch means, those of shares
and percentiles on an effective sample size.

Sources: batch means and MSER as in Law, *Simulation Modeling and Analysis*; exact binomial bounds
by Clopper and Pearson (1934); percentile bounds by order statistics as in Hahn and Meeker,
*Statistical Intervals*; incomplete beta by the continued fraction of Lentz.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Series = Sequence[float] | npt.NDArray[np.float64]

CONFIDENCE: Final = 0.95
TAIL: Final = (1 - CONFIDENCE) / 2
MOST_BATCHES: Final = 32
FEWEST_BATCHES: Final = 8
EFFECT_BATCHES: Final = ((20, 1.59), (8, 2.01))
"""Batches, and the ratio of variances that independent trials exceed one time in twenty
(chi-square over its degrees of freedom): below it, nothing speaks against independence."""
DRIFT_BATCHES: Final = 20
DRIFT_CHANCE: Final = 0.01
"""How often a steady series is called drifting."""
MOST_TRIALS: Final = 1_000_000
"""More than anybody sends to settle one figure."""
FEWEST_VALUES: Final = 2
"""One value has no spread."""
CONVERGED: Final = 1e-14
QUANTILE_CONVERGED: Final = 1e-10
"""Of a share: far below what any number of requests can tell apart."""
DRIFT_RELATIVE: Final = 0.05
"""A change smaller than this share of the mean matters to nobody."""
RAMP_BATCH: Final = 5  # requests per batch in MSER-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """An interval, `lo <= hi`; either may be infinite."""

    lo: float
    hi: float


def quantile(values: Series, share: float) -> float:
    """The `share` quantile, interpolated between the two nearest ranks (Hyndman–Fan 7).

    `share` is 0–1 and `values` not empty, in any order.
    """
    return float(np.quantile(np.asarray(values, dtype=np.float64), share))


def mean_bounds(series: Series) -> Bounds | None:
    """Bounds of the long-run mean of a series that may be correlated; `None` below two values.

    Batch means: the series is cut into up to 32 batches, fewer as long as neighbouring batch
    means are correlated. What correlation is left at 8 batches widens the interval as for a
    first-order autoregression.
    """
    values = np.asarray(series, dtype=np.float64)
    if len(values) < FEWEST_VALUES:
        return None
    batches = min(MOST_BATCHES, len(values))
    means = _batch_means(values, batches)
    while batches > FEWEST_BATCHES and _neighbour_correlation(means) > _noise(batches):
        batches = max(FEWEST_BATCHES, batches // 2)
        means = _batch_means(values, batches)
    left = min(max(_neighbour_correlation(means), 0.0), 0.9)
    widening = math.sqrt((1 + left) / (1 - left)) if left > _noise(batches) / 2 else 1.0
    error = float(np.std(means, ddof=1)) / math.sqrt(batches) * widening
    half = student_quantile(1 - TAIL, batches - 1) * error
    center = float(np.mean(values))
    return Bounds(lo=center - half, hi=center + half)


def quantile_bounds(series: Series, share: float) -> Bounds | None:
    """Bounds of the `share` quantile by order statistics; `None` when there are too few values.

    Without any assumption about the distribution the largest value of a sample says something
    about p99 only from some hundreds of values on.
    """
    values = np.asarray(series, dtype=np.float64)
    if len(values) < FEWEST_VALUES:
        return None
    below = values <= np.quantile(values, share)
    effective = len(values) / design_effect(below)
    # The true quantile lies between the sample quantiles of the shares that are compatible with
    # `share`: the exact binomial bounds, read the other way round.
    lowest = _compatible_share(share, effective, upper=False)
    highest = _compatible_share(share, effective, upper=True)
    if lowest is None or highest is None:
        return None
    ordered = np.sort(values)
    first = math.floor(lowest * len(values))
    last = math.ceil(highest * len(values)) - 1
    return Bounds(lo=float(ordered[first]), hi=float(ordered[min(last, len(values) - 1)]))


def proportion_bounds(hits: float, trials: float) -> Bounds:
    """Exact (Clopper–Pearson) bounds of a share; fractions are allowed for effective sizes."""
    lo = 0.0 if hits <= 0 else beta_quantile(TAIL, hits, trials - hits + 1)
    hi = 1.0 if hits >= trials else beta_quantile(1 - TAIL, hits + 1, trials - hits)
    return Bounds(lo=lo, hi=hi)


@cache  # the same few figures are asked about again and again while a run goes on
def trials_to_tell(share: float, limit: float) -> int | None:
    """Fewest trials whose exact bounds lie on one side of `limit` when `share` of them hit.

    `None` where not even `MOST_TRIALS` would do: the share is the limit, or hardly another.
    """

    def tells(trials: int) -> bool:
        bounds = proportion_bounds(share * trials, trials)
        return bounds.hi <= limit or bounds.lo > limit

    if not tells(MOST_TRIALS):
        return None
    return bisect.bisect_left(range(MOST_TRIALS), True, key=tells)


def requests_to_tell(share: float, limit: float) -> str:
    """In words, how many requests would settle on which side of `limit` a share lies."""
    needed = trials_to_tell(share, limit)
    if needed is None:
        return f"no number of requests tells {share:.2%} from {limit:.2%}"
    held = "none of them failed" if share == 0 else f"{share:.2%} of them failed"
    return f"at least {needed:,} requests in one window would settle it, if {held}"


def design_effect(hits: npt.NDArray[np.bool_]) -> float:
    """How many correlated trials are worth one independent one; 1 or more.

    The variance of batch means over what independent trials would give, for short and for long
    batches. 1 when the series is too short to tell, or when nothing speaks for correlation.
    """
    share = float(np.mean(hits)) if len(hits) else 0.0
    if share in (0.0, 1.0):
        return 1.0
    largest = 1.0
    for batches, by_chance in EFFECT_BATCHES:
        size = len(hits) // batches
        if size < FEWEST_VALUES:
            continue
        means = _batch_means(hits.astype(np.float64), batches)
        effect = float(np.var(means, ddof=1)) * size / (share * (1 - share))
        if effect > by_chance:
            largest = max(largest, min(effect, float(size)))
    return largest


def exceedance_effect(series: Series, share: float) -> float:
    """The design effect of exceeding about the `share` quantile of a series, at least ten times."""
    values = np.asarray(series, dtype=np.float64)
    if len(values) < MOST_BATCHES:
        return 1.0
    level = min(share, 1 - 10 / len(values))
    return design_effect(values > np.quantile(values, level))


def drift(series: Series) -> float | None:
    """Relative change over a series, first to last, when it is more than chance; else `None`.

    The slope of up to 20 batch means is tested by Student's t at 1 %; a change below 5 % of the
    mean is not reported.
    """
    values = np.asarray(series, dtype=np.float64)
    batches = min(DRIFT_BATCHES, len(values))
    center = float(np.mean(values)) if len(values) else 0.0
    if batches < FEWEST_BATCHES or center == 0.0:
        return None
    means = _batch_means(values, batches)
    place = np.arange(batches) - (batches - 1) / 2
    spread = float(place @ place)
    slope = float(place @ means) / spread
    rest = means - float(np.mean(means)) - slope * place
    error = math.sqrt(float(rest @ rest) / (batches - 2) / spread)
    change = slope * (batches - 1) / abs(center)
    limit = student_quantile(1 - DRIFT_CHANCE / 2, batches - 2)
    certain = error == 0.0 or abs(slope) / error > limit
    return change if certain and abs(change) > DRIFT_RELATIVE else None


def ramp_length(series: Series) -> int:
    """How many values at the beginning belong to a ramp (MSER-5); 0 when none does.

    The cut that minimises the standard error of what is left, if it falls in the first half, and
    only when what it cuts off differs from the rest: a steady series loses nothing.
    """
    values = np.asarray(series, dtype=np.float64)
    batches = len(values) // RAMP_BATCH
    if batches < 2 * FEWEST_BATCHES:
        return 0
    means = values[: batches * RAMP_BATCH].reshape(batches, RAMP_BATCH).mean(axis=1)
    errors = [float(np.var(means[cut:])) / (batches - cut) for cut in range(batches // 2)]
    cut = int(np.argmin(errors))
    if cut == 0 or cut >= batches // 2 - 1:  # at the edge: it never became steady
        return 0
    head, rest = means[:cut], means[cut:]
    error = math.sqrt(float(np.var(rest, ddof=1)) * (1 / len(head) + 1 / len(rest)))
    differs = abs(float(np.mean(head) - np.mean(rest))) > 3 * error
    return cut * RAMP_BATCH if differs else 0


def coin_share(heads: int, tosses: int) -> float:
    """How likely a fair coin shows at most so many heads; exact for any number of tosses."""
    ways = found = 1
    for shown in range(heads):
        ways = ways * (tosses - shown) // (shown + 1)
        found += ways
    return found / (1 << tosses)  # of whole numbers: a float holds no more than 2**1023 ways


def student_quantile(share: float, freedom: float) -> float:
    """Quantile of Student's t; `share` is 0.5–1, `freedom` the degrees of freedom."""
    tail = beta_quantile(2 * (1 - share), freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - tail) / tail) if tail > 0 else math.inf


def beta_quantile(share: float, a: float, b: float) -> float:
    """Quantile of the beta distribution, by bisection to double precision."""
    lo, hi = 0.0, 1.0
    for _ in range(100):
        middle = (lo + hi) / 2
        if beta_share(middle, a, b) < share:
            lo = middle
        else:
            hi = middle
        if hi - lo < QUANTILE_CONVERGED * hi:
            break
    return (lo + hi) / 2


def beta_share(x: float, a: float, b: float) -> float:
    """Distribution function of the beta distribution (regularised incomplete beta)."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_share(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    log_front += a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / a * _beta_fraction(x, a, b)


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Lentz's evaluation of the continued fraction of the incomplete beta function."""
    tiny = 1e-300
    c, d = 1.0, 1.0 / max(1.0 - (a + b) * x / (a + 1), tiny)
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / _nonzero(1.0 + even * d, tiny)
        c = _nonzero(1.0 + even / c, tiny)
        result *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / _nonzero(1.0 + odd * d, tiny)
        c = _nonzero(1.0 + odd / c, tiny)
        result *= d * c
        if abs(d * c - 1.0) < CONVERGED:
            break
    return result


def _nonzero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny


def _compatible_share(share: float, trials: float, *, upper: bool) -> float | None:
    """The outermost sample share that `share` could still produce with probability `TAIL`.

    `None` when not even the outermost value of the sample is that far out.
    """
    lo, hi = (share, 1.0) if upper else (0.0, share)
    if upper and share**trials > TAIL:
        return None
    if not upper and (1 - share) ** trials > TAIL:
        return None
    for _ in range(60):
        middle = (lo + hi) / 2
        hits = middle * trials
        if upper:
            likely = beta_share(share, hits, trials - hits + 1) > TAIL
        else:
            likely = 1 - beta_share(share, hits + 1, trials - hits) > TAIL
        if likely == upper:
            lo = middle
        else:
            hi = middle
    return (lo + hi) / 2


def _batch_means(values: npt.NDArray[np.float64], batches: int) -> npt.NDArray[np.float64]:
    """Means of equal batches; what does not fill the last one is left out at the beginning."""
    size = len(values) // batches
    result: npt.NDArray[np.float64] = (
        values[len(values) - size * batches :].reshape(batches, size).mean(axis=1)
    )
    return result


def _neighbour_correlation(means: npt.NDArray[np.float64]) -> float:
    centered = means - means.mean()
    total = float(centered @ centered)
    return float(centered[:-1] @ centered[1:]) / total if total > 0 else 0.0


def _noise(batches: int) -> float:
    """What the neighbour correlation of independent batches exceeds one time in twenty."""
    return 1.645 / math.sqrt(batches)
