"""Windows from the calls that the gateway makes."""

import pytest

from paceline.deploy.meter import TrafficMeter


def test_means_are_of_time_and_not_of_events() -> None:
    meter = TrafficMeter(100.0)
    meter.arrived(100.25)
    meter.placed(100.5, 0.25)
    meter.ended(101.5)
    seen = meter.window(102.0, [])
    assert seen.waiting == pytest.approx((0.25, 0.0))
    assert seen.serving == pytest.approx((0.5, 0.5))
    assert (seen.arrivals, seen.ended) == ((1, 0), (0, 1))
    assert seen.service_s == pytest.approx(1.0)


def test_the_open_second_is_a_mean_over_its_part() -> None:
    meter = TrafficMeter(0.0)
    meter.arrived(0.0)
    assert meter.window(0.5, [0.5]).waiting == pytest.approx((1.0,))


def test_waits_are_of_the_last_fifteen_seconds_and_of_who_still_waits() -> None:
    meter = TrafficMeter(0.0)
    for second in range(30):
        meter.arrived(float(second))
        meter.placed(float(second), second / 10)
    seen = meter.window(29.0, [7.5])
    assert seen.waits_s[0] == 1.4
    assert seen.waits_s[-2:] == (2.9, 7.5)


def test_a_window_holds_a_minute() -> None:
    meter = TrafficMeter(0.0)
    meter.arrived(0.0)
    meter.placed(0.0, 0.0)
    assert meter.window(45.0, []).serving == pytest.approx((1.0,) * 45)
    assert meter.window(500.25, []).serving == pytest.approx((1.0,) * 60)


def test_a_refused_request_leaves_the_queue_and_keeps_its_wait() -> None:
    meter = TrafficMeter(0.0)
    meter.arrived(0.0)
    meter.refused(9.0, 9.0)
    seen = meter.window(10.0, [])
    assert (seen.queued, seen.in_flight, seen.waits_s) == (0, 0, (9.0,))


def test_a_clock_that_goes_back_stands_still() -> None:
    meter = TrafficMeter(100.0)
    meter.arrived(101.0)
    meter.placed(50.0, 0.0)
    meter.ended(101.5)
    seen = meter.window(20.0, [])
    assert seen.serving == pytest.approx((0.0, 1.0))
    assert seen.present == 0


def test_quiet_looks_back_over_the_last_decision() -> None:
    meter = TrafficMeter(0.0)
    meter.arrived(5.25)
    meter.placed(5.25, 0.0)
    meter.ended(5.5)
    assert not meter.window(7.0, []).quiet
    assert meter.window(8.0, []).quiet
