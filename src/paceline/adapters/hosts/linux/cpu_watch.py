"""CPU time of others: what the cores did, less what this process and its descendants did.

Time that a hypervisor took away (`steal`) counts as others'. Interrupts do not count at all: most
of them are our own loopback traffic, and nobody can say which.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

PROC_STAT: Final = Path("/proc/stat")
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
STAT_FIELDS: Final = 8
"""user nice system idle iowait irq softirq steal; guest time after them is within user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTimes:
    """Seconds since boot, summed over the cores this process may use."""

    total_s: float
    busy_s: float
    """In processes, ours and others', or taken by the hypervisor."""
    own_s: float


class TreeCpuWatch:
    """Measures from when it is made to each question."""

    def __init__(self) -> None:
        self._start = read_cpu_times()

    def foreign_cpu_share(self) -> float | None:
        """As in the port; `None` where the kernel does not count."""
        return foreign_share(self._start, read_cpu_times())


def foreign_share(start: CpuTimes, end: CpuTimes) -> float | None:
    """(busy − own) ÷ total between two readings, within 0–1; `None` when no time passed.

    The kernel counts cores by the tick and processes exactly, so that a short or an idle window
    can come out slightly below zero; that is zero.
    """
    total_s = end.total_s - start.total_s
    if total_s <= 0:
        return None
    foreign_s = (end.busy_s - start.busy_s) - (end.own_s - start.own_s)
    return min(1.0, max(0.0, foreign_s / total_s))


def read_cpu_times() -> CpuTimes:
    """The cores' times and those of this process tree, one right after the other."""
    own_s = _tree_s()
    total_s, busy_s = cores_s(PROC_STAT.read_text(encoding="ascii"), os.sched_getaffinity(0))
    return CpuTimes(total_s=total_s, busy_s=busy_s, own_s=own_s)


def cores_s(stat: str, cores: set[int]) -> tuple[float, float]:
    """Total and busy seconds of `cores`, from the text of /proc/stat."""
    wanted = {f"cpu{core}" for core in cores}
    total = busy = 0
    for line in stat.splitlines():
        name, *fields = line.split()
        if name in wanted:
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, fields[:STAT_FIELDS])
            work = user + nice + system + steal
            busy += work
            total += work + idle + iowait + irq + softirq
    return total / TICKS_PER_S, busy / TICKS_PER_S


def _tree_s() -> float:
    """CPU seconds of this process and its descendants, with the ended ones they waited for.

    A process that ends between two readings moves from its own entry to its parent's, whole, so
    the difference of two sums stays right.
    """
    own = psutil.Process()
    return sum(_process_s(process) for process in (own, *own.children(recursive=True)))


def _process_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
