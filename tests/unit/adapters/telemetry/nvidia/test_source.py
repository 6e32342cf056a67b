"""Against a stand-in for `pynvml` with its functions' names and units."""

import os
import sys
from types import SimpleNamespace

import pytest

from paceline.adapters.telemetry.nvidia import Nvidia
from paceline.adapters.telemetry.nvidia.source import DeviceReader, is_local
from paceline.ports.telemetry import SeesDeviceProcesses
from paceline.records.load import Target
from paceline.records.telemetry import DeviceProcess, TelemetryGap

HERE = Target(base_url="http://127.0.0.1:8000", model="m")


class NVMLError(Exception):
    """As in pynvml."""


def nvml(*, devices: int = 2, broken: bool = False) -> SimpleNamespace:
    def init() -> None:
        if broken:
            raise NVMLError("Driver Not Loaded")

    return SimpleNamespace(
        NVMLError=NVMLError,
        NVML_CLOCK_SM=1,
        nvmlInit=init,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: devices,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda _: b"NVIDIA H200",
        nvmlDeviceGetUtilizationRates=lambda index: SimpleNamespace(gpu=40 + index, memory=7),
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=2**31, total=2**37),
        nvmlDeviceGetPowerUsage=lambda _: 350_000,
        nvmlDeviceGetClockInfo=lambda _, clock: 1980 * clock,
        nvmlDeviceGetTotalEnergyConsumption=lambda _: 5_000,
    )


def opened(monkeypatch: pytest.MonkeyPatch, module: object) -> DeviceReader | TelemetryGap:
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return Nvidia().open(HERE)


def test_every_device_is_read_in_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = opened(monkeypatch, nvml())
    assert isinstance(reader, DeviceReader)
    assert reader.subject == "2x NVIDIA H200"
    found = reader.read()
    assert found.gauges["gpu1_utilization_percent"] == 41
    assert found.gauges["gpu0_memory_used_gib"] == 2
    assert found.gauges["gpu0_power_w"] == 350
    assert found.gauges["gpu0_sm_clock_mhz"] == 1980
    assert found.counters == {"gpu0_energy_j": 5, "gpu1_energy_j": 5}
    reader.close()


def test_who_computes_on_which_device_is_told_and_whether_it_is_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, init, nobody = os.getpid(), 1, 2**22 + 1  # above the largest id that Linux gives
    on_first = [SimpleNamespace(pid=own, usedGpuMemory=2**31)]
    on_second = [
        SimpleNamespace(pid=init, usedGpuMemory=None),
        SimpleNamespace(pid=nobody, usedGpuMemory=2**30),
    ]
    module = nvml()
    module.nvmlDeviceGetComputeRunningProcesses = lambda index: (on_first, on_second)[index]
    module.nvmlDeviceGetMPSComputeRunningProcesses = lambda _: on_first[:0]
    reader = opened(monkeypatch, module)
    assert isinstance(reader, SeesDeviceProcesses)
    assert reader.device_processes() == (
        DeviceProcess(device="gpu0", pid=own, ours=True, memory_gib=2.0),
        DeviceProcess(device="gpu1", pid=init, ours=False, memory_gib=None),
        DeviceProcess(device="gpu1", pid=nobody, ours=None, memory_gib=1.0),
    )


def test_a_driver_that_does_not_say_who_computes_names_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unsupported(_: int) -> int:
        raise NVMLError("Not Supported")

    module = nvml(devices=1)
    module.nvmlDeviceGetComputeRunningProcesses = unsupported
    module.nvmlDeviceGetMPSComputeRunningProcesses = unsupported
    reader = opened(monkeypatch, module)
    assert isinstance(reader, SeesDeviceProcesses)
    assert reader.device_processes() == ()


def test_what_a_device_does_not_know_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(_: int) -> int:
        raise NVMLError("Not Supported")

    module = nvml(devices=1)
    module.nvmlDeviceGetTotalEnergyConsumption = unsupported
    module.nvmlDeviceGetPowerUsage = unsupported
    reader = opened(monkeypatch, module)
    assert isinstance(reader, DeviceReader)
    found = reader.read()
    assert found.counters == {}
    assert "gpu0_power_w" not in found.gauges


@pytest.mark.parametrize(
    ("module", "because"),
    [
        (None, "not installed"),
        (nvml(broken=True), "Driver Not Loaded"),
        (nvml(devices=0), "no device"),
    ],
)
def test_no_driver_no_package_no_device_are_gaps(
    monkeypatch: pytest.MonkeyPatch, module: object, because: str
) -> None:
    gap = opened(monkeypatch, module)
    assert isinstance(gap, TelemetryGap)
    assert because in gap.because


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "localhost:80/v1", "http://[::1]:1"])
def test_loopback_is_this_machine(url: str) -> None:
    assert is_local(Target(base_url=url, model="m"))


def test_devices_say_nothing_about_another_machine() -> None:
    gap = Nvidia().open(Target(base_url="http://192.0.2.1:8000", model="m"))
    assert isinstance(gap, TelemetryGap)
    assert "another machine" in gap.because
