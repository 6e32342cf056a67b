"""Verdicts on constraints from raw samples: pass, fail or unresolved. Pure.

A percentile is judged by counting: `p95 <= L` holds exactly when at most 5 % of requests exceed
L, so a failed or timed-out request counts as one that does, and a test too short to give p99 an
interval can still show that it is missed. A mean is judged by its interval, with every miss put
in at the most that it can have been.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from paceline.records.load import LoadSummary
from paceline.records.measurement import Interval, Metric, Verdict
from paceline.records.metric_names import LATENCIES, PERCENTILES, SCHEDULED
from paceline.records.ranking import ConstraintVerdict
from paceline.records.request import OPERATORS, Comparison, Constraint
from paceline.records.samples import OUTCOMES, Floats, Outcome, SampleTable
from paceline.stats import design_effect, exceedance_effect, mean_bounds, proportion_bounds
from paceline.trial.describe import interval_of
from paceline.trial.timeline import RATE_REQUESTS, RATE_SLICES, Mask, Timings, gaps_ms
from paceline.units import MS_PER_S

RATES: Final = ("output_tokens_per_s", "requests_per_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict with the number behind it and the comparison in words."""

    verdict: Verdict
    value: float | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What a test has no value of, counted as its values are: requests, or gaps within them.

    `failed` are beyond any limit; `unknown` ended before they could tell and count against either
    verdict. `effect` is the design effect of failing: an outage takes many requests at once.
    """

    failed: float
    unknown: float
    effect: float


NOTHING_LOST: Final = Lost(failed=0.0, unknown=0.0, effect=1.0)


def judge(
    samples: SampleTable,
    summary: LoadSummary,
    constraint: Constraint,
    *,
    open_loop: bool,
    timeout_s: float | None = None,
) -> ConstraintVerdict | None:
    """The verdict on one absolute latency or rate constraint; `None` for any other metric.

    Only requests of the steady window count. Under open loop `ttft` and `e2e` are judged from the
    scheduled arrival. A drifting window leaves a verdict unresolved, unless the drift makes it
    only more certain: what fails while it gets worse fails.
    """
    if constraint.relative:
        return None
    window = samples.select(in_window(samples, summary)) if summary.trimmed else samples
    found = (
        _judge_rate(summary, constraint)
        if constraint.metric in RATES
        else _judge_latency(window, constraint, open_loop=open_loop, timeout_s=timeout_s)
    )
    if found is None:
        return None
    return told(found, summary, constraint)


def in_window(samples: SampleTable, summary: LoadSummary) -> Mask:
    """Which requests belong to the steady window: where no ramp was cut off, all of them.

    The window then starts when the first request was written, which is later than it was due.
    """
    if not summary.trimmed:
        return np.ones(len(samples), dtype=bool)
    return samples.scheduled_s >= summary.window_start_s


def told(found: Finding, summary: LoadSummary, constraint: Constraint) -> ConstraintVerdict:
    """A finding as the verdict that is reported, once drift had its say."""
    found = _with_drift(found, summary, constraint)
    return ConstraintVerdict(
        constraint=constraint,
        verdict=found.verdict,
        value=found.value,
        margin=constraint.margin(found.value),
        because=found.because,
    )


def percentile_verdict(
    values: Floats, lost: Lost = NOTHING_LOST, *, share: float, limit: float, comparison: Comparison
) -> Finding:
    """Whether the `share` quantile keeps a limit: by exact bounds of the share that does not."""
    n = len(values) + lost.failed + lost.unknown
    if n == 0:
        return Finding(verdict=Verdict.UNRESOLVED, value=None, because="no request ended")
    beyond = int((~kept(values, limit, comparison)).sum())
    allowed = 1 - share if comparison.wants_less else share
    effect = max(exceedance_effect(values, share), lost.effect)
    bad = lost.failed if comparison.wants_less else 0.0
    fewest = proportion_bounds((beyond + bad) / effect, n / effect)
    most = proportion_bounds((beyond + lost.failed + lost.unknown) / effect, n / effect)
    counted = f"{beyond + lost.failed:.0f} of {n:.0f} miss {limit:g} ms"
    if lost.failed:
        counted += f" ({lost.failed:.0f} of them failed)"
    if most.hi <= allowed:
        verdict, because = Verdict.PASS, f"{counted}: at most {most.hi:.2%} <= {allowed:.2%}"
    elif fewest.lo > allowed:
        verdict, because = Verdict.FAIL, f"{counted}: at least {fewest.lo:.2%} > {allowed:.2%}"
    else:
        verdict = Verdict.UNRESOLVED
        because = f"{counted}: {fewest.lo:.2%}–{most.hi:.2%} around {allowed:.2%}"
    value = _quantile_with_misses(values, round(lost.failed), share)
    return Finding(verdict=verdict, value=value, because=because)


def mean_verdict(
    values: Floats,
    misses: int,
    *,
    limit: float,
    comparison: Comparison,
    worst: float | None,
) -> Finding:
    """Whether the long-run mean keeps a limit. A miss lasted at most `worst` (`None`: no limit).

    Failing needs only the requests that were answered; passing must hold with every miss at its
    worst.
    """
    bounds = mean_bounds(values)
    if bounds is None:
        return Finding(verdict=Verdict.UNRESOLVED, value=None, because=f"{len(values)} answers")
    value = float(np.mean(values))
    lo, hi = bounds.lo, bounds.hi
    if misses and comparison.wants_less:
        share = misses / (misses + len(values))
        hi = math.inf if worst is None else hi * (1 - share) + worst * share
    text = f"95 % interval {lo:.4g}–{hi:.4g} against {limit:g}"
    return Finding(verdict=comparison.verdict(lo, hi, limit), value=value, because=text)


def kept(values: Floats, limit: float, comparison: Comparison) -> Mask:
    """Which values keep a limit: `Comparison.holds` for many."""
    result: Mask = OPERATORS[comparison](values, limit)
    return result


def good_requests(
    samples: SampleTable, constraints: Sequence[Constraint], *, open_loop: bool
) -> Mask:
    """Which requests meet the limit of every latency constraint themselves; failures do not."""
    times = Timings(samples)
    good = times.ok.copy()
    for constraint in constraints:
        values = _per_request(times, _metric(constraint, open_loop=open_loop))
        if values is None or constraint.relative:
            continue
        good &= kept(values, constraint.limit, constraint.comparison) | np.isnan(values)
    return good


def goodput(
    samples: SampleTable,
    summary: LoadSummary,
    constraints: Sequence[Constraint],
    *,
    open_loop: bool,
) -> Metric | None:
    """Requests per second that meet every latency limit; `None` without a limit or a window."""
    limits = [c for c in constraints if c.metric in LATENCIES and not c.relative]
    return good_rate(samples, summary, limits, open_loop=open_loop) if limits else None


def good_rate(
    samples: SampleTable, summary: LoadSummary, limits: Sequence[Constraint], *, open_loop: bool
) -> Metric | None:
    """As `goodput`, of every answered request where there is no limit.

    Its interval is that of batch means over slices of the window, as for other rates; `n` counts
    the requests that ended, good or not.
    """
    if summary.window_s <= 0:
        return None
    start_s, end_s = summary.window_start_s, summary.window_start_s + summary.window_s
    good = good_requests(samples, limits, open_loop=open_loop)
    counts, _ = np.histogram(samples.end_s[good], bins=RATE_SLICES, range=(start_s, end_s))
    ended = summary.ok + summary.failed
    bounds = mean_bounds(counts / (summary.window_s / RATE_SLICES))
    return Metric(
        value=float(counts.sum()) / summary.window_s,
        unit="requests/s",
        ci95=interval_of(bounds) if ended >= RATE_REQUESTS else None,
        n=ended,
    )


def _judge_latency(
    samples: SampleTable, constraint: Constraint, *, open_loop: bool, timeout_s: float | None
) -> Finding | None:
    times = Timings(samples)
    metric = _metric(constraint, open_loop=open_loop)
    values = _per_request(times, metric)
    if metric == "itl":
        values = gaps_ms(samples, times.ok)
    elif values is not None:
        values = values[times.ok]
        values = values[~np.isnan(values)]
    if values is None or constraint.statistic is None:
        return None
    missed = ~times.ok & ~_unknown(samples, times, metric, constraint.limit)
    if constraint.statistic == "mean":
        return mean_verdict(
            values,
            int((~times.ok).sum()),
            limit=constraint.limit,
            comparison=constraint.comparison,
            worst=None if timeout_s is None else timeout_s * MS_PER_S,
        )
    if constraint.statistic == "max":
        return _max_verdict(values, int(missed.sum()), constraint)
    return percentile_verdict(
        values,
        _lost(times.ok, missed, values=len(values) if metric == "itl" else None),
        share=PERCENTILES[constraint.statistic],
        limit=constraint.limit,
        comparison=constraint.comparison,
    )


def _unknown(samples: SampleTable, times: Timings, metric: str, limit_ms: float) -> Mask:
    """Requests that were in flight at the end and had not waited longer than the limit by then."""
    unfinished: Mask = samples.outcome == OUTCOMES.index(Outcome.UNFINISHED)
    scheduled = metric in SCHEDULED.values()
    since_s = samples.scheduled_s if scheduled else samples.sent_s
    waited_ms = (samples.end_s - since_s) * MS_PER_S
    if metric in ("ttft", "scheduled_ttft"):  # of one whose first output came, that long
        first_ms = times.scheduled_ttft_ms if scheduled else times.ttft_ms
        waited_ms = np.where(np.isnan(first_ms), waited_ms, first_ms)
    elif metric not in ("e2e", "scheduled_e2e"):
        return unfinished
    return unfinished & ~(waited_ms > limit_ms)


def _lost(ok: Mask, missed: Mask, *, values: int | None) -> Lost:
    """Requests without a value; each stands for as many `values` as an answered one has."""
    each = 1.0 if values is None else max(values / max(int(ok.sum()), 1), 1.0)
    failed, unknown = int(missed.sum()), int((~ok & ~missed).sum())
    if not failed + unknown:
        return NOTHING_LOST
    effect = design_effect(missed[ok | missed]) * each
    return Lost(failed=failed * each, unknown=unknown * each, effect=effect)


def _max_verdict(values: Floats, misses: int, constraint: Constraint) -> Finding:
    """The largest value of this test; it says nothing about the next one."""
    if not len(values):
        return Finding(verdict=Verdict.UNRESOLVED, value=None, because="no request ended well")
    value = float(np.max(values))
    keeps = constraint.comparison.holds(value, constraint.limit) and not misses
    because = f"largest of {len(values)} is {value:.4g}, {misses} failed"
    return Finding(verdict=Verdict.PASS if keeps else Verdict.FAIL, value=value, because=because)


def _judge_rate(summary: LoadSummary, constraint: Constraint) -> Finding:
    tokens = constraint.metric == "output_tokens_per_s"
    value = summary.output_tokens_per_s if tokens else summary.requests_per_s
    interval: Interval | None = (
        summary.output_tokens_per_s_ci95 if tokens else summary.requests_per_s_ci95
    )
    if interval is None:
        because = f"{summary.ok} answers are too few for an interval"
        return Finding(verdict=Verdict.UNRESOLVED, value=value, because=because)
    verdict = constraint.comparison.verdict(interval.lo, interval.hi, constraint.limit)
    because = f"95 % interval {interval.lo:.4g}–{interval.hi:.4g} against {constraint.limit:g}"
    return Finding(verdict=verdict, value=value, because=because)


def _with_drift(found: Finding, summary: LoadSummary, constraint: Constraint) -> Finding:
    if summary.drift is None or found.verdict is Verdict.UNRESOLVED:
        return found
    worse = summary.drift > 0
    if found.verdict is (Verdict.FAIL if worse else Verdict.PASS):
        return found
    direction = "slower" if worse else "faster"
    because = f"{found.because}; but requests got {abs(summary.drift):.0%} {direction} meanwhile"
    return Finding(verdict=Verdict.UNRESOLVED, value=found.value, because=because)


def _metric(constraint: Constraint, *, open_loop: bool) -> str:
    return SCHEDULED.get(constraint.metric, constraint.metric) if open_loop else constraint.metric


def _per_request(times: Timings, metric: str) -> Floats | None:
    return {
        "ttft": times.ttft_ms,
        "e2e": times.e2e_ms,
        "tpot": times.tpot_ms,
        "scheduled_ttft": times.scheduled_ttft_ms,
        "scheduled_e2e": times.scheduled_e2e_ms,
    }.get(metric)


def _quantile_with_misses(values: Floats, misses: int, share: float) -> float | None:
    """The quantile with misses above every value; `None` when it falls among them."""
    padded = np.concatenate([np.sort(values), np.full(misses, np.inf)])
    place = share * (len(padded) - 1)
    if math.ceil(place) >= len(values):
        return None
    return float(np.interp(place, np.arange(len(values)), padded[: len(values)]))
