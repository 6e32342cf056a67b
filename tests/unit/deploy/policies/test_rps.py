"""Requests per second over a target."""

from dataclasses import replace

import pytest

from paceline.deploy.policies.rps import decide
from paceline.records.scaling import RpsPolicy
from paceline.testing.scaling import NOW_S, REPLICA, fleet, window

BUSY = window(40.0, service_s=2.0)
"""Twenty requests per second."""


def test_the_rate_over_the_target() -> None:
    assert decide(BUSY, fleet(1), RpsPolicy(target_rps=6.0), NOW_S).replicas == 4


def test_without_a_target_a_share_of_the_measured_rate() -> None:
    rated = fleet(1, replica=replace(REPLICA, requests_per_s=8.0))
    assert decide(BUSY, rated, RpsPolicy(), NOW_S).replicas == 4


def test_a_rate_that_nobody_measured_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no target"):
        decide(BUSY, fleet(1), RpsPolicy(), NOW_S)


def test_an_open_stream_keeps_one_after_the_last_arrival() -> None:
    streaming = replace(window(0.0), in_flight=1)
    assert decide(streaming, fleet(1), RpsPolicy(target_rps=6.0), NOW_S).replicas == 1
