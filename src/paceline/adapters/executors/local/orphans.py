"""The marker that every engine process carries, and what is done with those that lost us.

The marker names the Paceline process that started an engine by id and start time, because ids are
used again. A process whose owner is gone is an orphan.
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

OWNER: Final = "PACELINE_OWNER"
_PROC: Final = Path("/proc")
_START_TIME_FIELD: Final = 19  # of /proc/PID/stat, counted after the name (proc(5), field 22)


def marker() -> dict[str, str]:
    """The environment that marks children of this process."""
    return {OWNER: owner_name(os.getpid())}


def owner_name(process: int) -> str:
    """`PID:START`, or `PID:gone` for a process that does not exist."""
    return f"{process}:{_start_ticks(process) or 'gone'}"


def marked_processes(owner: str | None = None) -> tuple[int, ...]:
    """Processes with our marker; those of one owner, or all whose owner is gone."""
    found = []
    for process, name in _owners().items():
        orphaned = owner is None and owner_name(int(name.partition(":")[0])) != name
        if orphaned or name == owner:
            found.append(process)
    return tuple(sorted(found))


def end_orphans() -> tuple[int, ...]:
    """Kill every process whose Paceline is gone; their ids."""
    ended = []
    for process in marked_processes():
        try:
            os.kill(process, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
        ended.append(process)
    return tuple(ended)


def _owners() -> Mapping[int, str]:
    """Owner by process, as far as this user may read the environments."""
    prefix = f"{OWNER}=".encode()
    owners: dict[int, str] = {}
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            name = variable.removeprefix(prefix).decode(errors="replace")
            if variable.startswith(prefix) and name.partition(":")[0].isdigit():
                owners[int(entry.name)] = name
    return owners


def _start_ticks(process: int) -> str | None:
    try:
        stat = (_PROC / str(process) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[_START_TIME_FIELD]
