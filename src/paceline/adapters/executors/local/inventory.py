"""This machine's processor as something to run engines on; its cards are in `cards`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil

from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.units import BYTES_PER_GIB

# Those that decide which low-precision arithmetic an engine can use.
_FEATURES: Final = (
    *("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm", "sve"),
)
_CPU_INFO: Final = Path("/proc/cpuinfo")
_CGROUP_CPU: Final = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


SPARED_FROM_CORES: Final = 8
"""From so many usable cores on, one of them is left to the load client: at most an eighth of the
machine, against engines whose threads wait for each other at every layer and stand still when one
of them loses its core. Of two cores one would be half the machine, so there they share."""


def find_cpu() -> Accelerator:
    """All cores this process may use, with the memory it may use."""
    flags = _cpu_flags()
    cores = sorted(os.sched_getaffinity(0))
    quota = _quota_cores()
    return Accelerator(
        name="cpu",
        kind=AcceleratorKind.CPU,
        memory_gib=_memory_bytes() / BYTES_PER_GIB,
        available=1,
        cores=usable_cores(cores, quota),
        engine_cores=engine_cores(cores, quota),
        features=tuple(feature for feature in _FEATURES if feature in flags),
    )


def usable_cores(cores: Sequence[int], quota: float | None) -> int:
    """How many of `cores` the container's quota (cores, `None` without one) pays for."""
    return len(cores) if quota is None else max(1, min(len(cores), int(quota)))


def engine_cores(cores: Sequence[int], quota: float | None) -> tuple[int, ...]:
    """Those that engines are kept to in a trial; empty when they may use any.

    No more than the quota pays for: threads on further cores only use it up sooner, and then all of
    them stand still until the next period.
    """
    usable = usable_cores(cores, quota)
    kept = usable - (usable >= SPARED_FROM_CORES)
    return () if kept == len(cores) else tuple(sorted(cores)[:kept])


def _quota_cores() -> float | None:
    if not _CGROUP_CPU.is_file():
        return None
    quota, _, period = _CGROUP_CPU.read_text(encoding="ascii").strip().partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _memory_bytes() -> int:
    """The machine's memory or the container's limit, whichever is less."""
    limits = [int(psutil.virtual_memory().total)]
    for path in _CGROUP_LIMITS:
        if path.is_file():
            text = path.read_text(encoding="ascii").strip()
            limits += [int(text)] if text.isdigit() else []
    return min(limits)


def _cpu_flags() -> frozenset[str]:
    """Instruction sets as Linux names them: `flags` on x86, `Features` on Arm."""
    for line in _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()
