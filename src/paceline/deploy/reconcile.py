"""Wanted × seen → what to do next, for the replicas of one endpoint.

Called after every change; each call looks at the world anew and remembers nothing. Rules:

- New before old: a version is replaced one replica at a time, one above the wanted count, and an
  old one goes only when those left can carry the count.
- What still drains is taken back before another is started.
- Of those too many, one that has not started yet goes first, then the one with the least to finish.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paceline.deploy.rollout import Target
from paceline.records.deployment import ReplicaState

SETTLE_S: Final = 2.0
"""How long a new replica must have served before an old one goes: it may still break at once."""

_UNREADY: Final = (ReplicaState.QUEUED, ReplicaState.STARTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One replica that has not ended. `serving_s` is for how long it has served, 0 before."""

    replica_id: str
    version: int
    state: ReplicaState
    in_flight: int = 0
    idle_s: float = 0.0
    serving_s: float = 0.0

    @property
    def live(self) -> bool:
        """Not on its way out."""
        return self.state in (*_UNREADY, ReplicaState.SERVING)

    @property
    def unready(self) -> bool:
        return self.state in _UNREADY


class Act(StrEnum):
    """What can be done about a replica."""

    START = "start"
    CALL_OFF = "call-off"
    RETIRE = "retire"
    RECALL = "recall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do now; `replica_id` is `None` for START."""

    act: Act
    version: int
    because: str
    replica_id: str | None = None


def reconcile(wanted: Target, seen: Sequence[Seen]) -> tuple[Action, ...]:
    """The actions that bring `seen` nearer to `wanted`; none when nothing is to be done now.

    Whoever starts replicas may do so later (no device, a pause after a failure), but must show
    each one that it was told to start in the next `seen`.
    """
    live = [one for one in seen if one.live]
    mine = [one for one in live if one.version == wanted.version]
    canaries = [one for one in live if one.version == wanted.canary]
    others = [one for one in live if one not in mine and one not in canaries]
    return (
        *_canary(wanted, canaries, others),
        *(_gone(one, "its version is no longer wanted") for one in others if one.unready),
        *_main(wanted, mine, [one for one in others if not one.unready], seen),
    )


def _canary(wanted: Target, canaries: Sequence[Seen], others: Sequence[Seen]) -> Iterator[Action]:
    if wanted.canary is not None and not canaries and not others:  # a rollout ends first
        yield Action(act=Act.START, version=wanted.canary, because="canary")
    for one in canaries[1:]:
        yield _gone(one, "one canary is enough")


def _main(
    wanted: Target, mine: Sequence[Seen], others: Sequence[Seen], seen: Sequence[Seen]
) -> Iterator[Action]:
    count = wanted.replicas
    if wanted.version is None:
        yield from (_gone(one, "no version can serve") for one in others)
    elif not others:
        yield from _scale(wanted.version, count, mine, seen)
    elif count == 0:
        yield from (_gone(one, "scaled to zero") for one in (*mine, *others))
    else:
        yield from _replace(wanted.version, count, mine, others, seen)


def _scale(
    version: int, count: int, mine: Sequence[Seen], seen: Sequence[Seen]
) -> Iterator[Action]:
    """One version only: as many as wanted."""
    missing = count - len(mine)
    for one in _draining(version, seen)[: max(missing, 0)]:
        yield Action(
            act=Act.RECALL,
            version=version,
            replica_id=one.replica_id,
            because=f"{count} wanted, and it still runs",
        )
        missing -= 1
    for _ in range(missing):
        yield Action(act=Act.START, version=version, because=f"{count} wanted")
    for one in sorted(mine, key=_least_to_finish)[: max(-missing, 0)]:
        yield _gone(one, f"{count} wanted")


def _replace(
    version: int, count: int, mine: Sequence[Seen], others: Sequence[Seen], seen: Sequence[Seen]
) -> Iterator[Action]:
    """Two versions: new before old, one at a time."""
    going = [one for one in seen if not one.live]
    settled = [
        one for one in mine if one.state is ReplicaState.SERVING and one.serving_s >= SETTLE_S
    ]
    total = len(mine) + len(others)
    starting = any(one.unready for one in mine)
    if total < count:
        because = f"{count} wanted in the middle of a rollout"
        yield from (
            Action(act=Act.START, version=version, because=because) for _ in range(count - total)
        )
    elif len(others) + len(settled) > count and not going:
        yield _gone(min(others, key=_least_to_finish), f"version {version} takes over")
    elif total == count and not starting and not going:
        yield Action(act=Act.START, version=version, because=f"rolling to version {version}")
    elif len(mine) > count:
        yield _gone(min(mine, key=_least_to_finish), f"{count} wanted")


def _draining(version: int, seen: Sequence[Seen]) -> list[Seen]:
    """Those that could be taken back, the busiest first: it would take longest to finish."""
    found = [one for one in seen if one.version == version and one.state is ReplicaState.DRAINING]
    return sorted(found, key=_least_to_finish, reverse=True)


def _least_to_finish(one: Seen) -> tuple[bool, int, float]:
    return (not one.unready, one.in_flight, -one.idle_s)


def _gone(one: Seen, because: str) -> Action:
    act = Act.CALL_OFF if one.unready else Act.RETIRE
    return Action(act=act, version=one.version, replica_id=one.replica_id, because=because)
