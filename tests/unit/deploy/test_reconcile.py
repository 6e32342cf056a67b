"""Single situations, and seeded random histories in which nothing may ever go wrong."""

import random
from dataclasses import dataclass, field, replace

import pytest

from paceline.deploy.machine import ReplicaEvent, after
from paceline.deploy.reconcile import SETTLE_S, Act, Action, Seen, reconcile
from paceline.deploy.rollout import Target
from paceline.records.deployment import ReplicaState as State


def seen(number: int, state: State = State.SERVING, version: int = 1, **more: float) -> Seen:
    serving_s = SETTLE_S if state is State.SERVING else 0.0
    one = Seen(replica_id=f"r{number}", version=version, state=state, serving_s=serving_s)
    return replace(one, **more)  # type: ignore[arg-type]  # its own fields


def done(target: Target, *replicas: Seen) -> list[tuple[Act, int, str | None]]:
    return [(a.act, a.version, a.replica_id) for a in reconcile(target, replicas)]


def test_what_is_missing_is_started() -> None:
    assert done(Target(version=1, replicas=2), seen(1)) == [(Act.START, 1, None)]


def test_what_starts_or_waits_counts() -> None:
    target = Target(version=1, replicas=2)
    assert done(target, seen(1, State.STARTING), seen(2, State.QUEUED)) == []


def test_one_that_still_drains_is_taken_back_first() -> None:
    target = Target(version=1, replicas=2)
    assert done(target, seen(1, State.DRAINING)) == [
        (Act.RECALL, 1, "r1"),
        (Act.START, 1, None),
    ]


def test_one_that_has_not_started_goes_first_then_the_idlest() -> None:
    replicas = (seen(1, in_flight=3), seen(2), seen(3, State.STARTING), seen(4, idle_s=9.0))
    assert done(Target(version=1, replicas=1), *replicas) == [
        (Act.CALL_OFF, 1, "r3"),
        (Act.RETIRE, 1, "r4"),
        (Act.RETIRE, 1, "r2"),
    ]


def test_a_new_version_starts_before_an_old_one_goes() -> None:
    target = Target(version=2, replicas=2)
    old = (seen(1), seen(2, in_flight=1))
    assert done(target, *old) == [(Act.START, 2, None)]
    assert done(target, *old, seen(3, State.STARTING, 2)) == []
    assert done(target, *old, seen(3, version=2, serving_s=0.0)) == [], "it may break at once"
    assert done(target, *old, seen(3, version=2)) == [(Act.RETIRE, 1, "r1")]
    going = seen(1, State.DRAINING)
    assert done(target, old[1], going, seen(3, version=2)) == [], "one at a time"


def test_an_old_one_that_has_not_started_is_called_off() -> None:
    target = Target(version=2, replicas=1)
    assert done(target, seen(1, State.STARTING)) == [(Act.CALL_OFF, 1, "r1"), (Act.START, 2, None)]


def test_a_rollout_scales_too() -> None:
    assert done(Target(version=2, replicas=3), seen(1), seen(2, version=2)) == [
        (Act.START, 2, None)
    ]
    down = Target(version=2, replicas=1)
    assert done(down, seen(1), seen(2), seen(3)) == [(Act.RETIRE, 1, "r1")]
    zero = Target(version=2, replicas=0)
    assert len(done(zero, seen(1), seen(2, version=2))) == 2


def test_a_canary_stands_beside_the_old_ones() -> None:
    target = Target(version=1, replicas=2, canary=2)
    assert done(target, seen(1), seen(2)) == [(Act.START, 2, None)]
    assert done(target, seen(1), seen(2), seen(3, version=2)) == []
    over = replace(target, canary=None)
    assert done(over, seen(1), seen(2), seen(3, version=2)) == [(Act.RETIRE, 2, "r3")]


def test_nothing_serves_when_no_version_can() -> None:
    target = Target(version=None, replicas=0)
    assert done(target, seen(1), seen(2, State.STARTING)) == [
        (Act.CALL_OFF, 1, "r2"),
        (Act.RETIRE, 1, "r1"),
    ]


