"""Windows from pulses."""

import pytest

from paceline.deploy.pulses import PulseMeter
from paceline.records.gateway import Ended, EndpointPulse


def pulse(
    in_flight: int = 0,
    queued: int = 0,
    *,
    arrivals: int = 0,
    ended: tuple[tuple[Ended, int], ...] = (),
    waits_s: tuple[float, ...] = (),
    oldest_wait_s: float = 0.0,
) -> EndpointPulse:
    return EndpointPulse(
        name="demo",
        in_flight=in_flight,
        queued=queued,
        oldest_wait_s=oldest_wait_s,
        arrivals=arrivals,
        ended=ended,
        waits_s=waits_s,
        ttft_s=(),
    )


def test_what_is_in_flight_holds_until_the_next_pulse() -> None:
    meter = PulseMeter(0.0)
    meter.take(pulse(4), 0.5)
    meter.take(pulse(0), 1.5)
    window = meter.window(3.0)
    assert window.serving == pytest.approx((2.0, 2.0, 0.0))
    assert window.in_flight == 0


def test_the_open_second_counts_as_a_mean() -> None:
    meter = PulseMeter(0.0)
    meter.take(pulse(2), 0.0)
    assert meter.window(0.25).serving == pytest.approx((2.0,))


def test_events_count_in_their_second_and_refusals_are_no_service() -> None:
    meter = PulseMeter(0.0)
    ended = ((Ended.OK, 2), (Ended.REFUSED, 5), (Ended.BEGAN, 3), (Ended.FAILED, 1))
    meter.take(pulse(arrivals=3, ended=ended), 1.2)
    window = meter.window(2.0)
    assert window.arrivals == (0, 3)
    assert window.ended == (0, 3)


def test_waits_are_kept_for_fifteen_seconds() -> None:
    meter = PulseMeter(0.0)
    meter.take(pulse(waits_s=(0.5, 1.5)), 1.0)
    assert meter.window(16.0).waits_s == (0.5, 1.5)
    assert meter.window(16.1).waits_s == ()


def test_those_that_wait_now_count_with_their_wait_so_far() -> None:
    meter = PulseMeter(0.0)
    meter.take(pulse(queued=2, oldest_wait_s=4.0), 1.0)
    window = meter.window(1.0)
    assert (window.queued, window.waits_s) == (2, (2.0, 4.0))


def test_a_wake_is_a_queued_request_before_any_pulse_says_so() -> None:
    meter = PulseMeter(0.0)
    meter.woken(1.0)
    assert meter.window(1.0).queued == 1


def test_with_the_gateway_everything_in_flight_is_gone() -> None:
    meter = PulseMeter(0.0)
    meter.take(pulse(5, 3), 1.0)
    meter.lost(2.0)
    window = meter.window(2.0)
    assert (window.in_flight, window.queued) == (0, 0)


def test_a_long_gap_is_not_filled_in() -> None:
    meter = PulseMeter(0.0)
    meter.take(pulse(5), 1.0)
    window = meter.window(10_000.0)
    assert len(window.serving) == 60


def test_a_clock_that_goes_back_stands_still() -> None:
    meter = PulseMeter(10.0)
    meter.take(pulse(1), 12.0)
    meter.take(pulse(2), 11.0)
    assert meter.window(12.5).in_flight == 2
