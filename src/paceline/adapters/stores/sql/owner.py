"""Who holds a lease, and whether that process still lives. Reads /proc; Linux only."""

import os
import platform
from pathlib import Path
from typing import Final

from paceline.records.run import Owner

START_TICKS_FIELD: Final = 19
"""`starttime` in /proc/PID/stat, counted after the `comm` field, which may hold anything."""
DEAD_STATES: Final = "ZX"


def this_process() -> Owner:
    """The owner to write into a lease."""
    pid = os.getpid()
    return Owner(
        host=platform.node(),
        boot_id=_boot_id(),
        pid_namespace=_pid_namespace(),
        pid=pid,
        start_ticks=_start_ticks(pid) or 0,
    )


def is_dead(owner: Owner) -> bool:
    """True only when it is certain: a process of another host or container may live unseen.

    The start time tells the owner from a later process with the same number; boot and process
    namespace tell whether the number means anything here.
    """
    if owner.host != platform.node():
        return False
    if owner.boot_id != _boot_id():
        return True
    if owner.pid_namespace != _pid_namespace():
        return False
    return _start_ticks(owner.pid) != owner.start_ticks


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _pid_namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink())


def _start_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in DEAD_STATES else int(fields[START_TICKS_FIELD - 1])
