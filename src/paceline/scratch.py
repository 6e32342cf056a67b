"""Temporary folders that do not outlive those who use them.

Whoever uses a folder holds a lock on it, and may hand that to the processes it starts. A lock ends
with its last holder, however that ends, so a folder that nobody holds was left by a process that
was killed: it is removed when the next one is made.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.errors import Code, SetupError

SHORT: Final = Path("/tmp")  # noqa: S108 - the folders in it are made by mkdtemp
LONGEST_BASE_BYTES: Final = 40
"""Of the path of a Unix socket (107 bytes, unix(7)) our own name takes 25 and what engines put
below it up to 37 (vLLM: a UUID)."""
_NAME: Final = re.compile(r"paceline\.[a-z]+-[a-z0-9_]{8}")
_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A folder in use. `lock` is a descriptor; a child that inherits it uses the folder too."""

    path: Path
    lock: int


@contextmanager
def scratch_folder(purpose: str, *, for_sockets: bool = False) -> Iterator[Scratch]:
    """A new folder of this user alone, removed on exit; `purpose` is one lower-case word.

    It lies below `TMPDIR`, but one `for_sockets` below `/tmp` where that is too long a name. Also
    removes what killed processes left. Raises SetupError where no folder can be made.
    """
    try:
        remove_abandoned()
        scratch = _make(purpose, _short() if for_sockets else Path(tempfile.gettempdir()))
    except OSError as error:
        raise SetupError(
            Code.CACHE_UNWRITABLE,
            "there is no room for temporary files",
            why=str(error),
            fix="set TMPDIR to a folder with free space that you can write to",
        ) from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch.path, ignore_errors=True)
        os.close(scratch.lock)


def remove_abandoned() -> tuple[Path, ...]:
    """Remove this user's folders that nobody uses any more; their paths. Milliseconds."""
    found: list[Path] = []
    with suppress(OSError):  # nowhere to look: who wants a folder is told so
        for folder in {Path(tempfile.gettempdir()), _short()}:
            with os.scandir(folder) as entries:
                found += [Path(entry.path) for entry in entries if _NAME.fullmatch(entry.name)]
    return tuple(path for path in sorted(found) if _removed(path))


def _short() -> Path:
    base = Path(tempfile.gettempdir())
    if len(os.fsencode(base)) > LONGEST_BASE_BYTES and os.access(SHORT, os.W_OK | os.X_OK):
        return SHORT
    return base


def _make(purpose: str, base: Path) -> Scratch:
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"paceline.{purpose}-", dir=base))
        with suppress(FileNotFoundError):  # somebody swept before it was locked
            lock = os.open(path, _OPEN)
            with suppress(OSError):  # a file system without locks: nobody will sweep it
                fcntl.flock(lock, fcntl.LOCK_SH)
            if path.is_dir():
                return Scratch(path=path, lock=lock)
            os.close(lock)


def _removed(path: Path) -> bool:
    try:
        lock = os.open(path, _OPEN)
    except OSError:  # gone, of another user, or no folder
        return False
    try:
        if os.fstat(lock).st_uid != os.getuid():
            return False
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody uses it, or this file system has no locks
        return False
    else:
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()
    finally:
        os.close(lock)
