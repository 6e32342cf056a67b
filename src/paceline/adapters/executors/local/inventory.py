"""This machine's processor as something to run engines on; its cards are in `cards`."""

import os
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
_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def find_cpu() -> Accelerator:
    """All cores this process may use, with the memory it may use."""
    flags = _cpu_flags()
    return Accelerator(
        name="cpu",
        kind=AcceleratorKind.CPU,
        memory_gib=_memory_bytes() / BYTES_PER_GIB,
        available=1,
        cores=len(os.sched_getaffinity(0)),
        features=tuple(feature for feature in _FEATURES if feature in flags),
    )


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
