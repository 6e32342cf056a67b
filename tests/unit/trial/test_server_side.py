import math

import pytest

from paceline.records.measurement import Interval
from paceline.records.samples import Outcome, RequestSample, table_of
from paceline.records.telemetry import Buckets, Snapshot, TelemetryGap, TelemetryWindow
from paceline.trial.server_side import compare, foreign_requests, telemetry_window
from paceline.trial.timeline import summarise


def reading(at_s: float, *, finished: float, ttft_sum_s: float, running: float = 4) -> Snapshot:
    buckets = Buckets(
        limits_s=(0.1, 0.2, math.inf),
        counts=(0.0, finished * 0.9, finished),
        sum_s=ttft_sum_s,
    )
    return Snapshot(
        at_s=at_s,
        gauges={"requests_running": running},
        counters={"requests_finished": finished},
        histograms={"ttft": buckets},
    )


def window(*readings: Snapshot, start_s: float = 10.0, end_s: float = 20.0) -> TelemetryWindow:
    found = telemetry_window(readings, source="s", subject="x", start_s=start_s, end_s=end_s)
    assert isinstance(found, TelemetryWindow)
    return found


READINGS = (
    reading(5.0, finished=100, ttft_sum_s=90.0, running=99),
    reading(9.8, finished=110, ttft_sum_s=91.0, running=1),
    reading(15.0, finished=150, ttft_sum_s=97.0, running=6),
    reading(20.1, finished=210, ttft_sum_s=106.0, running=0),
    reading(30.0, finished=999, ttft_sum_s=999.0, running=99),
)


def test_counters_and_histograms_are_what_grew_in_the_window() -> None:
    found = window(*READINGS)
    assert found.counters == {"requests_finished": 100}
    assert found.start_s == pytest.approx(-0.2)
    assert found.end_s == pytest.approx(10.1)
    ttft = found.times["ttft"]
    assert ttft.count == 100
    assert ttft.mean_ms == pytest.approx(150.0)
    assert ttft.p50_ms == Interval(lo=100.0, hi=200.0)
    assert ttft.p99_ms is None  # beyond the last finite limit


def test_gauges_are_read_inside_the_window() -> None:
    gauge = window(*READINGS).gauges["requests_running"]
    assert (gauge.mean, gauge.max, gauge.readings) == (6, 6, 1)


@pytest.mark.parametrize(
    ("readings", "because"),
    [
        ((), "0 readings"),
        (READINGS[:1], "1 readings"),
        ((READINGS[3], reading(21.0, finished=3, ttft_sum_s=0.1)), "started anew"),
    ],
)
def test_what_cannot_be_told_is_a_gap(readings: tuple[Snapshot, ...], because: str) -> None:
    found = telemetry_window(readings, source="s", subject="x", start_s=20.0, end_s=20.5)
    assert isinstance(found, TelemetryGap)
    assert because in found.because


@pytest.mark.parametrize(("client_s", "agree"), [(0.150, True), (0.158, True), (0.3, False)])
def test_client_and_server_are_compared_by_their_means(client_s: float, agree: bool) -> None:
    samples = table_of(
        [
            RequestSample(
                index=i,
                scheduled_s=float(i),
                sent_s=float(i),
                chunk_s=(i + client_s, i + client_s + 0.1),
                end_s=i + client_s + 0.1,
                input_tokens=1,
                output_tokens=2,
                outcome=Outcome.OK,
            )
            for i in range(50)
        ]
    )
    (found,) = compare(summarise(samples, open_loop=False), window(*READINGS))
    assert (found.metric, found.agree) == ("ttft", agree)
    assert found.client_ms - found.server_ms == pytest.approx(client_s * 1e3 - 150, abs=0.01)


def test_requests_of_others_are_noticed() -> None:
    assert foreign_requests(window(*READINGS), ours=100) is None
    told = foreign_requests(window(*READINGS), ours=50)
    assert told is not None
    assert "100 requests" in told
