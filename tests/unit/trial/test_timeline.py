"""Every metric has the value that its formula gives on samples made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from paceline.records.samples import Outcome, RequestSample, TokenSource, table_of
from paceline.trial.timeline import summarise


def sample(index: int, at_s: float = 0.0, **fields: object) -> RequestSample:
    """Scheduled at `at_s`, sent 10 ms later; chunks 100, 120 and 160 ms after that."""
    sent_s = at_s + 0.010
    made = RequestSample(
        index=index,
        scheduled_s=at_s,
        sent_s=sent_s,
        chunk_s=(sent_s + 0.100, sent_s + 0.120, sent_s + 0.160),
        end_s=sent_s + 0.161,
        input_tokens=50,
        output_tokens=5,
        outcome=Outcome.OK,
        status=200,
        token_source=TokenSource.USAGE,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def steady(count: int) -> list[RequestSample]:
    """One request every 20 ms."""
    return [sample(index, index * 0.02) for index in range(count)]


def test_times_of_one_request_are_as_defined() -> None:
    summary = summarise(table_of([sample(0)]), open_loop=False)
    assert summary.ttft_ms.mean == pytest.approx(100)
    assert summary.e2e_ms.mean == pytest.approx(160)
    assert summary.scheduled_ttft_ms.mean == pytest.approx(110)
    assert summary.scheduled_e2e_ms.mean == pytest.approx(170)
    assert summary.tpot_ms.mean == pytest.approx(60 / 4)
    assert (summary.itl_ms.mean, summary.itl_ms.max, summary.itl_ms.n) == pytest.approx((30, 40, 2))
    assert summary.tokens_per_chunk == pytest.approx(5 / 3)
    assert summary.token_counts == {"usage": 1}


def test_gaps_are_not_taken_across_requests() -> None:
    summary = summarise(table_of(steady(10)), open_loop=False)
    assert summary.itl_ms.n == 20
    assert summary.itl_ms.max == pytest.approx(40)


def test_one_token_has_no_time_per_token() -> None:
    one = sample(0, chunk_s=(0.11,), output_tokens=1)
    summary = summarise(table_of([one]), open_loop=False)
    assert (summary.tpot_ms.n, summary.tpot_ms.mean) == (0, None)
    assert summary.itl_ms.n == 0


def test_failures_are_counted_by_kind_and_give_no_latency() -> None:
    samples = [
        *steady(3),
        sample(3, 0.1, outcome=Outcome.TRUNCATED),
        sample(4, 0.1, outcome=Outcome.HTTP_ERROR, chunk_s=()),
        sample(5, 0.1, outcome=Outcome.UNFINISHED, chunk_s=(), sent_s=None),
    ]
    summary = summarise(table_of(samples), open_loop=False)
    assert (summary.ok, summary.failed, summary.incomplete) == (3, 2, 1)
    assert summary.outcomes == {"ok": 3, "http-error": 1, "truncated": 1, "unfinished": 1}
    assert summary.ttft_ms.n == 3


def test_rates_count_what_arrived_while_load_was_offered() -> None:
    summary = summarise(table_of(steady(200)), open_loop=False)
    assert summary.requests_per_s == pytest.approx(50, rel=0.06)
    assert summary.output_tokens_per_s == pytest.approx(250, rel=0.06)
    assert summary.in_flight_mean == pytest.approx(50 * 0.161, rel=0.06)
    assert summary.in_flight_max == 9
    assert summary.requests_per_s_ci95 is not None
    interval = summary.output_tokens_per_s_ci95
    assert interval is not None
    assert interval.lo < 250 < interval.hi


def test_what_arrived_of_a_request_that_the_end_cut_off_arrived() -> None:
    """Four in flight, each two tokens per chunk every 20 ms for a second; cut off at 5 s."""
    rows = []
    for index in range(20):
        start_s = 0.25 * index
        chunks_s = [start_s + 0.02 * n for n in range(1, 51)]
        whole = chunks_s[-1] <= 5.0
        got_s = tuple(at_s for at_s in chunks_s if at_s <= 5.0)
        rows.append(
            sample(
                index,
                scheduled_s=start_s,
                sent_s=start_s,
                chunk_s=got_s,
                end_s=min(chunks_s[-1], 5.0),
                output_tokens=100 if whole else len(got_s),  # no usage came: chunks were counted
                token_source=TokenSource.USAGE if whole else TokenSource.CHUNKS,
                outcome=Outcome.OK if whole else Outcome.UNFINISHED,
            )
        )
    summary = summarise(table_of(rows), open_loop=False, trim=False)
    arrived = sum(2 for row in rows for at_s in row.chunk_s if at_s <= 4.75)
    assert summary.incomplete == 3
    assert summary.output_tokens_per_s == pytest.approx(arrived / 4.75, rel=0.01)


def test_one_wave_of_requests_is_counted_to_its_end() -> None:
    summary = summarise(table_of([sample(index) for index in range(4)]), open_loop=False)
    assert summary.window_s == pytest.approx(0.161)
    assert summary.requests_per_s == pytest.approx(4 / 0.161)
    assert summary.requests_per_s_ci95 is None


def test_a_slow_start_is_trimmed_and_said_so() -> None:
    slow = [
        sample(index, index * 0.02, chunk_s=(index * 0.02 + 1.0,), output_tokens=1)
        for index in range(40)
    ]
    samples = slow + [sample(index, index * 0.02) for index in range(40, 300)]
    summary = summarise(table_of(samples), open_loop=False)
    assert summary.trimmed == 40
    assert summary.window_start_s == pytest.approx(0.8)
    assert summary.ttft_ms.max == pytest.approx(100)
    assert summarise(table_of(samples), open_loop=False, trim=False).trimmed == 0


def test_a_growing_queue_is_drift_under_open_loop_only() -> None:
    samples = [
        replace(sample(index, 0.1 + index * 0.02), scheduled_s=index * 0.0195)
        for index in range(300)
    ]
    assert summarise(table_of(samples), open_loop=False).steady
    drifting = summarise(table_of(samples), open_loop=True)
    assert not drifting.steady
    assert drifting.drift is not None
    assert drifting.drift > 0


def test_percentiles_are_without_interval_when_there_are_too_few() -> None:
    ci95 = summarise(table_of(steady(50)), open_loop=False).ttft_ms.ci95
    assert ci95["p99"] is None
    assert ci95["p50"] is not None


def test_nothing_measured_is_no_error() -> None:
    refused = sample(0, outcome=Outcome.REFUSED, sent_s=None, chunk_s=())
    summary = summarise(table_of([refused]), open_loop=True)
    assert (summary.ok, summary.failed, summary.ttft_ms.mean) == (0, 1, None)
    assert summary.output_tokens_per_s == 0.0


def test_no_requests_at_all_is_no_error() -> None:
    summary = summarise(table_of([]), open_loop=False)
    assert (summary.ok, summary.window_s) == (0, 0.0)


def test_the_interval_of_a_mean_covers_it() -> None:
    rng = np.random.default_rng(5)
    samples = [
        replace(made, chunk_s=(made.scheduled_s + 0.01 + float(rng.exponential(0.1)),))
        for made in steady(400)
    ]
    interval = summarise(table_of(samples), open_loop=False).ttft_ms.ci95["mean"]
    assert interval is not None
    assert interval.lo < 100 < interval.hi
