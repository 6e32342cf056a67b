import pytest

from paceline.records.trial import TrialState
from paceline.trial.machine import TRANSITIONS, TrialEvent, UnlistedTransition, after


def test_every_state_is_in_the_table_and_can_be_reached() -> None:
    reached = {TrialState.QUEUED} | {to for row in TRANSITIONS.values() for to in row.values()}
    assert set(TRANSITIONS) == set(TrialState) == reached


@pytest.mark.parametrize("state", TrialState)
def test_every_state_can_end(state: TrialState) -> None:
    seen, frontier = {state}, {state}
    while frontier:
        frontier = {to for s in frontier for to in TRANSITIONS[s].values()} - seen
        seen |= frontier
    assert TrialState.ENDED in seen


def test_a_running_process_is_left_only_through_stopping() -> None:
    for state in (TrialState.STARTING, TrialState.MEASURING):
        assert TrialState.ENDED not in TRANSITIONS[state].values()


def test_an_unlisted_event_is_an_error_and_not_ignored() -> None:
    with pytest.raises(UnlistedTransition, match="'ready' in state 'queued'"):
        after(TrialState.QUEUED, TrialEvent.READY)
