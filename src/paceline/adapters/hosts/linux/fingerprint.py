"""What Linux says about the machine. A file that is not there makes its field `None`."""

import os
import platform
from pathlib import Path
from typing import Final

import psutil

from paceline.records.hardware import HostFingerprint
from paceline.units import BYTES_PER_GIB

FEATURES: Final = (
    *("avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16"),
    *("avx512_fp16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm", "sve"),
)
"""Those that engines choose their kernels by; the other hundred do not matter here."""
KHZ_PER_MHZ: Final = 1000.0


def read_fingerprint(root: Path = Path("/")) -> HostFingerprint:
    """The machine whose /proc, /sys and /etc lie under `root` (another root is for tests)."""
    cpu = _cpu_info(root)
    cpufreq = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq"))
    return HostFingerprint(
        os=_os_name(root),
        kernel=platform.release(),
        architecture=platform.machine(),
        cpu_model=cpu.get("model name") or cpu.get("Model") or None,
        cpu_features=_features(cpu),
        microcode=cpu.get("microcode"),
        physical_cores=psutil.cpu_count(logical=False),
        logical_cores=psutil.cpu_count() or 1,
        usable_cores=_usable_cores(root),
        numa_nodes=len(list((root / "sys/devices/system/node").glob("node[0-9]*"))) or None,
        memory_gib=psutil.virtual_memory().total / BYTES_PER_GIB,
        memory_limit_gib=_memory_limit_gib(root),
        hypervisor=_hypervisor(root, cpu),
        governor=_shared([folder / "scaling_governor" for folder in cpufreq]),
        frequency_min_mhz=_mhz([folder / "scaling_min_freq" for folder in cpufreq], largest=False),
        frequency_max_mhz=_mhz([folder / "scaling_max_freq" for folder in cpufreq], largest=True),
        turbo=_turbo(root),
        on_battery=_on_battery(root),
        huge_pages=_chosen(root / "sys/kernel/mm/transparent_hugepage/enabled"),
    )


def _text(path: Path) -> str | None:
    """The content without its line end; `None` when it cannot be read, for whatever reason."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _cpu_info(root: Path) -> dict[str, str]:
    """The first processor of /proc/cpuinfo."""
    first = (_text(root / "proc/cpuinfo") or "").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _features(cpu: dict[str, str]) -> tuple[str, ...]:
    """Named `flags` on x86 and `Features` on Arm."""
    found = set((cpu.get("flags") or cpu.get("Features") or "").split())
    return tuple(sorted(found.intersection(FEATURES)))


def _os_name(root: Path) -> str:
    lines = (_text(root / "etc/os-release") or "").splitlines()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    return fields.get("PRETTY_NAME", platform.system()).strip('"')


def _usable_cores(root: Path) -> float:
    """Cores of the affinity mask, or fewer when a control group allows less time."""
    cores = float(len(os.sched_getaffinity(0)))
    quota, _, period = (_text(root / "sys/fs/cgroup/cpu.max") or "max").partition(" ")
    return min(cores, int(quota) / int(period)) if quota.isdigit() and period.isdigit() else cores


def _memory_limit_gib(root: Path) -> float | None:
    limit = _text(root / "sys/fs/cgroup/memory.max") or "max"
    return int(limit) / BYTES_PER_GIB if limit.isdigit() else None


def _hypervisor(root: Path, cpu: dict[str, str]) -> str | None:
    """Its name where the firmware tells, else `unknown` when the processor says there is one."""
    product = _text(root / "sys/class/dmi/id/product_name")
    if "hypervisor" not in cpu.get("flags", "").split():
        return None
    return product or _text(root / "sys/hypervisor/type") or "unknown"


def _shared(paths: list[Path]) -> str | None:
    return ", ".join(sorted({text for path in paths if (text := _text(path))})) or None


def _mhz(paths: list[Path], *, largest: bool) -> float | None:
    found = [int(text) / KHZ_PER_MHZ for path in paths if (text := _text(path)) and text.isdigit()]
    if not found:
        return None
    return max(found) if largest else min(found)


def _turbo(root: Path) -> bool | None:
    """intel_pstate says whether it is off, the general driver whether it is on."""
    off = _text(root / "sys/devices/system/cpu/intel_pstate/no_turbo")
    if off is not None:
        return off == "0"
    on = _text(root / "sys/devices/system/cpu/cpufreq/boost")
    return None if on is None else on == "1"


def _on_battery(root: Path) -> bool | None:
    """`None` for a machine without any power supply that it can see."""
    online = [_text(path) for path in sorted((root / "sys/class/power_supply").glob("*/online"))]
    return "1" not in online if online else None


def _chosen(path: Path) -> str | None:
    """The word in brackets of `always [madvise] never`."""
    return next((w.strip("[]") for w in (_text(path) or "").split() if w.startswith("[")), None)
