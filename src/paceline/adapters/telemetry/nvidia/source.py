"""Utilization, memory, power, clock, energy and users of every NVIDIA device here, if NVML is.

`pynvml` (package `nvidia-ml-py`) is optional and imported on first use. Devices say something
about an endpoint only when that runs on this machine.
"""

import importlib
import ipaddress
import os
import socket
import time
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from paceline.records.load import Target
from paceline.records.telemetry import DeviceProcess, Snapshot, TelemetryGap
from paceline.units import BYTES_PER_GIB

NAME: Final = "nvidia"
MW_PER_W: Final = 1000.0
MJ_PER_J: Final = 1000.0
# Not those that draw: a desktop is on a device all day and takes little of it.
_WHO_COMPUTES: Final = (
    "nvmlDeviceGetComputeRunningProcesses",
    "nvmlDeviceGetMPSComputeRunningProcesses",
)


class Nvidia:
    """All NVIDIA devices of this machine."""

    @property
    def name(self) -> str:
        return NAME

    def open(self, target: Target) -> "DeviceReader | TelemetryGap":
        if not is_local(target):
            return TelemetryGap(source=NAME, because="the endpoint is on another machine")
        try:
            nvml = importlib.import_module("pynvml")
        except ImportError:
            return TelemetryGap(source=NAME, because="the package nvidia-ml-py is not installed")
        try:
            nvml.nvmlInit()
            reader = DeviceReader(nvml)
        except nvml.NVMLError as error:
            return TelemetryGap(source=NAME, because=f"NVML: {error}")
        if not reader.devices:
            reader.close()
            return TelemetryGap(source=NAME, because="NVML knows of no device")
        return reader


class DeviceReader:
    """Reads all devices; a figure that a device does not have is left out."""

    def __init__(self, nvml: ModuleType) -> None:
        self._nvml = nvml
        count = nvml.nvmlDeviceGetCount()
        self.devices = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        names = [nvml.nvmlDeviceGetName(device) for device in self.devices]
        self._names = [name.decode() if isinstance(name, bytes) else name for name in names]

    @property
    def subject(self) -> str:
        return ", ".join(f"{self._names.count(n)}x {n}" for n in dict.fromkeys(self._names))

    def read(self) -> Snapshot:
        gauges: dict[str, float] = {}
        counters: dict[str, float] = {}
        for index, device in enumerate(self.devices):
            gauges |= {f"gpu{index}_{name}": value for name, value in self._gauges(device)}
            energy_mj = self._ask("nvmlDeviceGetTotalEnergyConsumption", device)
            if energy_mj is not None:
                counters[f"gpu{index}_energy_j"] = energy_mj / MJ_PER_J
        return Snapshot(at_s=time.monotonic(), gauges=gauges, counters=counters, histograms={})

    def device_processes(self) -> tuple[DeviceProcess, ...]:
        """As in the port. In a container NVML may give ids of the host, which mean nothing here."""
        ours = _tree()
        return tuple(
            DeviceProcess(
                device=f"gpu{index}",
                pid=pid,
                ours=pid in ours if pid in ours or psutil.pid_exists(pid) else None,
                memory_gib=None if used is None else used / BYTES_PER_GIB,
            )
            for index, device in enumerate(self.devices)
            for pid, used in self._computing(device).items()
        )

    def close(self) -> None:
        self._nvml.nvmlShutdown()

    def _computing(self, device: object) -> dict[int, int | None]:
        """Process id → bytes, each process once."""
        return {
            int(found.pid): found.usedGpuMemory
            for function in _WHO_COMPUTES
            for found in self._ask(function, device) or ()
        }

    def _gauges(self, device: object) -> list[tuple[str, float]]:
        use = self._ask("nvmlDeviceGetUtilizationRates", device)
        memory = self._ask("nvmlDeviceGetMemoryInfo", device)
        power_mw = self._ask("nvmlDeviceGetPowerUsage", device)
        clock_mhz = self._ask("nvmlDeviceGetClockInfo", device, self._nvml.NVML_CLOCK_SM)
        found = [
            ("utilization_percent", None if use is None else use.gpu),
            ("memory_used_gib", None if memory is None else memory.used / BYTES_PER_GIB),
            ("memory_total_gib", None if memory is None else memory.total / BYTES_PER_GIB),
            ("power_w", None if power_mw is None else power_mw / MW_PER_W),
            ("sm_clock_mhz", clock_mhz),
        ]
        return [(name, float(value)) for name, value in found if value is not None]

    def _ask(self, function: str, *arguments: object) -> Any:
        """What NVML answers, `None` when this device or driver does not know."""
        try:
            return getattr(self._nvml, function)(*arguments)
        except self._nvml.NVMLError:
            return None


def _tree() -> set[int]:
    """Ids of this process and everything below it; an engine's shim keeps its descendants here."""
    below = psutil.Process().children(recursive=True)
    return {os.getpid(), *(process.pid for process in below)}


def is_local(target: Target) -> bool:
    """Whether the endpoint's address belongs to this machine."""
    url = urlsplit(target.base_url if "://" in target.base_url else f"http://{target.base_url}")
    host = url.hostname or ""
    if host == "localhost":
        return True
    own = {address.address for found in psutil.net_if_addrs().values() for address in found}
    try:
        resolved = {host} if _is_address(host) else set(_lookup(host))
    except OSError:
        return False
    return any(address in own or ipaddress.ip_address(address).is_loopback for address in resolved)


def _lookup(host: str) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None)]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
