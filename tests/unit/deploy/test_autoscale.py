"""What holds for every policy, whatever the traffic."""

import random
from dataclasses import replace

import pytest

from paceline.deploy.autoscale import decide, fewest, most_allowed, tick_s
from paceline.records.scaling import (
    Bounds,
    Fleet,
    KnativePolicy,
    Memory,
    Mode,
    PacelinePolicy,
    Policy,
    QueueDelayPolicy,
    RequestCountPolicy,
    RpsPolicy,
)
from paceline.records.serial import dump, load
from paceline.records.traffic import Window
from paceline.testing.scaling import NOW_S, REPLICA, fleet, window

BOUNDS = Bounds(min_replicas=1, max_replicas=4)
POLICIES: tuple[Policy, ...] = (
    PacelinePolicy(bounds=BOUNDS),
    KnativePolicy(bounds=BOUNDS),
    QueueDelayPolicy(bounds=BOUNDS),
    RequestCountPolicy(bounds=BOUNDS),
    RpsPolicy(bounds=BOUNDS, target_rps=5.0),
)
every_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)


def random_window(chance: random.Random) -> Window:
    seconds = chance.randint(0, 60)
    size = chance.choice((0, 0, 1, 20, 500))
    in_flight = chance.randint(0, size)
    queued = chance.choice((0, chance.randint(0, size)))
    return Window(
        serving=tuple(chance.uniform(0, size) for _ in range(seconds)),
        waiting=tuple(chance.choice((0.0, chance.uniform(0, size))) for _ in range(seconds)),
        arrivals=tuple(chance.randint(0, size) for _ in range(seconds)),
        ended=tuple(chance.randint(0, size) for _ in range(seconds)),
        waits_s=tuple(chance.uniform(0, 60) for _ in range(chance.randint(0, queued + 5))),
        in_flight=in_flight,
        queued=queued,
    )


def walk(
    policy: Policy, seed: int, steps: int = 300
) -> list[tuple[Window, Fleet, int, str, float]]:
    """Random traffic on a fleet that follows the decisions; clocks that jump both ways."""
    chance = random.Random(seed)
    now_s, wanted, memory = chance.uniform(0, 1e6), 0, Memory()
    seen = []
    for _ in range(steps):
        now_s += chance.choice((1.0, 1.0, 1.0, -50.0, 3600.0))
        starting = chance.randint(0, wanted)
        state = fleet(
            wanted,
            starting=starting,
            stopping=chance.choice((0, 0, 1)),
            idle_s=tuple(chance.uniform(0, 20) for _ in range(wanted - starting)),
            memory=memory,
            replica=replace(REPLICA, cold_start_s=chance.choice((0.0, 10.0, 600.0))),
        )
        traffic = random_window(chance)
        decision = decide(traffic, state, policy, now_s)
        seen.append((traffic, state, decision.replicas, decision.because, now_s))
        memory, wanted = decision.memory, decision.replicas
    return seen


@every_policy
@pytest.mark.parametrize("seed", range(5))
def test_never_outside_its_bounds_and_never_without_a_reason(policy: Policy, seed: int) -> None:
    for _, _, replicas, because, _ in walk(policy, seed):
        assert 1 <= replicas <= 4
        assert because


@every_policy
@pytest.mark.parametrize("seed", range(5))
def test_never_to_zero_with_an_open_stream(policy: Policy, seed: int) -> None:
    flex = replace(policy, bounds=Bounds(min_replicas=0, max_replicas=4))
    zeros = 0
    for traffic, _, replicas, _, _ in walk(flex, seed):
        assert replicas > 0 or traffic.in_flight == 0
        zeros += replicas == 0
    assert zeros or not isinstance(policy, QueueDelayPolicy), "the walk reached no zero"


@every_policy
def test_depends_on_nothing_but_its_arguments(policy: Policy) -> None:
    for traffic, state, replicas, because, now_s in walk(policy, 7):
        again = decide(traffic, state, policy, now_s)
        assert (again.replicas, again.because) == (replicas, because)


@every_policy
def test_a_request_that_finds_nothing_wanted_starts_a_replica(policy: Policy) -> None:
    flex = replace(policy, bounds=Bounds(min_replicas=0, max_replicas=4))
    traffic = replace(window(0.0), queued=1, waits_s=(0.0,))
    assert decide(traffic, fleet(0), flex, NOW_S).replicas == 1


@every_policy
def test_decisions_and_their_memory_can_be_stored(policy: Policy) -> None:
    decision = decide(window(60.0), fleet(1), policy, NOW_S)
    assert load(type(decision), dump(decision)) == decision
    assert load(type(policy), dump(policy)) == policy


def test_the_budget_limits_like_a_maximum_but_never_below_one() -> None:
    def allowed(budget_usd_per_hour: float) -> int:
        bounds = Bounds(max_replicas=5, budget_usd_per_hour=budget_usd_per_hour)
        return most_allowed(bounds, REPLICA)

    assert REPLICA.usd_per_hour == 2.0
    assert [allowed(usd) for usd in (100.0, 7.9, 4.0, 0.5)] == [5, 3, 2, 1]


def test_a_cap_is_said_in_the_reason() -> None:
    policy = PacelinePolicy(bounds=Bounds(max_replicas=2))
    decision = decide(window(200.0), fleet(2), policy, NOW_S)
    assert decision.replicas == 2
    assert decision.because.endswith("; 9 wanted, at most 2")


def test_what_is_kept_without_traffic() -> None:
    assert fewest(PacelinePolicy(), REPLICA) == 0
    assert fewest(PacelinePolicy(mode=Mode.ACTIVE), REPLICA) == 1
    assert fewest(PacelinePolicy(), replace(REPLICA, cold_start_s=421.0)) == 1
    assert fewest(KnativePolicy(bounds=Bounds(min_replicas=2)), REPLICA) == 2


def test_each_policy_has_its_published_interval() -> None:
    assert tick_s(KnativePolicy()) == 2.0
    assert tick_s(PacelinePolicy()) == 1.0
