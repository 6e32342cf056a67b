"""A whole load test against a simulated server: a queue in front of so many equal places."""

import json
from collections.abc import Callable

import pytest

from paceline.app.bench import BenchPoint, BenchReport, Ended, run_bench
from paceline.app.bench_document import bench_document
from paceline.app.bench_request import BenchOptions, BenchRequest, bench_request
from paceline.app.wiring import Workshop
from paceline.errors import SetupError
from paceline.records.load import LoadProgress, Probe
from paceline.records.load_plan import LoadPlan
from paceline.records.samples import Outcome
from paceline.testing.simulated_load import PROBE, SimulatedLoad
from paceline.trial.find_max import NextProbe


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
