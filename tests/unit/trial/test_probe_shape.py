from paceline.records.load_plan import Arrivals, LoadShape
from paceline.records.request import Comparison, Constraint
from paceline.stats import proportion_bounds
from paceline.trial.probe_shape import (
    first_concurrency,
    first_rate,
    idle_rate,
    probe_length,
    probe_shape,
)
from paceline.units import Seconds


def constraint(statistic: str | None, metric: str = "ttft", limit: float = 200.0) -> Constraint:
    return Constraint(
        metric=metric, statistic=statistic, comparison=Comparison.AT_MOST, limit=limit, unit="ms"
    )


def requests(*constraints: Constraint) -> int:
    return probe_length(constraints, first_output_ms=100, per_request_ms=1000).requests


def test_the_shortest_probe_can_pass_with_a_miss_to_spare() -> None:
    for statistic, share in (("p90", 0.10), ("p95", 0.05), ("p99", 0.01)):
        assert proportion_bounds(1, requests(constraint(statistic))).hi <= share
    assert requests(constraint("p99"), constraint("p95")) == requests(constraint("p99"))
    few_failures = constraint(None, metric="failed_share", limit=0.01)
    assert proportion_bounds(1, requests(few_failures)).hi <= 0.01


def test_a_probe_is_made_of_waves_and_grows_with_its_length() -> None:
    shortest = probe_length((constraint("p95"),), first_output_ms=100, per_request_ms=1000)
    base = LoadShape(concurrency=1)
    small = probe_shape(base, level=2, length=1, number=0, shortest=shortest)
    assert (small.concurrency, small.requests) == (2, shortest.requests)
    large = probe_shape(base, level=64, length=3, number=1, shortest=shortest)
    assert (large.concurrency, large.requests, large.warmup_requests) == (64, 64 * 8 * 3, 64)
    assert large.seed != small.seed


def test_bounds_of_the_user_are_kept_and_stretched() -> None:
    shortest = probe_length((constraint("p95"),), first_output_ms=100, per_request_ms=1000)
    base = LoadShape(concurrency=1, duration_s=Seconds(5))
    shape = probe_shape(base, level=8, length=3, number=0, shortest=shortest)
    assert shape.requests is None
    assert shape.duration_s == Seconds(15)


def test_an_open_loop_lasts_several_requests_long() -> None:
    shortest = probe_length((constraint("p50"),), first_output_ms=100, per_request_ms=2000)
    base = LoadShape(arrivals=Arrivals.POISSON, rate_rps=1.0)
    shape = probe_shape(base, level=50, length=1, number=0, shortest=shortest)
    assert (shape.rate_rps, shape.requests) == (50, 400)


def test_the_search_starts_where_a_probe_takes_seconds() -> None:
    slow = probe_length((constraint("p95"),), first_output_ms=500, per_request_ms=4000)
    fast = probe_length((constraint("p95"),), first_output_ms=5, per_request_ms=10)
    assert first_concurrency(fast) == 1
    assert first_concurrency(slow) == 64
    assert first_rate(slow) == slow.requests // 10
    assert first_rate(fast) == 100
    assert idle_rate(slow) < 0.03
