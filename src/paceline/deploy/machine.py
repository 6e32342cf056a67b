"""The life of a replica: the one table that may change its state."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from paceline.records.deployment import ReplicaState


class ReplicaEvent(StrEnum):
    """What can happen to a replica."""

    LAUNCHED = "launched"
    ADMITTED = "admitted"
    """It answered its warm-up and its quality probe."""
    CALLED_OFF = "called-off"
    RETIRED = "retired"
    RECALLED = "recalled"
    DRAINED = "drained"
    """Nothing is in flight any more, or its time to finish is over."""
    BROKE = "broke"
    RELEASED = "released"


TRANSITIONS: Final[Mapping[ReplicaState, Mapping[ReplicaEvent, ReplicaState]]] = {
    ReplicaState.QUEUED: {
        ReplicaEvent.LAUNCHED: ReplicaState.STARTING,
        ReplicaEvent.CALLED_OFF: ReplicaState.ENDED,  # nothing runs yet
    },
    ReplicaState.STARTING: {
        ReplicaEvent.ADMITTED: ReplicaState.SERVING,
        ReplicaEvent.CALLED_OFF: ReplicaState.STOPPING,
        ReplicaEvent.BROKE: ReplicaState.STOPPING,
    },
    ReplicaState.SERVING: {
        ReplicaEvent.RETIRED: ReplicaState.DRAINING,
        ReplicaEvent.BROKE: ReplicaState.STOPPING,
    },
    ReplicaState.DRAINING: {
        ReplicaEvent.RECALLED: ReplicaState.SERVING,  # cheaper than a cold start
        ReplicaEvent.DRAINED: ReplicaState.STOPPING,
        ReplicaEvent.BROKE: ReplicaState.STOPPING,
    },
    ReplicaState.STOPPING: {ReplicaEvent.RELEASED: ReplicaState.ENDED},  # the only way out
    ReplicaState.ENDED: {},
}

WAY_OUT: Final[Mapping[ReplicaState, tuple[ReplicaEvent, ...]]] = {
    ReplicaState.QUEUED: (ReplicaEvent.CALLED_OFF,),
    ReplicaState.STARTING: (ReplicaEvent.BROKE, ReplicaEvent.RELEASED),
    ReplicaState.SERVING: (ReplicaEvent.BROKE, ReplicaEvent.RELEASED),
    ReplicaState.DRAINING: (ReplicaEvent.BROKE, ReplicaEvent.RELEASED),
    ReplicaState.STOPPING: (ReplicaEvent.RELEASED,),
    ReplicaState.ENDED: (),
}
"""What is recorded of a replica whose process went away together with the one that kept it."""


class UnlistedTransition(Exception):
    """An event that the table does not list for the state: a bug of ours."""


def after(state: ReplicaState, event: ReplicaEvent) -> ReplicaState:
    """The next state. Raises UnlistedTransition instead of ignoring an event."""
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise UnlistedTransition(f"{event.value!r} in state {state.value!r}")
    return following
