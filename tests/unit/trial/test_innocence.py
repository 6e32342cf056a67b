"""A client is guilty when it could have moved a verdict, and then says how."""

from dataclasses import replace

import pytest

from paceline.records.client import ClientState
from paceline.records.load import ClientHealth, LoadResult
from paceline.records.measurement import Stat
from paceline.records.samples import Outcome, RequestSample, table_of
from paceline.testing.simulated_load import PROBE
from paceline.trial.innocence import judge_client


def stat(mean: float, p99: float) -> Stat:
    return Stat(mean=mean, p50=mean, p90=p99, p95=p99, p99=p99, max=p99, n=100, ci95={})


HEALTHY = ClientHealth(
    processes=1,
    cores=1,
    cpu_s=1.0,
    window_cpu_s=0.5,
    window_s=10.0,
    loop_lag_ms=stat(0.1, 1.0),
    send_skew_ms=stat(0.1, 1.0),
    offered_rps=None,
    achieved_rps=10.0,
    held=0,
    connections_opened=4,
    retried=0,
    kernel_stamps=True,
)
OPEN = replace(HEALTHY, offered_rps=10.0)


def result(health: ClientHealth, requests: int = 100) -> LoadResult:
    """Requests with 100 ms to the first token and 200 ms in all."""
    samples = [
        RequestSample(
            index=index,
            scheduled_s=index * 0.1,
            sent_s=index * 0.1,
            chunk_s=(index * 0.1 + 0.1, index * 0.1 + 0.2),
            end_s=index * 0.1 + 0.2,
            input_tokens=1,
            output_tokens=2,
            outcome=Outcome.OK,
        )
        for index in range(requests)
    ]
    return LoadResult(
        samples=table_of(samples),
        health=health,
        probe=PROBE,
        warmup_requests=0,
        warmup_failed=0,
        stopped=False,
        window_start_monotonic_s=0.0,
        started_at_utc="2026-01-01T00:00:00+00:00",
    )


@pytest.mark.parametrize("health", [HEALTHY, OPEN])
def test_a_healthy_client_is_innocent(health: ClientHealth) -> None:
    verdict = judge_client(result(health), limits_ms=(100.0,))
    assert (verdict.verdict, verdict.reasons) == (ClientState.OK, ())


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (replace(HEALTHY, loop_lag_ms=stat(1, 6.0)), "event loop lag p99 6.00 ms > 5.00 ms"),
        (replace(OPEN, send_skew_ms=stat(1, 6.0)), "send skew p99 6.00 ms > 5.00 ms"),
        (replace(HEALTHY, send_skew_ms=stat(11, 30)), "11.00 ms > 5% of the 200.0 ms"),
        (replace(HEALTHY, window_cpu_s=9.0), "client CPU 90% > 85% of 1 core"),
        (replace(OPEN, achieved_rps=9.0), "sent 9 requests/s < 95% of the 10 offered"),
    ],
)
def test_each_way_to_be_guilty_is_said_with_both_numbers(health: ClientHealth, said: str) -> None:
    verdict = judge_client(result(health), limits_ms=(100.0, 400.0))
    assert verdict.verdict is ClientState.CLIENT_BOUND
    assert len(verdict.reasons) == 1
    assert said in verdict.reasons[0]


def test_without_a_limit_the_median_stands_in() -> None:
    late = replace(HEALTHY, loop_lag_ms=stat(1, 6.0))
    assert "median TTFT" in judge_client(result(late)).reasons[0]


def test_late_sends_in_closed_loop_move_no_latency() -> None:
    bursty = replace(HEALTHY, send_skew_ms=stat(2.0, 30.0))
    assert judge_client(result(bursty), limits_ms=(100.0,)).verdict is ClientState.OK


def test_back_pressure_of_the_server_is_not_the_clients_fault() -> None:
    held = replace(OPEN, achieved_rps=2.0, held=90)
    assert judge_client(result(held), limits_ms=(100.0,)).verdict is ClientState.OK


def test_more_processes_may_use_more_cores() -> None:
    busy = replace(HEALTHY, window_cpu_s=9.0, processes=2, cores=2)
    assert judge_client(result(busy), limits_ms=(100.0,)).verdict is ClientState.OK


@pytest.mark.parametrize(
    ("health", "added_ms"),
    [
        (HEALTHY, 1.0),
        (OPEN, 2.0),  # late sending counts where times start at the schedule
        (replace(HEALTHY, window_cpu_s=9.0), None),  # a full core may have slowed the server, too
        (replace(HEALTHY, loop_lag_ms=replace(stat(1, 6.0), p99=None)), None),
    ],
)
def test_it_says_the_most_that_it_added(health: ClientHealth, added_ms: float | None) -> None:
    assert judge_client(result(health)).added_ms == added_ms
