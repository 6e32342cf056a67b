"""One replica: alone, shared, and while it starts."""

import math

import pytest

from paceline.deploy.simulated_replica import ServiceModel, SimulatedReplica
from paceline.testing.scaling import REPLICA

MODEL = ServiceModel(REPLICA)


def ready() -> SimulatedReplica:
    return SimulatedReplica(MODEL, launched_s=0.0, ready_s=0.0)


def test_alone_a_request_takes_ttft_and_a_pace_per_further_token() -> None:
    replica = ready()
    replica.give(10.0, 500, 101)
    assert replica.next_s() == pytest.approx(10.0 + 0.050 + 100 * 0.008)


def test_another_request_slows_the_first_from_then_on() -> None:
    replica = ready()
    replica.give(0.0, 500, 101)
    half_s = replica.next_s() / 2
    replica.give(half_s, 500, 1001)
    pace = MODEL.step_s[2] / MODEL.step_s[1]
    assert replica.next_s() == pytest.approx(half_s + half_s * pace)


def test_requests_end_in_the_order_of_their_work() -> None:
    replica = ready()
    replica.give(0.0, 1, 50)
    replica.give(0.0, 1, 10)
    ends = []
    while replica.in_flight:
        ends.append(replica.next_s())
        replica.end_one(ends[-1])
    assert 0 < ends[0] < ends[1]
    assert replica.idle_since_s == ends[1]
    assert replica.request_s == pytest.approx(ends[0] + ends[1])


def test_takes_requests_only_ready_and_up_to_its_concurrency() -> None:
    replica = SimulatedReplica(MODEL, launched_s=0.0, ready_s=45.0)
    assert not replica.takes
    assert replica.next_s() == 45.0
    replica.starting = False
    assert replica.next_s() == math.inf
    for _ in range(REPLICA.concurrency):
        assert replica.takes
        replica.give(45.0, 1, 10)
    assert not replica.takes


def test_the_rate_of_a_full_replica_is_littles_law() -> None:
    assert MODEL.requests_per_s(500, 101) == pytest.approx(32 / (0.250 + 100 * 0.016))
