"""The Telemetry port: what can be read beside the answers while a load runs."""

from typing import Protocol, runtime_checkable

from paceline.records.load import Target
from paceline.records.telemetry import DeviceProcess, Snapshot, TelemetryGap


class TelemetryReader(Protocol):
    """One source, open; used by one thread."""

    @property
    def subject(self) -> str:
        """What is being watched, for people."""
        ...

    def read(self) -> Snapshot | TelemetryGap:
        """One reading; takes milliseconds, two seconds at most. A failed one is a gap."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


@runtime_checkable
class SeesDeviceProcesses(Protocol):
    """A reader whose devices say who computes on them."""

    def device_processes(self) -> tuple[DeviceProcess, ...]:
        """All of them, of all devices (milliseconds); a device that does not say has none."""
        ...


class Telemetry(Protocol):
    """A kind of source."""

    @property
    def name(self) -> str:
        """`prometheus`, `nvidia`, `host` …"""
        ...

    def open(self, target: Target) -> TelemetryReader | TelemetryGap:
        """Look whether there is something to read for this endpoint; a gap says why not."""
        ...
