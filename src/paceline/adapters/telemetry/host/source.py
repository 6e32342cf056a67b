"""This machine while a load runs: it is the client's, and the server's too when that is local.

Energy is what the processor packages count themselves (Intel and AMD RAPL); reading it usually
needs root, and without that it is absent.
"""

import time
from pathlib import Path
from typing import Final

import psutil

from paceline.records.load import Target
from paceline.records.telemetry import Snapshot, TelemetryGap
from paceline.units import BYTES_PER_GIB

POWERCAP: Final = Path("/sys/class/powercap")
MICROJOULES_PER_J: Final = 1e6


class Host:
    """The machine that this process runs on."""

    @property
    def name(self) -> str:
        return "host"

    def open(self, target: Target) -> "HostReader | TelemetryGap":
        """Always readable, whatever the target."""
        return HostReader()


class HostReader:
    """Counts CPU seconds of all cores; `cpu_count_s` is what they could have been busy."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._packages = [RaplPackage(folder) for folder in packages(powercap)]

    @property
    def subject(self) -> str:
        return "this machine"

    def read(self) -> Snapshot:
        times = psutil.cpu_times()
        # guest time is inside user time, idle and iowait are no work
        idle_s = times.idle + times.iowait
        busy_s = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
        counters = {"cpu_busy_s": busy_s, "cpu_total_s": busy_s + idle_s}
        energies = [package.read_j() for package in self._packages]
        if energies:
            counters["cpu_energy_j"] = sum(energies)
        memory = psutil.virtual_memory()
        used_gib = (memory.total - memory.available) / BYTES_PER_GIB
        return Snapshot(
            at_s=time.monotonic(),
            gauges={"memory_used_gib": used_gib},
            counters=counters,
            histograms={},
        )

    def close(self) -> None:
        """Nothing is held."""


class RaplPackage:
    """One energy counter, made to grow for ever: the hardware's wraps round."""

    def __init__(self, folder: Path) -> None:
        self._energy = folder / "energy_uj"
        self._range_uj = int((folder / "max_energy_range_uj").read_text())
        self._last_uj = self._read_uj()
        self._total_uj = 0

    def read_j(self) -> float:
        """Joules since this reader was made."""
        now_uj = self._read_uj()
        self._total_uj += (now_uj - self._last_uj) % (self._range_uj + 1)
        self._last_uj = now_uj
        return self._total_uj / MICROJOULES_PER_J

    def _read_uj(self) -> int:
        return int(self._energy.read_text())


def packages(powercap: Path) -> list[Path]:
    """Folders of whole processor packages whose counter may be read; parts of them are not."""
    found = []
    for folder in sorted(powercap.glob("intel-rapl:*")):
        try:
            whole = (folder / "name").read_text().startswith("package")
            (folder / "energy_uj").read_text()
        except OSError:
            continue
        if whole and folder.name.count(":") == 1:
            found.append(folder)
    return found
