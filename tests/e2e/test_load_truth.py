"""The load client against the golden server's own account: stimulus and measurement.

The short form runs on any machine, however busy: it compares with what the server really did, asks
of the median what the machine may spoil for some, and where it asks for more a client that says
`client_bound` has told the truth, too. The full form is `make bench`.
"""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from paceline.adapters.load.openai_http import OpenAiHttp
from paceline.records.client import ClientState
from paceline.records.load import LoadProgress, LoadResult, Target
from paceline.records.load_plan import Arrivals, ClientSettings, LengthKind, Lengths, LoadShape
from paceline.records.measurement import Verdict
from paceline.records.request import Comparison, Constraint
from paceline.records.samples import Outcome
from paceline.testing.golden_server.launch import golden_server
from paceline.trial.arrivals import plan_load
from paceline.trial.innocence import judge_client
from paceline.trial.slo import judge
from paceline.trial.timeline import summarise

pytestmark = [pytest.mark.alone, pytest.mark.e2e, pytest.mark.enable_socket]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the client said and what the server did, request by request."""

    result: LoadResult
    log: dict[int, dict[str, Any]]

    @property
    def ttft_ms(self) -> tuple["np.typing.NDArray[np.float64]", "np.typing.NDArray[np.float64]"]:
        samples = [sample for sample in self.result.samples if sample.outcome is Outcome.OK]
        client = [(s.chunk_s[0] - (s.sent_s or 0.0)) * 1e3 for s in samples]
        entries = [self.log[sample.index] for sample in samples]
        server = [(e["first_ns"] - e["received_ns"]) / 1e6 for e in entries]
        return np.array(client), np.array(server)

    @property
    def tpot_ms(self) -> tuple["np.typing.NDArray[np.float64]", "np.typing.NDArray[np.float64]"]:
        samples = [sample for sample in self.result.samples if sample.outcome is Outcome.OK]
        gaps = np.array([(s.output_tokens or 0) - 1 for s in samples])
        client = np.array([(s.chunk_s[-1] - s.chunk_s[0]) * 1e3 for s in samples])
        entries = [self.log[sample.index] for sample in samples]
        server = np.array([(e["last_ns"] - e["first_ns"]) / 1e6 for e in entries])
        return client / gaps, server / gaps


def load(shape: LoadShape, *options: str) -> Truth:
    with golden_server(*options) as server:
        target = Target(base_url=server.url, model="golden")
        result = OpenAiHttp().run(target, plan_load(shape))
        return Truth(result=result, log=server.log())


def assert_accurate(truth: Truth, *, mean_share: float, p99_ms: float) -> None:
    client_bound = judge_client(truth.result).verdict is ClientState.CLIENT_BOUND
    client, server = truth.ttft_ms
    assert len(client) == len(truth.log)
    mean_error = abs(client.mean() / server.mean() - 1)
    p99_error_ms = abs(float(np.quantile(client, 0.99) - np.quantile(server, 0.99)))
    assert client_bound or mean_error <= mean_share
    assert client_bound or p99_error_ms <= p99_ms
    per_token, true_per_token = truth.tpot_ms
    assert client_bound or abs(per_token.mean() / true_per_token.mean() - 1) <= 0.005
    # Whatever the client says about itself, no request may have been answered before it was.
    assert float((client - server).min()) > -0.1


STREAMS = LoadShape(
    concurrency=64,
    requests=192,
    output_tokens=Lengths(kind=LengthKind.FIXED, mean=16),
)


def test_64_streams_are_measured_as_they_were() -> None:
    truth = load(STREAMS, "--itl-ms", "10")
    client, server = truth.ttft_ms
    assert len(client) == len(truth.log)
    assert float((client - server).min()) > -0.1, "none was answered before it was"
    bound = judge_client(truth.result).verdict is ClientState.CLIENT_BOUND
    assert bound or float(np.median(client - server)) <= 0.01 * server.mean()
    per_token, true_per_token = truth.tpot_ms
    assert bound or float(np.median(abs(per_token / true_per_token - 1))) <= 0.005


@pytest.mark.long
def test_64_streams_are_measured_as_they_were_to_the_slowest() -> None:
    assert_accurate(load(STREAMS, "--itl-ms", "10"), mean_share=0.01, p99_ms=5.0)


@pytest.mark.long
def test_256_streams_are_measured_as_they_were() -> None:
    shape = LoadShape(
        concurrency=256, requests=1024, output_tokens=Lengths(kind=LengthKind.FIXED, mean=64)
    )
    assert_accurate(load(shape), mean_share=0.04, p99_ms=20.0)


def test_jitter_of_the_server_is_seen_and_not_added() -> None:
    shape = LoadShape(
        concurrency=4, requests=60, output_tokens=Lengths(kind=LengthKind.FIXED, mean=4)
    )
    truth = load(shape, "--ttft-ms", "20", "--itl-ms", "2", "--jitter", "0.5")
    client, server = truth.ttft_ms
    assert server.std() > 3.0
    client_rank, server_rank = (np.argsort(np.argsort(ms)) for ms in (client, server))
    assert np.corrcoef(client_rank, server_rank)[0, 1] > 0.9 or (
        judge_client(truth.result).verdict is ClientState.CLIENT_BOUND
    )


@pytest.mark.parametrize("arrivals", [Arrivals.POISSON, Arrivals.CONSTANT, Arrivals.GAMMA])
def test_requests_arrive_at_the_server_as_planned(arrivals: Arrivals) -> None:
    shape = LoadShape(
        arrivals=arrivals,
        rate_rps=100.0,
        gamma_cv=2.0 if arrivals is Arrivals.GAMMA else None,
        requests=200,
        seed=11,
        output_tokens=Lengths(kind=LengthKind.FIXED, mean=1),
    )
    truth = load(shape, "--ttft-ms", "5")
    late_ms = lateness_ms(truth, shape)
    assert late_ms.min() > -0.5
    for limit_ms, share in ((2.0, 0.5), (5.0, 0.9)):
        within = (20 * limit_ms,)  # of which a client that is not to blame adds 5 % at most
        bound = judge_client(truth.result, limits_ms=within).verdict is ClientState.CLIENT_BOUND
        assert bound or float(np.quantile(late_ms, share)) < limit_ms


@pytest.mark.long
def test_poisson_arrivals_vary_as_poisson_arrivals_do() -> None:
    shape = LoadShape(
        arrivals=Arrivals.POISSON,
        rate_rps=40.0,
        requests=1600,
        seed=11,
        output_tokens=Lengths(kind=LengthKind.FIXED, mean=1),
    )
    truth = load(shape, "--ttft-ms", "5")
    seen_s = np.sort([entry["received_ns"] / 1e9 for entry in truth.log.values()])
    gaps_s = np.diff(seen_s)
    assert 0.9 < float(gaps_s.std() / gaps_s.mean()) < 1.1


def lateness_ms(truth: Truth, shape: LoadShape) -> "np.typing.NDArray[np.float64]":
    """How long after its due time the server had each request."""
    zero_ns = truth.result.window_start_monotonic_s * 1e9
    seen_ms = np.array([e["received_ns"] - zero_ns for _, e in sorted(truth.log.items())]) / 1e6
    planned_ms = np.array([(row.due_s or 0.0) * 1e3 for row in plan_load(shape).rows])
    late_ms: np.typing.NDArray[np.float64] = seen_ms - planned_ms
    return late_ms


def test_the_same_seed_arrives_the_same() -> None:
    shape = LoadShape(
        arrivals=Arrivals.POISSON,
        rate_rps=200.0,
        requests=60,
        input_tokens=Lengths(kind=LengthKind.LOGNORMAL, mean=40, deviation=20, low=10, high=200),
        output_tokens=Lengths(kind=LengthKind.FIXED, mean=1),
    )
    first, second = (load(shape, "--ttft-ms", "5") for _ in range(2))
    for name in ("scheduled_s", "input_tokens"):
        one, other = getattr(first.result.samples, name), getattr(second.result.samples, name)
        assert one.tolist() == other.tolist()
    seen = [[entry["input_tokens"] for entry in truth.log.values()] for truth in (first, second)]
    assert sorted(seen[0]) == sorted(seen[1])


def test_waiting_behind_other_requests_is_not_omitted() -> None:
    shape = LoadShape(
        arrivals=Arrivals.CONSTANT,
        rate_rps=50.0,
        max_in_flight=1,
        requests=12,
        output_tokens=Lengths(kind=LengthKind.FIXED, mean=1),
    )
    truth = load(shape, "--ttft-ms", "100")
    summary = summarise(truth.result.samples, open_loop=True)
    zero_ns = truth.result.window_start_monotonic_s * 1e9
    really_ms = [
        (truth.log[number]["last_ns"] - zero_ns) / 1e6 - 20.0 * number for number in range(12)
    ]
    assert summary.scheduled_e2e_ms.mean == pytest.approx(statistics.fmean(really_ms), rel=0.1)
    # Each takes 100 ms, one after the other, due every 20 ms: 540 ms on the average.
    assert statistics.fmean(really_ms) >= 540.0
    limit = Constraint(
        metric="e2e", statistic="p95", comparison=Comparison.AT_MOST, limit=200.0, unit="ms"
    )
    found = judge(truth.result.samples, summary, limit, open_loop=True)
    assert found is not None
    assert found.verdict is Verdict.FAIL


def test_a_client_that_was_held_up_says_so() -> None:
    shape = LoadShape(
        concurrency=4,
        duration_s=None,
        requests=120,
        output_tokens=Lengths(kind=LengthKind.FIXED, mean=2),
        settings=ClientSettings(processes=0),  # where a slow caller delays it
    )

    def hold_up(_: LoadProgress) -> None:
        time.sleep(0.1)

    with golden_server("--ttft-ms", "20", "--itl-ms", "5") as server:
        target = Target(base_url=server.url, model="golden")
        held_up = OpenAiHttp().run(target, plan_load(shape), on_progress=hold_up)
    verdict = judge_client(held_up, limits_ms=(200.0,))
    assert verdict.verdict is ClientState.CLIENT_BOUND
    assert "event loop lag" in verdict.reasons[0]


def test_a_process_of_its_own_is_not_held_up_by_a_slow_caller() -> None:
    shape = LoadShape(
        concurrency=2, requests=60, output_tokens=Lengths(kind=LengthKind.FIXED, mean=4)
    )
    ended: list[int] = []

    def dawdle(_: LoadProgress) -> None:
        """The first time until the server has answered all: held up, it never would have."""
        deadline_s = time.monotonic() + 60
        while not ended or (ended[0] < 60 and time.monotonic() < deadline_s):
            time.sleep(0.05)
            ended[:] = [sum(entry["ended"] == "ok" for entry in server.log().values())]

    with golden_server("--ttft-ms", "40", "--itl-ms", "5") as server:
        target = Target(base_url=server.url, model="golden")
        result = OpenAiHttp().run(target, plan_load(shape), on_progress=dawdle)
    assert ended == [60]
    assert summarise(result.samples, open_loop=False).ok == 60
