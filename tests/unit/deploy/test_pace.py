"""The same traffic on fewer replicas."""

import math
from dataclasses import replace

import pytest

from paceline.deploy.pace import load_on, pace_ms
from paceline.records.scaling import ServicePoint
from paceline.testing.scaling import REPLICA


def test_pace_between_beside_and_beyond_the_points() -> None:
    assert [pace_ms(REPLICA, n) for n in (0, 1, 16.5, 32, 99)] == [8, 8, 12, 16, 16]


def test_at_a_constant_pace_the_load_stays_what_it_was() -> None:
    flat = replace(REPLICA, service=(ServicePoint(concurrency=1, ttft_ms=50, tpot_ms=10),))
    assert load_on(flat, 30.0, now=3, then=2) == pytest.approx(30.0, abs=1e-3)


def test_fewer_replicas_hold_more_because_each_request_takes_longer() -> None:
    load = load_on(REPLICA, 20.0, now=2, then=1)
    assert load > 20.0
    assert load / pace_ms(REPLICA, load) == pytest.approx(2 * 10 / pace_ms(REPLICA, 10), rel=1e-3)


def test_more_than_they_can_answer_is_infinite_and_nothing_is_nothing() -> None:
    assert load_on(REPLICA, 60.0, now=2, then=1) == math.inf
    assert load_on(REPLICA, 0.0, now=2, then=1) == 0.0
