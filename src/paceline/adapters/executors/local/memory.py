"""Peak memory of a process tree, sampled from outside.

One process is counted by its resident set. Several are counted by their proportional sets, so that
pages shared between workers (the weights, often) count once. Short peaks between two samples are
missed for trees; for a single process the kernel's own high-water mark catches them.
"""

import threading
from pathlib import Path
from typing import Final

import psutil

from paceline.units import BYTES_PER_GIB

SAMPLE_EVERY_S: Final = 0.25
_BYTES_PER_KIB: Final = 1024
_RESET_PEAK: Final = "5"  # Documentation/filesystems/proc.rst, clear_refs


class MemoryWatch:
    """Samples everything below one process (itself left out) until stopped."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"memory-{root}", daemon=True)
        self._thread.start()

    def peak_gib(self) -> float | None:
        """The highest sum so far, `None` before the first sample."""
        self._peak_bytes = max(self._peak_bytes, tree_bytes(self._root))
        return self._peak_bytes / BYTES_PER_GIB if self._peak_bytes else None

    def forget(self) -> None:
        """Take the peak from now on. Where the kernel's mark cannot be reset, it stays."""
        for process in _below(self._root):
            try:
                Path(f"/proc/{process.pid}/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
            except OSError:
                continue
        self._peak_bytes = 0

    def stop(self) -> None:
        """End the sampling."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_EVERY_S):
            self._peak_bytes = max(self._peak_bytes, tree_bytes(self._root))


def tree_bytes(root: int) -> int:
    """Memory below `root` now; 0 when nothing is left."""
    tree = _below(root)
    if len(tree) == 1:
        return _high_water_bytes(tree[0].pid)
    return sum(_proportional_bytes(process) for process in tree)


def _below(root: int) -> list[psutil.Process]:
    try:
        return psutil.Process(root).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _high_water_bytes(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    marks = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(marks[0]) * _BYTES_PER_KIB if marks else 0


def _proportional_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
