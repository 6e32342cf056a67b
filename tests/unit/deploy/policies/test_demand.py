from dataclasses import replace

import numpy as np
import pytest

from paceline.deploy.policies.demand import demand, hold_share, standard_error
from paceline.records.scaling import Memory, PacelinePolicy, Replica, ServicePoint
from paceline.testing.scaling import REPLICA, fleet, window

SMALL = Replica(
    concurrency=8,
    cold_start_s=45.0,
    usd_per_hour=1.0,
    service=(ServicePoint(concurrency=8, ttft_ms=1500, tpot_ms=50),),
)
"""Its target is 6 in flight."""


def asked(load: float, *, replica: Replica = SMALL, service_s: float = 8.0) -> int:
    found = demand(
        window(load, service_s=service_s),
        fleet(1, replica=replica),
        PacelinePolicy(),
        Memory(service_s=service_s),
    )
    return found.replicas


@pytest.mark.parametrize(
    ("load", "replicas"), [(5.9, 1), (6.5, 1), (7.0, 1), (7.9, 2), (8.1, 2), (11.0, 2)]
)
def test_chance_above_the_target_is_no_reason_but_the_measured_concurrency_is(
    load: float, replicas: int
) -> None:
    assert asked(load) == replicas


def test_many_quick_requests_are_no_noise() -> None:
    assert asked(24.5, replica=REPLICA, service_s=0.1) == 2
    assert asked(24.5, replica=REPLICA, service_s=8.0) == 1


@pytest.mark.parametrize(("load", "service_s", "over_s"), [(6.0, 8.0, 60.0), (20.0, 1.0, 6.0)])
def test_the_error_is_that_of_poisson_arrivals_with_exponential_service(
    load: float, service_s: float, over_s: float
) -> None:
    random = np.random.default_rng(1)
    means = []
    for _ in range(600):
        count = random.poisson(load / service_s * (over_s + 12 * service_s))
        came_s = random.uniform(-12 * service_s, over_s, count)
        left_s = came_s + random.exponential(service_s, count)
        there_s = np.minimum(left_s, over_s) - np.maximum(came_s, 0.0)
        means.append(np.maximum(there_s, 0.0).sum() / over_s)
    assert standard_error(load, service_s, over_s) == pytest.approx(np.std(means), rel=0.1)


def test_without_a_service_time_nothing_is_explained_by_chance() -> None:
    assert standard_error(6.0, None, 60.0) == standard_error(0.0, 8.0, 60.0) == 0.0


@pytest.mark.parametrize(
    ("cold_start_s", "ready", "replicas"),
    [(9.0, 0, 6), (9.0, 1, 1), (45.0, 0, 1), (45.0, 1, 1)],
)
def test_a_queue_wakes_a_place_for_each_where_starts_are_quick_and_nothing_is_ready(
    cold_start_s: float, ready: int, replicas: int
) -> None:
    replica = replace(SMALL, cold_start_s=cold_start_s)
    queue = replace(window(0.0, service_s=1.0), queued=40)
    state = fleet(1, ready=ready, starting=1 - ready, replica=replica)
    assert demand(queue, state, PacelinePolicy(), Memory(service_s=1.0)).replicas == replicas


def test_a_wait_adds_a_replica_where_those_there_are_have_no_room_for_the_queue() -> None:
    waiting = replace(window(0.0, service_s=60.0), queued=20, waits_s=(9.0,))

    def replicas(aims_at: float | None) -> int:
        policy = PacelinePolicy(target_in_flight=aims_at)
        return demand(waiting, fleet(1, replica=SMALL), policy, Memory(service_s=60.0)).replicas

    assert replicas(None) == 2
    assert replicas(32.0) == 1, "the one takes all of them"


def test_a_hold_is_worth_its_cold_start_and_all_of_it_while_none_was_measured() -> None:
    assert [hold_share(s) for s in (0.0, 9.0, 45.0, 120.0)] == [1.0, 0.2, 1.0, 1.0]
