"""The life of a trial: the one table that may change its state."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from paceline.records.trial import TrialState


class TrialEvent(StrEnum):
    """What can happen to a trial."""

    GRANTED = "granted"
    PREPARED = "prepared"
    READY = "ready"
    MEASURED = "measured"
    BROKE = "broke"
    RELEASED = "released"


TRANSITIONS: Final[Mapping[TrialState, Mapping[TrialEvent, TrialState]]] = {
    TrialState.QUEUED: {
        TrialEvent.GRANTED: TrialState.PREPARING,
        TrialEvent.BROKE: TrialState.ENDED,
    },
    TrialState.PREPARING: {
        TrialEvent.PREPARED: TrialState.STARTING,
        TrialEvent.BROKE: TrialState.ENDED,  # nothing runs yet, so nothing is to be released
    },
    TrialState.STARTING: {
        TrialEvent.READY: TrialState.MEASURING,
        TrialEvent.BROKE: TrialState.STOPPING,
    },
    TrialState.MEASURING: {
        TrialEvent.MEASURED: TrialState.STOPPING,
        TrialEvent.BROKE: TrialState.STOPPING,
    },
    TrialState.STOPPING: {TrialEvent.RELEASED: TrialState.ENDED},  # the only way out of a process
    TrialState.ENDED: {},
}


class UnlistedTransition(Exception):
    """An event that the table does not list for the state: a bug of ours."""


def after(state: TrialState, event: TrialEvent) -> TrialState:
    """The next state. Raises UnlistedTransition instead of ignoring an event."""
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise UnlistedTransition(f"{event.value!r} in state {state.value!r}")
    return following
