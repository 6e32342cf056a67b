"""Counts, recent times and a bounded sample."""

import pytest

from paceline.adapters.load.openai_http.tally import RECENT, Reservoir, Tally
from paceline.records.samples import Outcome


def test_a_report_hands_out_recent_times_once() -> None:
    tally = Tally()
    tally.started = 3
    tally.ended(1.0, [1.1, 1.3], 3, Outcome.OK)
    tally.ended(1.0, [], None, Outcome.RESET)
    report = tally.report(2.0)
    assert (report.in_flight, report.ok, report.failed) == (1, 1, 1)
    assert report.recent_ttft_ms == pytest.approx((100.0,))
    assert report.recent_tpot_ms == pytest.approx((100.0,))
    assert report.failures == {"reset": 1}
    assert tally.report(3.0).recent_ttft_ms == ()


def test_a_report_stays_small() -> None:
    tally = Tally()
    for _ in range(10 * RECENT):
        tally.ended(0.0, [1.0, 2.0], 2, Outcome.OK)
    assert len(tally.report(1.0).recent_e2e_ms) == RECENT


def test_a_reservoir_is_a_fair_sample_of_bounded_size() -> None:
    reservoir = Reservoir(1000)
    for value in range(50_000):
        reservoir.add(float(value))
    assert (reservoir.seen, len(reservoir.values)) == (50_000, 1000)
    assert sum(reservoir.values) / 1000 == pytest.approx(25_000, rel=0.06)


def test_a_reservoir_has_nothing_below_zero() -> None:
    reservoir = Reservoir()
    reservoir.add(-1.0)
    assert list(reservoir.values) == [0.0]
