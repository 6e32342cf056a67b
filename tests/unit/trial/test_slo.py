"""Verdicts are right near the limit, count failures as misses and admit what they do not know."""

from dataclasses import replace

import numpy as np
import pytest

from paceline.records.measurement import Verdict
from paceline.records.request import Comparison, Constraint
from paceline.records.samples import Outcome, RequestSample, SampleTable, table_of
from paceline.trial.slo import goodput, judge, mean_verdict, percentile_verdict
from paceline.trial.timeline import summarise

P95 = Constraint(
    metric="ttft", statistic="p95", comparison=Comparison.AT_MOST, limit=100.0, unit="ms"
)


def table(times_ms: list[float], *, failed: int = 0) -> SampleTable:
    samples = [
        RequestSample(
            index=index,
            scheduled_s=index * 0.1,
            sent_s=index * 0.1,
            chunk_s=(index * 0.1 + at_ms / 1e3,),
            end_s=index * 0.1 + at_ms / 1e3,
            input_tokens=1,
            output_tokens=1,
            outcome=Outcome.OK,
        )
        for index, at_ms in enumerate(times_ms)
    ]
    samples += [
        replace(row, index=len(samples) + number, outcome=Outcome.RESET, chunk_s=())
        for number, row in enumerate(samples[:: max(len(samples) // max(failed, 1), 1)][:failed])
    ]
    return table_of(samples)


def verdict_on(constraint: Constraint, samples: SampleTable, *, open_loop: bool = False) -> Verdict:
    summary = summarise(samples, open_loop=open_loop)
    found = judge(samples, summary, constraint, open_loop=open_loop)
    assert found is not None
    return found.verdict


def test_clear_cases_are_clear() -> None:
    assert verdict_on(P95, table([50.0] * 100)) is Verdict.PASS
    assert verdict_on(P95, table([150.0] * 100)) is Verdict.FAIL
    assert verdict_on(P95, table([50.0] * 95 + [150.0] * 5)) is Verdict.UNRESOLVED


def test_too_few_requests_to_pass_can_still_fail() -> None:
    p99 = replace(P95, statistic="p99")
    assert verdict_on(p99, table([50.0] * 40)) is Verdict.UNRESOLVED
    assert verdict_on(p99, table([50.0] * 20 + [150.0] * 20)) is Verdict.FAIL


def test_failures_are_misses() -> None:
    assert verdict_on(P95, table([50.0] * 200)) is Verdict.PASS
    assert verdict_on(P95, table([50.0] * 200, failed=40)) is Verdict.FAIL


def test_a_failure_keeps_a_mean_from_passing_unless_its_worst_is_known() -> None:
    values = np.full(100, 50.0)
    arguments = {"limit": 100.0, "comparison": Comparison.AT_MOST}
    clean = mean_verdict(values, 0, worst=None, **arguments)  # type: ignore[arg-type]
    unknown = mean_verdict(values, 1, worst=None, **arguments)  # type: ignore[arg-type]
    bounded = mean_verdict(values, 1, worst=1000.0, **arguments)  # type: ignore[arg-type]
    assert clean.verdict is Verdict.PASS
    assert unknown.verdict is Verdict.UNRESOLVED
    assert bounded.verdict is Verdict.PASS


def test_open_loop_is_judged_from_the_schedule() -> None:
    late = [
        replace(row, scheduled_s=row.scheduled_s - 1.0, index=row.index)
        for row in table([50.0] * 100)
    ]
    assert verdict_on(P95, table_of(late)) is Verdict.PASS
    assert verdict_on(P95, table_of(late), open_loop=True) is Verdict.FAIL


def test_unfinished_requests_are_misses_only_when_they_waited_long_enough() -> None:
    e2e = replace(P95, metric="e2e")
    rows = list(table([50.0] * 100))
    unfinished = {"outcome": Outcome.UNFINISHED, "chunk_s": ()}
    late = [replace(row, end_s=row.scheduled_s + 5, **unfinished) for row in rows[:30]]  # type: ignore[arg-type]
    early = [replace(row, end_s=row.scheduled_s + 0.01, **unfinished) for row in rows[:30]]  # type: ignore[arg-type]
    assert verdict_on(e2e, table_of(late + rows[30:])) is Verdict.FAIL
    assert verdict_on(e2e, table_of(early + rows[30:])) is Verdict.UNRESOLVED


def test_an_unfinished_request_misses_a_first_token_limit_once_it_waited_longer() -> None:
    rows = list(table([50.0] * 100))
    cut = [replace(row, end_s=row.scheduled_s + 5, outcome=Outcome.UNFINISHED) for row in rows[:30]]
    silent = [replace(row, chunk_s=()) for row in cut]
    assert verdict_on(P95, table_of(silent + rows[30:])) is Verdict.FAIL
    assert verdict_on(P95, table_of(cut + rows[30:])) is Verdict.UNRESOLVED  # may still fail


def test_a_burst_of_failures_is_one_event_and_shows_no_share_of_failing() -> None:
    rows = list(table([50.0] * 800))
    burst = [replace(row, outcome=Outcome.RESET, chunk_s=()) for row in rows[300:360]]
    spread = [replace(row, outcome=Outcome.RESET, chunk_s=()) for row in rows[::13]]
    alone = [row for row in rows if row.index % 13]
    assert verdict_on(P95, table_of(rows[:300] + burst + rows[360:])) is Verdict.UNRESOLVED
    assert verdict_on(P95, table_of(spread + alone)) is Verdict.FAIL


@pytest.mark.parametrize(
    ("every", "expected"),
    [(10_000, Verdict.PASS), (200, Verdict.UNRESOLVED), (20, Verdict.FAIL), (1, Verdict.FAIL)],
)
def test_a_failed_request_loses_as_many_gaps_as_an_answered_one_has(
    every: int, expected: Verdict
) -> None:
    itl = replace(P95, metric="itl", statistic="p99", limit=20.0)
    rows = [
        replace(row, chunk_s=tuple(row.scheduled_s + 0.01 * k for k in range(1, 33)))
        if (row.index + 1) % every
        else replace(row, outcome=Outcome.RESET, chunk_s=())
        for row in table([50.0] * 600)
    ]
    assert verdict_on(itl, table_of(rows)) is expected


def test_drift_leaves_open_what_it_could_change() -> None:
    getting_slower = table(np.linspace(20.0, 90.0, 300).tolist())
    assert verdict_on(P95, getting_slower) is Verdict.UNRESOLVED
    getting_worse = table(np.linspace(120.0, 900.0, 300).tolist())
    assert verdict_on(P95, getting_worse) is Verdict.FAIL


def test_a_rate_is_judged_by_its_interval() -> None:
    samples = table([50.0] * 400)  # ten per second, one token each
    rate = Constraint(
        metric="output_tokens_per_s",
        statistic=None,
        comparison=Comparison.AT_LEAST,
        limit=8.0,
        unit="tokens/s",
    )
    assert verdict_on(rate, samples) is Verdict.PASS
    assert verdict_on(replace(rate, limit=12.0), samples) is Verdict.FAIL


def test_goodput_counts_requests_that_meet_every_limit() -> None:
    samples = table([50.0, 150.0] * 100, failed=10)
    summary = summarise(samples, open_loop=False, trim=False)
    found = goodput(samples, summary, [P95], open_loop=False)
    assert found is not None and found.ci95 is not None
    assert found.value == pytest.approx(5.0, rel=0.03)
    assert (found.ci95.lo, found.ci95.hi) == pytest.approx((5.0, 5.0), rel=0.1)
    assert found.n == 210
    few = table([50.0] * 30)
    short = goodput(few, summarise(few, open_loop=False, trim=False), [P95], open_loop=False)
    assert short is not None and short.ci95 is None


def test_other_metrics_are_not_judged_here() -> None:
    samples = table([50.0] * 10)
    summary = summarise(samples, open_loop=False)
    quality = replace(P95, metric="quality", statistic=None)
    assert judge(samples, summary, quality, open_loop=False) is None
    assert judge(samples, summary, replace(P95, relative=True), open_loop=False) is None


@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_verdicts_near_a_percentile_limit_are_wrong_at_most_one_time_in_twenty(
    factor: float,
) -> None:
    rng = np.random.default_rng(17)
    truth = float(np.exp(0.5 * 1.644854)) * 100  # p95 of the distribution drawn below
    wrong = Verdict.PASS if factor < 1 else Verdict.FAIL
    mistakes = 0
    for _ in range(500):
        values = 100 * np.exp(0.5 * rng.standard_normal(400))
        found = percentile_verdict(
            values, share=0.95, limit=truth * factor, comparison=Comparison.AT_MOST
        )
        mistakes += found.verdict is wrong
    assert mistakes / 500 <= 0.05


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_verdicts_near_a_mean_limit_are_wrong_at_most_one_time_in_twenty(factor: float) -> None:
    rng = np.random.default_rng(18)
    truth = 100 * float(np.exp(0.125))
    wrong = Verdict.PASS if factor < 1 else Verdict.FAIL
    mistakes = 0
    for _ in range(500):
        values = 100 * np.exp(0.5 * rng.standard_normal(400))
        found = mean_verdict(
            values, 0, limit=truth * factor, comparison=Comparison.AT_MOST, worst=None
        )
        mistakes += found.verdict is wrong
    assert mistakes / 500 <= 0.05
