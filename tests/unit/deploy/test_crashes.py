"""Pauses, and when to stop trying."""

import pytest

from paceline.deploy.crashes import (
    CRASHES_BORNE,
    LONGEST_PAUSE_S,
    SOUND_S,
    STARTS_TRIED,
    Crashes,
    after_admission,
    after_crash,
    given_up,
)
from paceline.records.launch import Cause


def crashed(times: int, *, served: bool = False, served_s: float = 0.0) -> Crashes:
    crashes = after_admission(Crashes()) if served else Crashes()
    for _ in range(times):
        crashes = after_crash(crashes, "exit 1", now_s=100.0, served_s=served_s)
    return crashes


def end(crashes: Crashes, cause: Cause | None = None, *, late: bool = False) -> str | None:
    """Why there is no further try where no replica of the version serves."""
    return given_up(crashes, cause, late=late, needed=False)


def test_the_pause_doubles_up_to_a_minute() -> None:
    pauses = [crashed(times).not_before_s - 100.0 for times in range(1, 9)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_a_replica_that_served_for_long_begins_the_row_anew() -> None:
    assert crashed(4, served=True, served_s=SOUND_S).count == 1


def test_a_version_that_never_served_is_given_up_sooner() -> None:
    for served, most in ((False, STARTS_TRIED), (True, CRASHES_BORNE)):
        assert end(crashed(most - 1, served=served), Cause.CRASHED) is None
        because = end(crashed(most, served=served), Cause.CRASHED)
        assert because is not None
        assert because.startswith(str(most))


def test_what_would_come_again_is_not_tried_again() -> None:
    assert end(crashed(1), Cause.UNSUPPORTED) == "unsupported would come again"
    assert end(crashed(1), None) is None


def test_a_cause_that_came_while_serving_may_pass() -> None:
    assert end(crashed(1, served=True), Cause.OUT_OF_MEMORY) is None


def test_a_start_that_was_killed_may_have_been_killed_by_somebody() -> None:
    assert end(crashed(1), Cause.OUT_OF_MEMORY) is None
    assert end(crashed(2), Cause.OUT_OF_MEMORY) == "out-of-memory would come again"


def test_a_start_over_its_budget_is_the_last() -> None:
    for served in (False, True):
        assert end(crashed(1, served=served), late=True) == "cold start over its budget"


@pytest.mark.parametrize("cause", [Cause.CRASHED, Cause.OUT_OF_MEMORY, None])
@pytest.mark.parametrize("late", [False, True])
def test_a_version_with_a_replica_that_serves_is_not_given_up(
    cause: Cause | None, late: bool
) -> None:
    """Its further starts wait instead."""
    crashes = crashed(2 * CRASHES_BORNE, served=True)
    assert given_up(crashes, cause, late=late, needed=True) is None
    assert crashes.not_before_s == 100.0 + LONGEST_PAUSE_S


def test_it_is_remembered_what_the_pause_is_for() -> None:
    assert after_admission(crashed(1)).because == "exit 1"
