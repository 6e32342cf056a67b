import time

from paceline.app.bench_telemetry import recording
from paceline.ports.telemetry import TelemetryReader
from paceline.records.load import Target
from paceline.records.telemetry import Snapshot, TelemetryGap, TelemetryWindow

TARGET = Target(base_url="http://h:1", model="m")


class Counting:
    """A source that counts how often it was read."""

    name = "counting"
    subject = "a counter"

    def __init__(self, *, fails: bool = False) -> None:
        self.readings = 0
        self.closed = False
        self.fails = fails

    def open(self, target: Target) -> TelemetryReader | TelemetryGap:
        assert target is TARGET
        return self

    def read(self) -> Snapshot | TelemetryGap:
        if self.fails:
            return TelemetryGap(source=self.name, because="HTTP 500")
        self.readings += 1
        return Snapshot(
            at_s=time.monotonic(),
            gauges={},
            counters={"readings": float(self.readings)},
            histograms={},
        )

    def close(self) -> None:
        self.closed = True


class Absent:
    name = "absent"

    def open(self, target: Target) -> TelemetryReader | TelemetryGap:
        return TelemetryGap(source=self.name, because="no such thing here")


def test_sources_are_read_until_the_context_ends() -> None:
    source = Counting()
    with recording((Absent(), source), TARGET) as recorder:
        start_s = time.monotonic()
        recorder.read_all()
        recorder.read_all()
        absent, found = recorder.windows(start_s=start_s, end_s=time.monotonic())
        assert absent == TelemetryGap(source="absent", because="no such thing here")
        assert isinstance(found, TelemetryWindow)
        assert found.subject == "a counter"
        assert found.counters["readings"] >= 1
    assert source.closed


def test_a_source_that_fails_says_why() -> None:
    with recording((Counting(fails=True),), TARGET) as recorder:
        recorder.read_all()
        (found,) = recorder.windows(start_s=0.0, end_s=1.0)
    assert found == TelemetryGap(source="counting", because="HTTP 500")
