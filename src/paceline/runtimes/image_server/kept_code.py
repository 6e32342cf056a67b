"""Compiled code that is kept between starts, without what a killed start left half written.

A compiler writes its files where they stay. Killed in between, it leaves one that is too short, and
every later start would fail on it. So a marker stands beside the code while anything is compiled,
locked by the process that compiles: one that nobody holds any more tells that a compiler died, and
then all of the code is thrown away before it is used.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from pathlib import Path
from typing import IO, Final

log = logging.getLogger(__name__)

CODE: Final = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton"}
"""What PyTorch and Triton are told, and the folder for it."""
_MARKER: Final = "compiling-"


class KeptCode:
    """The folder `folder` of one or more servers; made when it is not there."""

    def __init__(self, folder: Path) -> None:
        """Throws away what a killed start left. Raises OSError for a folder of no use."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / f"{_MARKER}{os.getpid()}"
        self._marker: IO[str] | None = None
        if self._somebody_died():
            log.warning("a start was killed while it compiled: compiled code is made anew")
            for name in CODE.values():
                shutil.rmtree(folder / name, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """Variables that must be set before PyTorch is imported."""
        return {variable: str(self._folder / name) for variable, name in CODE.items()}

    def begin(self) -> None:
        """Something is compiled from here on."""
        if self._marker is None:
            # Locked under another name first: seen unlocked, it would tell of a death.
            unseen = self._folder / f".{self._path.name}"
            self._marker = unseen.open("w", encoding="ascii")
            fcntl.flock(self._marker, fcntl.LOCK_EX)
            unseen.replace(self._path)

    def end(self) -> None:
        """It is written, whole."""
        if self._marker is not None:
            self._path.unlink(missing_ok=True)
            self._marker.close()
            self._marker = None

    def _somebody_died(self) -> bool:
        died = False
        for path in self._folder.glob(f"{_MARKER}*"):
            if _is_held_by_nobody(path):
                path.unlink(missing_ok=True)
                died = True
        return died


def _is_held_by_nobody(path: Path) -> bool:
    """Whether a marker is there and its compiler is not. One that ends takes its marker away
    before it lets go of it."""
    try:
        with path.open(encoding="ascii") as marker:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.fstat(marker.fileno()).st_nlink > 0
    except (BlockingIOError, FileNotFoundError):
        return False
