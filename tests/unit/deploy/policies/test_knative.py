"""Stable and panic mode as published."""

from dataclasses import replace

from paceline.deploy.policies.knative import decide
from paceline.records.scaling import KnativePolicy, Memory, Replica
from paceline.testing.scaling import NOW_S, REPLICA, fleet, window

POLICY = KnativePolicy()
TEN = replace(REPLICA, concurrency=10)
"""At 70 % its target is 7 in flight, the example of Knative's own documentation."""


def count(
    load: float, recent: float | None = None, *, ready: int = 1, replica: Replica = TEN
) -> int:
    return decide(
        window(load, recent=recent), fleet(ready, replica=replica), POLICY, NOW_S
    ).replicas


def test_follows_the_stable_window() -> None:
    assert count(21.0, ready=2) == 3
    assert count(21.1, ready=3) == 4


def test_goes_down_by_half_at_most() -> None:
    assert count(1.0, ready=8) == 4


def test_panics_at_twice_what_is_ready_and_does_not_go_down_for_a_minute() -> None:
    decision = decide(window(1.0, recent=14.1), fleet(1, replica=TEN), POLICY, NOW_S)
    assert decision.replicas == 3
    assert decision.because.startswith("panic")
    for second in (2, 30, 60):
        state = fleet(3, replica=TEN, memory=decision.memory)
        decision = decide(window(1.0), state, POLICY, NOW_S + second)
        assert decision.replicas == 3


def test_to_zero_after_the_stable_window_and_the_grace_period() -> None:
    def after(quiet_s: float) -> int:
        memory = Memory(clock_s=1000.0, seen_s=5000.0, quiet_since_s=1001.0 - quiet_s)
        return decide(window(0.0), fleet(1, memory=memory), POLICY, NOW_S).replicas

    assert (after(89.0), after(90.0)) == (1, 0)
