"""Phases, budget and what is announced."""

import pytest

from paceline.deploy.coldstart import (
    UNKNOWN_S,
    Start,
    begun,
    entered,
    expected_s,
    over_budget,
    progress,
    times,
    total_s,
)
from paceline.records.deployment import Phase
from paceline.records.trial import ColdStart


@pytest.fixture
def start() -> Start:
    """2 s of environment, 3 s of weights, in the engine since second 5."""
    start = entered(begun(0.0), Phase.WEIGHTS, 2.0)
    return entered(start, Phase.ENGINE, 5.0)


def test_each_phase_has_its_time(start: Start) -> None:
    found = times(start, 9.0)
    assert found == ColdStart(environment_s=2.0, weights_s=3.0, engine_s=4.0, warmup_s=None)
    assert total_s(found) == 9.0


def test_over_the_budget_the_phase_that_ate_it_is_named(start: Start) -> None:
    assert over_budget(start, 10.0, 10.0) is None
    found = over_budget(start, 12.0, 10.0)
    assert found is not None
    assert found[0] is Phase.ENGINE
    assert found[1] == "12 s of 10 s, 7 s of them in engine"


def test_the_rest_is_counted_from_the_90th_percentile(start: Start) -> None:
    expect_s = expected_s([10.0] * 9 + [20.0], 5.0)
    assert expect_s == pytest.approx(11.0)
    found = progress(start, 6.0, expect_s)
    assert found.phase is Phase.ENGINE
    assert found.eta_s == pytest.approx(5.0)
    assert found.progress == pytest.approx(6 / 11)


def test_before_any_start_the_trial_tells_what_to_expect() -> None:
    assert expected_s([], 5.0) == 5.0
    assert expected_s([], None) == UNKNOWN_S


def test_a_late_start_is_never_nearly_done_for_ever(start: Start) -> None:
    late = progress(start, 40.0, 11.0)
    assert late.eta_s == pytest.approx(10.0)
    assert late.progress == pytest.approx(0.8)


def test_a_start_that_was_expected_to_take_no_time_has_an_eta() -> None:
    found = progress(begun(0.0), 0.0, 0.0)
    assert (found.progress, found.eta_s) == (0.0, 1.0)
