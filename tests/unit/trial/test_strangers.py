import math

import pytest

from paceline.ports.telemetry import Telemetry
from paceline.records.load import Target
from paceline.records.telemetry import DeviceProcess, Snapshot, TelemetryGap
from paceline.trial.strangers import device_processes, strangers

HERE = Target(base_url="http://127.0.0.1:8000", model="m")


def process(pid: int, *, ours: bool | None, device: str = "gpu0") -> DeviceProcess:
    return DeviceProcess(device=device, pid=pid, ours=ours, memory_gib=1.5)


ENGINE, OTHER, UNPLACED = process(10, ours=True), process(7, ours=False), process(8, ours=None)


@pytest.mark.parametrize(
    ("before", "during", "found"),
    [
        ((), (ENGINE,), ()),
        ((), (ENGINE, OTHER), (OTHER,)),
        ((OTHER,), (ENGINE,), ()),
        ((UNPLACED,), (UNPLACED,), (UNPLACED,)),
        ((), (UNPLACED,), ()),
        ((), (ENGINE, process(7, ours=False, device="gpu1")), ()),
        ((), (OTHER, OTHER), (OTHER,)),
    ],
    ids=[
        "alone",
        "somebody beside us",
        "gone before the window",
        "there before us under an id of the host",
        "came with us under an id of the host",
        "on another device",
        "in both readings",
    ],
)
def test_only_who_is_not_ours_and_on_our_device_is_a_stranger(
    before: tuple[DeviceProcess, ...],
    during: tuple[DeviceProcess, ...],
    found: tuple[DeviceProcess, ...],
) -> None:
    assert strangers(before, during) == found


def test_where_nobody_looked_nobody_is_said_to_be_alone() -> None:
    assert strangers((), (ENGINE,), None) is None
    assert device_processes([Source(Reader())], HERE) is None


def test_a_stranger_is_named_with_its_device_and_memory() -> None:
    assert OTHER.text == "process 7 computed on gpu0 with 1.5 GiB"
    silent = DeviceProcess(device="gpu1", pid=9, ours=False)
    assert silent.text == "process 9 computed on gpu1"


class Reader:
    subject = "a card"
    closed = False

    def read(self) -> Snapshot:
        return Snapshot(at_s=math.nan, gauges={}, counters={}, histograms={})

    def close(self) -> None:
        self.closed = True


class SeeingReader(Reader):
    def device_processes(self) -> tuple[DeviceProcess, ...]:
        return (ENGINE, OTHER)


class Source:
    name = "card"

    def __init__(self, reader: Reader | TelemetryGap) -> None:
        self.reader = reader

    def open(self, target: Target) -> Reader | TelemetryGap:
        assert target == HERE
        return self.reader


def test_every_source_that_sees_devices_is_read_and_closed() -> None:
    blind, seeing = Reader(), SeeingReader()
    gap = TelemetryGap(source="card", because="not installed")
    sources: list[Telemetry] = [Source(gap), Source(blind), Source(seeing)]
    assert device_processes(sources, HERE) == (ENGINE, OTHER)
    assert blind.closed
    assert seeing.closed
