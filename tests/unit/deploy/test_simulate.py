"""Replays whose outcome can be worked out by hand, and what must hold for any."""

import random
from dataclasses import replace

import pytest

from paceline.deploy.simulate import replay
from paceline.records.load_plan import TraceRow
from paceline.records.replay import ReplaySettings
from paceline.records.scaling import (
    Bounds,
    KnativePolicy,
    PacelinePolicy,
    Policy,
    QueueDelayPolicy,
    RequestCountPolicy,
    RpsPolicy,
    ServicePoint,
)
from paceline.testing.scaling import REPLICA

ONE_SECOND = replace(
    REPLICA,
    concurrency=2,
    cold_start_s=10.0,
    usd_per_hour=3600.0,
    service=(ServicePoint(concurrency=1, ttft_ms=1000, tpot_ms=1),),
)
"""Every request of one token takes a second; a replica-second costs a dollar."""
POLICIES: tuple[Policy, ...] = (
    PacelinePolicy(),
    KnativePolicy(),
    QueueDelayPolicy(),
    RequestCountPolicy(),
    RpsPolicy(target_rps=1.5),
)
every_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)


def rows(*times_s: float) -> tuple[TraceRow, ...]:
    return tuple(TraceRow(t_s=t_s, input_tokens=10, output_tokens=1) for t_s in times_s)


def poisson(rate_rps: float, duration_s: float, seed: int) -> tuple[TraceRow, ...]:
    chance = random.Random(seed)
    t_s, times_s = 0.0, []
    while t_s < duration_s:
        times_s.append(t_s)
        t_s += chance.expovariate(rate_rps)
    return rows(*times_s)


def test_one_request_waits_for_a_cold_start_and_pays_until_it_is_answered() -> None:
    found = replay(rows(0.0), PacelinePolicy(), ONE_SECOND, ReplaySettings())
    assert found.wait.max == 10.0
    assert (found.duration_s, found.replica_s, found.usd) == pytest.approx((11.0, 11.0, 11.0))
    assert (found.cold_starts, found.flips, found.refused) == (1, 0, 0)
    assert found.utilization == pytest.approx(1 / 22)


def test_idle_time_is_paid_until_the_policy_lets_go() -> None:
    settings = ReplaySettings(after_s=600.0)
    policy = PacelinePolicy(idle_timeout_s=100.0)
    found = replay(rows(0.0), policy, ONE_SECOND, settings)
    assert found.usd == pytest.approx(11.0 + 100.0, abs=4.0)
    assert found.flips == 1
    vendor = replay(rows(0.0), QueueDelayPolicy(), ONE_SECOND, settings)
    assert vendor.usd < found.usd


def test_from_zero_is_an_event_and_waits_for_no_tick() -> None:
    later = replay(rows(0.0, 100.5), QueueDelayPolicy(), ONE_SECOND, ReplaySettings())
    assert later.wait.max == pytest.approx(10.0)


def test_first_come_first_served_in_twos() -> None:
    settings = ReplaySettings(start_replicas=1)
    policy = PacelinePolicy(bounds=Bounds(max_replicas=1))
    found = replay(rows(0.0, 0.0, 0.0, 0.0, 0.0), policy, ONE_SECOND, settings)
    assert (found.wait.p50, found.wait.max) == pytest.approx((1.0, 2.0))
    assert found.cold_starts == 0


def test_who_is_held_too_long_is_refused_and_its_wait_counts() -> None:
    found = replay(rows(0.0, 6.0), PacelinePolicy(), ONE_SECOND, ReplaySettings(hold_s=5.0))
    assert found.refused == 1
    assert found.wait.max == 5.0
    assert found.requests == 2


def test_the_seed_decides_the_cold_starts() -> None:
    spread = replace(ONE_SECOND, cold_start_p90_s=30.0)

    def waits(seed: int) -> float:
        return replay(rows(0.0), PacelinePolicy(), spread, ReplaySettings(seed=seed)).wait.max

    assert waits(1) == waits(1) != waits(2)


@every_policy
def test_every_request_is_answered_or_refused_and_the_log_follows_itself(policy: Policy) -> None:
    trace = poisson(4.0, 200.0, 1)
    settings = ReplaySettings(hold_s=8.0, after_s=100.0)
    found = replay(trace, policy, ONE_SECOND, settings)
    assert found == replay(trace, policy, ONE_SECOND, settings)
    assert found.requests == len(trace)
    assert 0 < found.utilization <= 1
    assert all(line.because for line in found.decisions)
    for before, after in zip(found.decisions, found.decisions[1:], strict=False):
        assert after.wanted == before.replicas
        assert after.t_s >= before.t_s
    assert all(line.replicas > 0 for line in found.decisions if line.in_flight)


@pytest.mark.parametrize("rate_rps", [0.5, 2.0, 5.0, 8.0])
def test_steady_traffic_never_makes_it_turn_round(rate_rps: float) -> None:
    replica = replace(REPLICA, service=(ServicePoint(concurrency=1, ttft_ms=4000, tpot_ms=10),))
    needed = 1 + int(rate_rps * 4.0 / 24)
    settings = ReplaySettings(start_replicas=needed)
    found = replay(poisson(rate_rps, 1200.0, 2), PacelinePolicy(), replica, settings)
    assert found.flips == 0
    assert found.wait.p95 == 0.0


def test_a_burst_that_one_replica_clears_in_time_launches_no_other() -> None:
    trace = rows(*(float(t_s) for t_s in range(60)), *(60.0 for _ in range(10)))
    settings = ReplaySettings(start_replicas=1)
    assert replay(trace, PacelinePolicy(), ONE_SECOND, settings).cold_starts == 0
    assert replay(trace, RequestCountPolicy(), ONE_SECOND, settings).cold_starts == 2