@dataclass
class World:
    """Replicas that start, break, drain and end when chance has it."""

    chance: random.Random
    replicas: dict[str, Seen] = field(default_factory=dict)
    started: int = 0

    def obey(self, target: Target) -> None:
        for action in reconcile(target, list(self.replicas.values())):
            self._do(action)

    def _do(self, action: Action) -> None:
        if action.act is Act.START:
            self.started += 1
            self.replicas[f"r{self.started}"] = seen(self.started, State.QUEUED, action.version)
            return
        event = {
            Act.CALL_OFF: ReplicaEvent.CALLED_OFF,
            Act.RETIRE: ReplicaEvent.RETIRED,
            Act.RECALL: ReplicaEvent.RECALLED,
        }[action.act]
        assert action.replica_id is not None
        self._move(self.replicas[action.replica_id], event)

    def _move(self, one: Seen, event: ReplicaEvent) -> None:
        state = after(one.state, event)
        if state is State.ENDED:
            del self.replicas[one.replica_id]
        else:
            self.replicas[one.replica_id] = replace(one, state=state)

    def live_on(self, *, breaks: bool) -> None:
        """Time passes: each replica may take its next step."""
        can_break = (State.STARTING, State.SERVING, State.DRAINING)
        for replica_id in list(self.replicas):
            one = self.replicas[replica_id]
            if one.state is State.SERVING:
                self.replicas[replica_id] = replace(one, serving_s=one.serving_s + 1.0)
            if self.chance.random() < 0.5:
                continue
            if breaks and one.state in can_break and self.chance.random() < 0.2:
                self._move(one, ReplicaEvent.BROKE)
                continue
            step = {
                State.QUEUED: ReplicaEvent.LAUNCHED,
                State.STARTING: ReplicaEvent.ADMITTED,
                State.DRAINING: ReplicaEvent.DRAINED,
                State.STOPPING: ReplicaEvent.RELEASED,
            }.get(one.state)
            if step is not None:
                self._move(one, step)

    def count(self, *states: State, version: int | None = None) -> int:
        return sum(
            one.state in states and version in (None, one.version) for one in self.replicas.values()
        )


LIVE = (State.QUEUED, State.STARTING, State.SERVING)


@pytest.mark.parametrize("seed", range(60))
def test_random_histories_never_hold_too_many_and_end_as_wanted(seed: int) -> None:
    chance = random.Random(seed)
    world = World(chance)
    target = Target(version=1, replicas=1)
    for _ in range(120):
        if chance.random() < 0.15:
            canary = chance.choice([None, None, 9])
            replicas = chance.randrange(5)
            target = Target(
                version=chance.choice([None, 1, 2, 3]),
                replicas=replicas,
                canary=canary if replicas else None,
            )
            if target.version is None:
                target = Target(version=None, replicas=0)
        before = world.count(*LIVE)
        world.obey(target)
        surge = 1 + (target.canary is not None)
        assert world.count(*LIVE) <= max(before, target.replicas + surge)
        world.obey(target)  # asked twice it starts nothing twice
        assert world.count(*LIVE) <= max(before, target.replicas + surge)
        world.live_on(breaks=True)
    for _ in range(200):
        world.obey(target)
        world.live_on(breaks=False)
    main = world.count(State.SERVING, version=target.version)
    assert main == (target.replicas if target.version is not None else 0)
    canaries = world.count(State.SERVING, version=target.canary) if target.canary else 0
    assert canaries == (target.canary is not None)
    assert len(world.replicas) == main + canaries


@pytest.mark.parametrize("seed", range(20))
def test_a_rollout_never_serves_with_fewer_than_wanted(seed: int) -> None:
    world = World(random.Random(seed))
    count = 1 + seed % 4
    for _ in range(60):
        world.obey(Target(version=1, replicas=count))
        world.live_on(breaks=False)
    for _ in range(200):
        world.obey(Target(version=2, replicas=count))
        assert world.count(State.SERVING) >= count
        assert len(world.replicas) <= count + 1
        world.live_on(breaks=False)
    assert world.count(State.SERVING, version=2) == count == len(world.replicas)
