"""What memory there is, in numbers for people. Linux; on a card, torch is asked by the caller."""

from __future__ import annotations

import re
import resource
from pathlib import Path
from typing import Final

_GIB: Final = 2**30
_KIB: Final = 2**10
_PAGES: Final = Path("/proc/meminfo")
_SELF: Final = Path("/proc/self/status")

# What PyTorch, the allocator and oneDNN say; the last says nothing else when it finds no memory.
_SIGNS: Final = re.compile(
    r"can't allocate memory|not enough memory|Cannot allocate memory|bad_alloc|out of memory"
    r"|could not create a (primitive|memory)"
)


def is_shortage(error: BaseException) -> bool:
    """Whether this is a processor's way of saying that there is no memory."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _SIGNS.search(str(error)) is not None
    )


def of_machine() -> str:
    """This process's share and what is left: `1.20 GiB in use here, 3.00 GiB available`."""
    parts = [
        f"{_kib(_SELF, 'VmRSS') * _KIB / _GIB:.2f} GiB in use here",
        f"{_kib(_PAGES, 'MemAvailable') * _KIB / _GIB:.2f} GiB available in the machine",
    ]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        used = _kib(_SELF, "VmSize") * _KIB
        parts.append(f"{used / _GIB:.2f} GiB of {limit / _GIB:.2f} GiB addresses allowed")
    return ", ".join(parts)


def of_card(free_bytes: int, total_bytes: int) -> str:
    """`0.31 GiB free of 22.04 GiB`."""
    return f"{free_bytes / _GIB:.2f} GiB free of {total_bytes / _GIB:.2f} GiB"


def _kib(table: Path, name: str) -> int:
    for line in table.read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    return 0
