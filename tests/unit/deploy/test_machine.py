"""The table of a replica's life, whole."""

import pytest

from paceline.deploy.machine import TRANSITIONS, WAY_OUT, ReplicaEvent, UnlistedTransition, after
from paceline.records.deployment import ReplicaState


def test_every_state_is_reached_and_can_end() -> None:
    reached, front = {ReplicaState.QUEUED}, [ReplicaState.QUEUED]
    while front:
        for following in TRANSITIONS[front.pop()].values():
            if following not in reached:
                reached.add(following)
                front.append(following)
    assert reached == set(ReplicaState)
    for state in ReplicaState:
        assert _ends(state), state


def _ends(state: ReplicaState, seen: frozenset[ReplicaState] = frozenset()) -> bool:
    if state is ReplicaState.ENDED:
        return True
    return any(_ends(s, seen | {state}) for s in TRANSITIONS[state].values() if s not in seen)


def test_every_event_occurs() -> None:
    assert {event for events in TRANSITIONS.values() for event in events} == set(ReplicaEvent)


def test_only_release_frees_a_device() -> None:
    for state, events in TRANSITIONS.items():
        for event, following in events.items():
            if following is ReplicaState.ENDED and state is not ReplicaState.QUEUED:
                assert event is ReplicaEvent.RELEASED


@pytest.mark.parametrize("state", ReplicaState)
@pytest.mark.parametrize("event", ReplicaEvent)
def test_what_is_not_listed_is_an_error(state: ReplicaState, event: ReplicaEvent) -> None:
    if event in TRANSITIONS[state]:
        assert after(state, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(UnlistedTransition, match=event.value):
            after(state, event)


@pytest.mark.parametrize("state", ReplicaState)
def test_the_way_out_leads_to_the_end(state: ReplicaState) -> None:
    for event in WAY_OUT[state]:
        state = after(state, event)
    assert state is ReplicaState.ENDED
