"""Every constraint that a load test can judge: latencies, rates, goodput and the failed share.

Latencies and plain rates are judged in `trial.slo`; here are the two that look at requests as
kept or missed, and the one list of what a load test cannot judge at all. Pure.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from paceline.errors import Code, SpecError
from paceline.records.load import LoadSummary
from paceline.records.measurement import Interval, Verdict
from paceline.records.metric_names import LATENCIES
from paceline.records.ranking import ConstraintVerdict
from paceline.records.request import Constraint
from paceline.records.samples import SampleTable
from paceline.stats import requests_to_tell
from paceline.trial.find_max import ProbeVerdict
from paceline.trial.slo import Finding, good_rate, judge, told

GOODPUT: Final = "goodput"
FAILED_SHARE: Final = "failed_share"
RATES: Final = ("output_tokens_per_s", "requests_per_s", GOODPUT)
JUDGED: Final = (*LATENCIES, *RATES, FAILED_SHARE)


def refuse_unjudged(constraints: Sequence[Constraint]) -> None:
    """Raise SpecError for a constraint that a load test of one endpoint cannot judge."""
    for constraint in constraints:
        if constraint.relative:
            raise SpecError(
                Code.BAD_CONSTRAINT,
                f"{constraint.text!r} compares with a baseline",
                why="a load test of one endpoint has none; `optimize` measures one",
                fix="give the limit itself, with its unit",
            )
        if constraint.metric not in JUDGED:
            raise SpecError(
                Code.BAD_CONSTRAINT,
                f"a load test cannot judge {constraint.text!r}",
                why=f"it measures {', '.join(JUDGED[:4])}, {', '.join(RATES)} and {FAILED_SHARE}",
                fix="leave it out, or let `paceline optimize` judge it",
            )


def judge_all(
    samples: SampleTable,
    summary: LoadSummary,
    constraints: Sequence[Constraint],
    *,
    open_loop: bool,
    timeout_s: float | None = None,
) -> tuple[ConstraintVerdict, ...]:
    """A verdict on each constraint, in order; `constraints` passed `refuse_unjudged`."""
    verdicts = []
    for constraint in constraints:
        if constraint.metric == GOODPUT:
            rate = _judge_goodput(samples, summary, constraint, constraints, open_loop=open_loop)
            found = told(rate, summary, constraint)
        elif constraint.metric == FAILED_SHARE:
            found = told(_judge_failed(summary, constraint), summary, constraint)
        else:
            judged = judge(samples, summary, constraint, open_loop=open_loop, timeout_s=timeout_s)
            if judged is None:
                raise ValueError(f"{constraint.text!r} was let through, but nobody judges it")
            found = judged
        verdicts.append(found)
    return tuple(verdicts)


def misses_anyway(
    samples: SampleTable,
    summary: LoadSummary,
    constraints: Sequence[Constraint],
    *,
    open_loop: bool,
    client_added_ms: float | None,
) -> bool:
    """Whether a latency surely misses its limit also without all that the client may have added.

    That is known up to its p99: what it added to the slowest request of all is not. A client that
    sent too little made the server look better, so the miss stands.
    """
    if client_added_ms is None:
        return False
    raised = [
        replace(constraint, limit=constraint.limit + client_added_ms)
        for constraint in constraints
        if constraint.metric in LATENCIES
        and constraint.comparison.wants_less
        and constraint.statistic != "max"
    ]
    verdicts = judge_all(samples, summary, raised, open_loop=open_loop)
    return any(found.verdict is Verdict.FAIL for found in verdicts)


def point_verdict(verdicts: Sequence[ConstraintVerdict], *, client_bound: bool) -> ProbeVerdict:
    """What a whole test says: a guilty client first, then the worst of its verdicts."""
    found = {verdict.verdict for verdict in verdicts}
    if client_bound:
        return ProbeVerdict.CLIENT_BOUND
    if Verdict.FAIL in found:
        return ProbeVerdict.FAIL
    return ProbeVerdict.UNRESOLVED if Verdict.UNRESOLVED in found else ProbeVerdict.PASS


def _judge_goodput(
    samples: SampleTable,
    summary: LoadSummary,
    constraint: Constraint,
    constraints: Sequence[Constraint],
    *,
    open_loop: bool,
) -> Finding:
    """Requests per second that keep every latency limit."""
    latencies = [c for c in constraints if c.metric in LATENCIES]
    rate = good_rate(samples, summary, latencies, open_loop=open_loop)
    if rate is None:
        return Finding(verdict=Verdict.UNRESOLVED, value=None, because="nothing was measured")
    if rate.ci95 is None:
        because = f"{rate.n} requests are too few for an interval"
        return Finding(verdict=Verdict.UNRESOLVED, value=rate.value, because=because)
    because = f"{rate.value * summary.window_s:.0f} of {rate.n} requests kept every limit"
    return Finding(
        verdict=constraint.comparison.verdict(rate.ci95.lo, rate.ci95.hi, constraint.limit),
        value=rate.value,
        because=f"{because}; {_shown(rate.ci95)}",
    )


def _judge_failed(summary: LoadSummary, constraint: Constraint) -> Finding:
    """By the exact bounds of the share; a limit of 0 by what was seen.

    No number of requests shows that none would ever fail.
    """
    interval = summary.failed_share_ci95
    if interval is None:
        return Finding(verdict=Verdict.UNRESOLVED, value=None, because="no request ended")
    ended = summary.ok + summary.failed
    value = summary.failed / ended
    because = f"{summary.failed} of {ended} failed; {_shown(interval)}"
    if constraint.limit == 0:
        interval = Interval(lo=value, hi=value)
        because = f"{summary.failed} of {ended} failed, judged as seen"
    verdict = constraint.comparison.verdict(interval.lo, interval.hi, constraint.limit)
    if verdict is Verdict.UNRESOLVED:
        because += f"; {requests_to_tell(value, constraint.limit)}"
    return Finding(verdict=verdict, value=value, because=because)


def _shown(interval: Interval) -> str:
    return f"95 % interval {max(interval.lo, 0.0):.4g}–{interval.hi:.4g}"
