"""Reads telemetry sources beside a load, in a thread of its own, and cuts windows out of it."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from paceline.ports.telemetry import Telemetry, TelemetryReader
from paceline.records.load import Target
from paceline.records.telemetry import Snapshot, TelemetryGap, TelemetryWindow
from paceline.trial.server_side import telemetry_window

EVERY_S: Final = 1.0
"""A page of vLLM takes some milliseconds of its event loop to make: more often would be felt."""
LAST_READING_S: Final = 5.0


class Recorder:
    """Readings of every source since it was started."""

    def __init__(self, sources: Mapping[str, TelemetryReader], gaps: list[TelemetryGap]) -> None:
        self._sources = sources
        self._gaps = gaps
        self._lock = threading.Lock()  # keeps `_readings` and `_failed` whole between two threads
        self._readings: dict[str, list[Snapshot]] = {name: [] for name in sources}
        self._failed: dict[str, TelemetryGap] = {}

    def read_all(self) -> None:
        """One reading of every source."""
        for name, reader in self._sources.items():
            found = reader.read()
            with self._lock:
                if isinstance(found, TelemetryGap):
                    self._failed[name] = found
                else:
                    self._readings[name].append(found)

    def windows(
        self, *, start_s: float, end_s: float
    ) -> tuple[TelemetryWindow | TelemetryGap, ...]:
        """What every source says about a window on CLOCK_MONOTONIC; then forgets what is older."""
        found: list[TelemetryWindow | TelemetryGap] = list(self._gaps)
        with self._lock:
            for name, readings in self._readings.items():
                window = telemetry_window(
                    readings,
                    source=name,
                    subject=self._sources[name].subject,
                    start_s=start_s,
                    end_s=end_s,
                )
                failed = self._failed.pop(name, None)
                found.append(failed if isinstance(window, TelemetryGap) and failed else window)
                del readings[:-1]
        return tuple(found)


@contextmanager
def recording(kinds: tuple[Telemetry, ...], target: Target) -> Iterator[Recorder]:
    """Read every source once a second until the context ends."""
    sources: dict[str, TelemetryReader] = {}
    gaps: list[TelemetryGap] = []
    for kind in kinds:
        opened = kind.open(target)
        if isinstance(opened, TelemetryGap):
            gaps.append(opened)
        else:
            sources[kind.name] = opened
    recorder = Recorder(sources, gaps)
    ended = threading.Event()

    def read_on() -> None:
        while not ended.is_set():
            recorder.read_all()
            ended.wait(EVERY_S)

    thread = threading.Thread(target=read_on, name="telemetry", daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        ended.set()
        thread.join(LAST_READING_S)
        for reader in sources.values():
            reader.close()
