import numpy as np
import pytest

from paceline.records.samples import Outcome, RequestSample, SampleTable, table_of
from paceline.trial.series import over_time, points
from paceline.trial.timeline import Timings


def samples(count: int, *, spike_at: int | None = None, fail_every: int = 0) -> SampleTable:
    """One per second, half a second long, five chunks of two tokens."""
    rows = []
    for i in range(count):
        failed = bool(fail_every) and i % fail_every == 0
        first_s = 0.4 if i == spike_at else 0.1
        chunks = () if failed else tuple(i + first_s + k * 0.02 for k in range(5))
        rows.append(
            RequestSample(
                index=i,
                scheduled_s=float(i),
                sent_s=float(i),
                chunk_s=chunks,
                end_s=i + 0.5,
                input_tokens=1,
                output_tokens=None if failed else 10,
                outcome=Outcome.TRUNCATED if failed else Outcome.OK,
            )
        )
    return table_of(rows)


def test_tokens_and_time_in_flight_are_all_there() -> None:
    series = over_time(samples(100))
    assert series is not None
    width_s = series.edges_s[1] - series.edges_s[0]
    assert sum(series.tokens_per_s) * width_s == pytest.approx(1000)
    assert sum(series.in_flight) * width_s == pytest.approx(50)


def test_nothing_sent_is_no_series() -> None:
    assert over_time(table_of([])) is None


def test_thinning_keeps_the_spike() -> None:
    table = samples(5000, spike_at=3217)
    found = points(table, Timings(table).ttft_ms, most=200)
    assert len(found.values_ms) <= 200
    assert max(found.values_ms) == pytest.approx(400)
    assert list(found.at_s) == sorted(found.at_s)


def test_failures_are_points_of_their_own() -> None:
    table = samples(40, fail_every=4)
    found = points(table, Timings(table).ttft_ms)
    assert len(found.failed_at_s) == 10
    assert len(found.values_ms) == 30
    assert not np.isnan(found.values_ms).any()
