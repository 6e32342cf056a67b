"""RunPod's request count as documented."""

from dataclasses import replace

from paceline.deploy.policies.request_count import decide
from paceline.records.scaling import RequestCountPolicy
from paceline.testing.scaling import NOW_S, fleet, window

POLICY = RequestCountPolicy()


def test_a_worker_per_four_requests_queued_or_in_progress() -> None:
    traffic = replace(window(0.0), in_flight=5, queued=4)
    assert decide(traffic, fleet(1), POLICY, NOW_S).replicas == 3


def test_only_idle_workers_go() -> None:
    traffic = replace(window(0.0), in_flight=2)
    busy = fleet(3, idle_s=(0.0, 0.0, 6.0))
    assert decide(traffic, busy, POLICY, NOW_S).replicas == 2
    idle = fleet(3, idle_s=(5.0, 5.0, 6.0))
    assert decide(traffic, idle, POLICY, NOW_S).replicas == 1
