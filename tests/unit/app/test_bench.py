"""A whole load test against a simulated server: a queue in front of so many equal places."""

import heapq
import json
from collections.abc import Callable, Iterator

import pytest

from paceline.app.bench import BenchPoint, BenchReport, Ended, run_bench
from paceline.app.bench_document import bench_document
from paceline.app.bench_request import BenchOptions, BenchRequest, bench_request
from paceline.app.wiring import Workshop
from paceline.errors import Code, SetupError
from paceline.ports.load import OnProgress, Stop
from paceline.records.load import ClientHealth, LoadProgress, LoadResult, Probe, Target
from paceline.records.load_plan import LoadPlan
from paceline.records.samples import Outcome, RequestSample, table_of
from paceline.trial.describe import describe
from paceline.trial.find_max import NextProbe

SERVICE_S = 0.2
FIRST_S = 0.05
PROBE = Probe(
    streams=True,
    sends_usage=True,
    accepts_usage_option=True,
    tokens_per_request=0,
    tokens_per_word=1,
    ttft_ms=FIRST_S * 1e3,
    e2e_ms=FIRST_S * 1e3 + 10,
)


class SimulatedLoad:
    """Answers plans from arithmetic. `capacity` places, each takes one request at a time."""

    name = "simulated"

    def __init__(self, capacity: int = 10**9) -> None:
        self.capacity = capacity
        self.plans: list[LoadPlan] = []
        self.lag_ms = 0.0
        self.dies_after: int | None = None
        self.outcome = Outcome.OK

    def probe(self, target: Target, plan: LoadPlan) -> Probe:
        return PROBE

    def run(
        self,
        target: Target,
        plan: LoadPlan,
        *,
        probe: Probe | None = None,
        on_progress: OnProgress | None = None,
        stop: Stop | None = None,
    ) -> LoadResult:
        if self.dies_after is not None and len(self.plans) >= self.dies_after:
            raise SetupError(Code.ENDPOINT_UNREACHABLE, "gone", why="refused", fix="start it")
        self.plans.append(plan)
        if on_progress is not None:
            on_progress(a_progress())
        stopped = stop is not None and stop()
        samples = list(self._closed(plan) if plan.levels else self._open(plan))
        return LoadResult(
            samples=table_of(samples[: len(samples) // 2] if stopped else samples),
            health=a_health(plan, lag_ms=self.lag_ms),
            probe=PROBE,
            warmup_requests=plan.warmup_requests,
            warmup_failed=0,
            stopped=stopped,
            window_start_monotonic_s=0.0,
            started_at_utc="2026-01-01T00:00:00+00:00",
        )

    def _closed(self, plan: LoadPlan) -> Iterator[RequestSample]:
        slots = [0.0] * int(plan.levels[0].in_flight)
        places = [0.0] * min(self.capacity, len(slots))
        for index in range(plan.requests or 0):
            at_s = heapq.heappop(slots)
            sample = self._served(index, at_s, places)
            heapq.heappush(slots, sample.end_s or at_s)
            yield sample

    def _open(self, plan: LoadPlan) -> Iterator[RequestSample]:
        places = [0.0] * min(self.capacity, len(plan.rows))
        for index, row in enumerate(plan.rows):
            yield self._served(index, row.due_s or 0.0, places)

    def _served(self, index: int, at_s: float, places: list[float]) -> RequestSample:
        # Lengths that differ a little: equal ones would keep all slots in step for ever.
        service_s = SERVICE_S * (1 + 0.2 * ((index * 7919 % 101) / 101 - 0.5))
        start_s = max(at_s, heapq.heappop(places))
        heapq.heappush(places, start_s + service_s)
        good = self.outcome is Outcome.OK
        return RequestSample(
            index=index,
            scheduled_s=at_s,
            sent_s=at_s,
            chunk_s=(start_s + FIRST_S, start_s + service_s) if good else (),
            end_s=start_s + service_s,
            input_tokens=8,
            output_tokens=16 if good else None,
            outcome=self.outcome,
            detail=None if good else "Connection refused",
        )


class Silent:
    """Watches and says nothing; keeps what it saw."""

    def __init__(self) -> None:
        self.points: list[BenchPoint] = []
        self.steps: list[NextProbe | None] = []

    def began(self, request: BenchRequest, probe: Probe) -> None:
        assert probe is PROBE

    def point_began(self, number: int, plan: LoadPlan, next_: NextProbe | None) -> None:
        self.steps.append(next_)

    def progress(self, progress: LoadProgress) -> None:
        assert progress.ok == 1

    def point_ended(self, point: BenchPoint) -> None:
        self.points.append(point)


class Bench:
    """Runs a test on a simulated load."""

    def __init__(self, load: SimulatedLoad) -> None:
        self.load = load
        self.watch = Silent()

    def __call__(
        self,
        *constraints: str,
        stop: Callable[[], bool] = lambda: False,
        find_max: bool = True,
        concurrency: int | None = None,
        rate: float | None = None,
        concurrency_bounds: str | None = None,
        rate_bounds: str | None = None,
        requests: int | None = None,
    ) -> BenchReport:
        shop = Workshop.__new__(Workshop)
        shop.__dict__ |= {"load": self.load, "telemetry": ()}
        request = bench_request(
            BenchOptions(
                url="http://h:1",
                model="m",
                api_key="secret",
                output_tokens="16",
                input_tokens="8",
                constraint=constraints,
                find_max=find_max,
                concurrency=concurrency,
                rate=rate,
                concurrency_bounds=concurrency_bounds,
                rate_bounds=rate_bounds,
                requests=requests,
            )
        )
        return run_bench(request, shop, self.watch, stop)


def a_progress() -> LoadProgress:
    return LoadProgress(
        elapsed_s=1.0,
        in_flight=0,
        started=1,
        ok=1,
        failed=0,
        output_chunks=2,
        recent_ttft_ms=(1.0,),
        recent_tpot_ms=(),
        recent_e2e_ms=(),
        failures={},
    )


def a_health(plan: LoadPlan, *, lag_ms: float) -> ClientHealth:
    return ClientHealth(
        processes=1,
        cores=1,
        cpu_s=0.1,
        window_cpu_s=0.1,
        window_s=10.0,
        loop_lag_ms=describe([lag_ms] * 3),
        send_skew_ms=describe([0.0] * 3),
        offered_rps=plan.offered_rps,
        achieved_rps=plan.offered_rps or 1.0,
        held=0,
        connections_opened=1,
        retried=0,
        kernel_stamps=True,
    )


def answer(report: BenchReport) -> tuple[str, float | None]:
    assert report.max_load is not None
    return report.max_load.verdict.value, report.max_load.level


def shown(report: BenchReport) -> BenchPoint:
    assert report.shown is not None
    return report.shown


@pytest.mark.parametrize("capacity", [1, 8, 30])
def test_finds_the_capacity_of_a_server(capacity: int) -> None:
    report = Bench(SimulatedLoad(capacity))("ttft p95 <= 100ms")
    verdict, level = answer(report)
    assert verdict == "found"
    assert level is not None
    assert abs(level - capacity) <= max(1, 0.1 * capacity)
    assert (shown(report).level, shown(report).verdict.value) == (level, "pass")


def test_finds_the_highest_rate() -> None:
    """Eight places of 0.2 s serve forty requests per second; waiting begins well below."""
    report = Bench(SimulatedLoad(8))("e2e p95 <= 400ms", rate=10.0)
    verdict, level = answer(report)
    assert verdict == "found"
    assert level is not None
    assert 25 < level < 42


def test_bounds_are_never_left_and_end_the_search_as_a_lower_bound() -> None:
    bench = Bench(SimulatedLoad(8))
    report = bench("ttft p95 <= 100ms", concurrency_bounds="2:6")
    assert answer(report) == ("lower_bound", 6)
    assert {plan.levels[0].in_flight for plan in bench.load.plans} <= {2, 3, 4, 5, 6}


def test_a_client_that_lags_bounds_nothing() -> None:
    load = SimulatedLoad(8)
    load.lag_ms = 50.0
    report = Bench(load)("ttft p95 <= 100ms")
    assert answer(report) == ("client_bound", None)


def test_an_impossible_limit_is_called_so() -> None:
    report = Bench(SimulatedLoad(8))("ttft p95 <= 10ms")
    assert answer(report) == ("found", 0)
    assert report.max_load is not None
    assert "no load meets" in report.max_load.because


def test_no_two_probes_send_the_same_prompts() -> None:
    bench = Bench(SimulatedLoad(4))
    bench("ttft p95 <= 100ms")
    seeds = [plan.seed for plan in bench.load.plans]
    assert len(set(seeds)) == len(seeds)
    again = Bench(SimulatedLoad(4))
    again("ttft p95 <= 100ms")
    assert [plan.seed for plan in again.load.plans] == seeds


def test_an_endpoint_lost_between_probes_leaves_what_was_found() -> None:
    load = SimulatedLoad(64)
    load.dies_after = 2
    report = Bench(load)("ttft p95 <= 100ms", concurrency_bounds="1:")
    assert report.ended is Ended.ENDPOINT_LOST
    assert len(report.points) == 2
    assert answer(report) == ("lower_bound", shown(report).level)


def test_an_endpoint_gone_before_the_first_load_is_an_error() -> None:
    load = SimulatedLoad()
    load.dies_after = 0
    with pytest.raises(SetupError, match="gone"):
        Bench(load)(find_max=False, concurrency=2, requests=10)


def test_refused_connections_to_the_end_are_a_lost_endpoint() -> None:
    load = SimulatedLoad()
    load.outcome = Outcome.REFUSED
    report = Bench(load)(find_max=False, concurrency=2, requests=10)
    assert report.ended is Ended.ENDPOINT_LOST
    assert "10 requests were refused (Connection refused)" in report.detail
    assert shown(report).summary.failed == 10


def test_a_stopped_test_reports_what_it_has() -> None:
    report = Bench(SimulatedLoad())(find_max=False, concurrency=2, requests=100, stop=lambda: True)
    assert report.ended is Ended.INTERRUPTED
    assert len(shown(report).result.samples) == 50


def test_the_document_has_the_contracts_keys_and_no_key() -> None:
    report = Bench(SimulatedLoad(3))("ttft p95 <= 100ms")
    document = json.loads(json.dumps(bench_document(report)))
    assert {"ttft_ms", "scheduled_e2e_ms", "requests", "client", "verdicts"} <= set(document)
    found = document["max_load"]
    assert (found["verdict"], found["concurrency"], found["fails_at"]) == ("found", 3, 4)
    best = next(p for p in found["evidence"] if p["probe"] == document["shown_point"])
    assert (best["concurrency"], best["verdict"]) == (3, "pass")
    assert best["ttft_ms"] == document["ttft_ms"]
    assert "secret" not in json.dumps(document)


def test_one_load_is_judged_without_a_search() -> None:
    report = Bench(SimulatedLoad(2))(
        "ttft p95 <= 100ms", find_max=False, concurrency=4, requests=200
    )
    assert report.max_load is None
    assert [v.verdict.value for v in shown(report).verdicts] == ["fail"]
    assert "max_load" not in bench_document(report)
