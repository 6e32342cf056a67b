"""Pauses, and when to stop trying."""

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
        crashes = after_crash(crashes, now_s=100.0, served_s=served_s)
    return crashes


def test_the_pause_doubles_up_to_a_minute() -> None:
    pauses = [crashed(times).not_before_s - 100.0 for times in range(1, 9)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_a_replica_that_served_for_long_begins_the_row_anew() -> None:
    assert crashed(4, served=True, served_s=SOUND_S).count == 1


def test_a_version_that_never_served_is_given_up_sooner() -> None:
    for served, most in ((False, STARTS_TRIED), (True, CRASHES_BORNE)):
        assert given_up(crashed(most - 1, served=served), Cause.CRASHED) is None
        because = given_up(crashed(most, served=served), Cause.CRASHED)
        assert because is not None
        assert because.startswith(str(most))


def test_what_would_come_again_is_not_tried_again() -> None:
    assert given_up(crashed(1), Cause.UNSUPPORTED) == "unsupported would come again"
    assert given_up(crashed(1), None) is None


def test_a_cause_that_came_while_serving_may_pass() -> None:
    assert given_up(crashed(1, served=True), Cause.OUT_OF_MEMORY) is None


def test_a_start_that_was_killed_may_have_been_killed_by_somebody() -> None:
    assert given_up(crashed(1), Cause.OUT_OF_MEMORY) is None
    assert given_up(crashed(2), Cause.OUT_OF_MEMORY) == "out-of-memory would come again"
