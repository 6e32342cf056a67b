"""What a process tree takes of this machine, as /proc has it."""

import psutil

from paceline.records.telemetry import ProcessUse


def tree_use(root: int) -> ProcessUse | None:
    """Of everything below `root`, itself left out; `None` when nothing is left (milliseconds)."""
    try:
        tree = psutil.Process(root).children(recursive=True)
    except psutil.NoSuchProcess:
        return None
    found = [use for process in tree if (use := _use(process, alone=len(tree) == 1)) is not None]
    if not found:
        return None
    return ProcessUse(
        cpu_s=sum(one.cpu_s for one in found), memory_bytes=sum(one.memory_bytes for one in found)
    )


def _use(process: psutil.Process, *, alone: bool) -> ProcessUse | None:
    try:
        times = process.cpu_times()
        memory_bytes = process.memory_info().rss if alone else _share_bytes(process)
    except psutil.Error:  # it has ended
        return None
    cpu_s = times.user + times.system + times.children_user + times.children_system
    return ProcessUse(cpu_s=cpu_s, memory_bytes=memory_bytes)


def _share_bytes(process: psutil.Process) -> int:
    """Its own memory and its part of what it shares."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
