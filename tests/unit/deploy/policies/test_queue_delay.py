"""RunPod's queue delay as documented."""

from dataclasses import replace

from paceline.deploy.policies.queue_delay import decide
from paceline.records.scaling import Fleet, QueueDelayPolicy
from paceline.testing.scaling import NOW_S, fleet, window

POLICY = QueueDelayPolicy()


def count(longest_s: float, state: Fleet, policy: QueueDelayPolicy = POLICY) -> int:
    waiting = replace(window(8.0, waits_s=(0.1, longest_s)), queued=1)
    return decide(waiting, state, policy, NOW_S).replicas


def test_adds_one_when_somebody_waits_longer_than_four_seconds() -> None:
    assert (count(4.0, fleet(1)), count(4.1, fleet(1))) == (1, 2)


def test_adds_again_only_after_another_delay() -> None:
    waiting = replace(window(8.0, waits_s=(60.0,)), queued=1)
    first = decide(waiting, fleet(1), POLICY, NOW_S)
    counts = []
    for second in range(1, 6):
        state = fleet(2, memory=first.memory)
        counts.append(decide(waiting, state, POLICY, NOW_S + second).replicas)
    assert counts == [2, 2, 2, 3, 3]


def test_the_kinder_reading_adds_none_while_one_starts() -> None:
    starting = fleet(2, starting=1)
    assert count(9.0, starting) == 3
    assert count(9.0, starting, replace(POLICY, counts_starting=True)) == 2


def test_lets_go_of_each_worker_after_its_idle_timeout() -> None:
    state = fleet(3, idle_s=(0.0, 4.9, 5.0))
    assert decide(window(1.0), state, POLICY, NOW_S).replicas == 2
