from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from paceline.errors import SpecError
from paceline.records.measurement import Verdict
from paceline.records.ranking import ConstraintVerdict
from paceline.records.samples import Outcome, RequestSample, SampleTable, table_of
from paceline.spec.grammar import parse_constraint
from paceline.trial.attainment import (
    judge_all,
    misses_anyway,
    point_verdict,
    refuse_unjudged,
)
from paceline.trial.find_max import ProbeVerdict
from paceline.trial.timeline import summarise


def samples(ttft_s: Sequence[float | None]) -> SampleTable:
    """Ten per second, each 0.3 s long; `None` is a request that failed."""
    return table_of(
        [
            RequestSample(
                index=i,
                scheduled_s=i / 10,
                sent_s=i / 10,
                chunk_s=() if first_s is None else (i / 10 + first_s, i / 10 + 0.3),
                end_s=i / 10 + 0.3,
                input_tokens=8,
                output_tokens=None if first_s is None else 2,
                outcome=Outcome.RESET if first_s is None else Outcome.OK,
            )
            for i, first_s in enumerate(ttft_s)
        ]
    )


def verdicts(table: SampleTable, *texts: str) -> tuple[ConstraintVerdict, ...]:
    constraints = [parse_constraint(text) for text in texts]
    refuse_unjudged(constraints)
    summary = summarise(table, open_loop=False, trim=False)
    return judge_all(table, summary, constraints, open_loop=False)


@pytest.mark.parametrize(
    ("failed_every", "limit", "verdict"),
    [(0, 0.02, Verdict.PASS), (5, 0.02, Verdict.FAIL), (50, 0.02, Verdict.UNRESOLVED)],
)
def test_the_failed_share_is_judged_by_its_interval(
    failed_every: int, limit: float, verdict: Verdict
) -> None:
    table = samples([None if failed_every and i % failed_every == 0 else 0.1 for i in range(400)])
    (found,) = verdicts(table, f"failed_share <= {limit}")
    assert found.verdict is verdict


def test_a_test_too_short_for_a_share_says_how_long_it_had_to_be() -> None:
    (found,) = verdicts(samples([0.1] * 120), "failed_share <= 1%")
    assert found.verdict is Verdict.UNRESOLVED
    assert found.because == (
        "0 of 120 failed; 95 % interval 0–0.03027; at least 368 requests in one window would"
        " settle it, if none of them failed"
    )
    (enough,) = verdicts(samples([0.1] * 368), "failed_share <= 1%")
    assert enough.verdict is Verdict.PASS
    assert "settle" not in enough.because


@pytest.mark.parametrize(("failed", "expected"), [(0, Verdict.PASS), (1, Verdict.FAIL)])
def test_a_limit_of_no_failure_at_all_is_about_the_requests_that_were_sent(
    failed: int, expected: Verdict
) -> None:
    """No number of requests shows that none would ever fail."""
    (found,) = verdicts(samples([None] * failed + [0.1] * 20), "failed_share <= 0")
    assert found.verdict is expected
    assert found.because == f"{failed} of {20 + failed} failed, judged as seen"


def test_what_failed_before_the_first_byte_was_written_counts() -> None:
    """In closed loop the whole first wave is due at 0 and written a little later."""
    first_wave = table_of(
        [
            RequestSample(
                index=i,
                scheduled_s=0.0,
                sent_s=0.001,
                chunk_s=(),
                end_s=0.3,
                input_tokens=8,
                output_tokens=None,
                outcome=Outcome.RESET,
            )
            for i in range(100)
        ]
    )
    (found,) = verdicts(first_wave, "failed_share <= 1%")
    assert (found.verdict, found.value) == (Verdict.FAIL, 1.0)


@pytest.mark.parametrize("text", ["goodput >= 4", "failed_share <= 20%"])
def test_a_server_that_gets_slower_meanwhile_keeps_no_limit_for_sure(text: str) -> None:
    table = samples([0.05 + i / 4000 for i in range(400)])
    later = [0.3 + i / 400 for i in range(400)]
    ends = np.array([i / 10 + e2e_s for i, e2e_s in enumerate(later)])
    table = replace(
        table,
        end_s=ends,
        chunk_us=np.array(
            [us for i in range(400) for us in (50_000, int(later[i] * 1e6))], dtype=np.uint32
        ),
    )
    _, found = verdicts(table, "ttft p99 <= 100ms", text)
    assert found.verdict is Verdict.UNRESOLVED
    assert "slower" in found.because


@pytest.mark.parametrize(
    ("text", "added_ms", "expected"),
    [
        ("ttft p95 <= 10ms", 20.0, True),
        ("ttft p95 <= 10ms", 95.0, False),  # the client may have added it all
        ("ttft p95 <= 10ms", None, False),
        ("ttft max <= 10ms", 20.0, False),  # of the slowest request nothing is known
        ("goodput >= 100", 0.0, False),
    ],
)
def test_a_miss_stands_without_all_that_the_client_may_have_added(
    text: str, added_ms: float | None, expected: bool
) -> None:
    table = samples([0.1] * 200)
    summary = summarise(table, open_loop=False, trim=False)
    limits = [parse_constraint(text)]
    found = misses_anyway(table, summary, limits, open_loop=False, client_added_ms=added_ms)
    assert found is expected


def test_goodput_counts_requests_that_keep_every_limit() -> None:
    slow_half = samples([0.2 if i % 2 else 0.05 for i in range(400)])
    _, easy, hard = verdicts(slow_half, "ttft p99 <= 100ms", "goodput >= 4", "goodput >= 8")
    assert (easy.verdict, hard.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert easy.value == pytest.approx(5, rel=0.05)


def test_failures_are_never_good() -> None:
    (found,) = verdicts(samples([None] * 100), "goodput >= 1")
    assert found.verdict is not Verdict.PASS
    assert found.value in (0.0, None)


def test_few_requests_leave_goodput_unresolved() -> None:
    (found,) = verdicts(samples([0.1] * 20), "goodput >= 1")
    assert found.verdict is Verdict.UNRESOLVED


@pytest.mark.parametrize("text", ["quality >= 0.9", "cost <= 1 usd/mtok", "ttft p95 <= 2x"])
def test_what_one_endpoint_cannot_tell_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        refuse_unjudged([parse_constraint(text)])


def test_a_guilty_client_says_more_than_any_verdict() -> None:
    failed = verdicts(samples([0.2] * 200), "ttft p95 <= 100ms")
    assert point_verdict(failed, client_bound=False) is ProbeVerdict.FAIL
    assert point_verdict(failed, client_bound=True) is ProbeVerdict.CLIENT_BOUND
    assert point_verdict((), client_bound=False) is ProbeVerdict.PASS
