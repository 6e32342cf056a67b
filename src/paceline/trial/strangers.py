"""Who else computed on the accelerator while a trial was measured there.

The decision is pure; readings come from whatever telemetry sees the devices. What came and went
between two readings is not seen.
"""

from collections.abc import Iterable, Sequence

from paceline.ports.telemetry import SeesDeviceProcesses, Telemetry
from paceline.records.load import Target
from paceline.records.telemetry import DeviceProcess, TelemetryGap


def strangers(
    before: Iterable[DeviceProcess], *during: Iterable[DeviceProcess] | None
) -> tuple[DeviceProcess, ...] | None:
    """Those of `during` that are not ours, on the devices that we are on; each once.

    `before` was read before the engine was started. A process that nobody can place is a stranger
    when it was there by then; one that came later may be our own engine, seen under the id that
    the host gives it. Where none is seen to be ours, every device counts. `None` when a reading of
    `during` is missing: nobody looked.
    """
    readings = [found for found in during if found is not None]
    if len(readings) < len(during):
        return None
    seen = tuple(dict.fromkeys(process for found in readings for process in found))
    used = {process.device for process in seen if process.ours}
    there = {_place(process) for process in before}
    found = {
        _place(process): process
        for process in seen
        if (not used or process.device in used)
        and (process.ours is False or (process.ours is None and _place(process) in there))
    }
    return tuple(found.values())


def device_processes(
    sources: Sequence[Telemetry], target: Target
) -> tuple[DeviceProcess, ...] | None:
    """One reading of everyone on the devices beside `target`; `None` where no source sees them."""
    found: list[tuple[DeviceProcess, ...]] = []
    for source in sources:
        reader = source.open(target)
        if isinstance(reader, TelemetryGap):
            continue
        if isinstance(reader, SeesDeviceProcesses):
            found.append(reader.device_processes())
        reader.close()
    return sum(found, ()) if found else None


def _place(process: DeviceProcess) -> tuple[str, int]:
    return process.device, process.pid
