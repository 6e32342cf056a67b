"""How long the quality part may take, from what else a trial does."""

from dataclasses import replace

import pytest

from paceline.testing.builders import a_workload
from paceline.testing.simulated_load import PROBE
from paceline.trial.allowance import Allowance, expected_load_s
from paceline.trial.arrivals import plan_load
from paceline.trial.workload import load_shape
from paceline.units import Seconds

SLOW = replace(PROBE, ttft_ms=10.0, e2e_ms=100.0)


@pytest.mark.parametrize(("share", "rest_s"), [(0.25, 30.0), (0.5, 7.0), (0.1, 12.0)])
def test_what_is_allowed_is_the_share_of_the_whole(share: float, rest_s: float) -> None:
    allowed_s = Allowance(share=share).allowed_s(rest_s=rest_s)
    assert allowed_s is not None
    assert allowed_s / (allowed_s + rest_s) == pytest.approx(share)


def test_the_whole_of_a_trial_is_no_limit() -> None:
    assert Allowance(share=1.0).allowed_s(rest_s=3.0) is None


@pytest.mark.parametrize(
    ("duration_s", "requests", "seen_rps", "expected_s"),
    [
        (12.0, None, None, 12.0),
        (12.0, 240, None, 3.0),  # 8 in flight, 0.1 s each: at most 80 per second
        (12.0, 240, 40.0, 6.0),  # what an earlier load of the same launch reached
        (2.0, 240, 40.0, 2.0),
    ],
)
def test_a_load_is_expected_to_be_rather_short(
    duration_s: float, requests: int | None, seen_rps: float | None, expected_s: float
) -> None:
    workload = replace(
        a_workload(concurrency=8), duration_s=Seconds(duration_s), max_requests=requests
    )
    plan = plan_load(load_shape(workload, seed=0))
    assert expected_load_s(plan, SLOW, requests_per_s=seen_rps) == pytest.approx(expected_s)
