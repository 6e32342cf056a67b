"""One `paceline serve` per data folder: a file lock that ends with the process that holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from paceline.errors import CapacityError, Code

LOCK: Final = "serve.lock"


def is_served(data: Path) -> bool:
    """Whether a `paceline serve` keeps the endpoints of this data folder now."""
    try:
        with (data / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def beat(data: Path) -> None:
    """Leave a sign of life, for whoever comes after a kill; a disk that takes none is borne."""
    with suppress(OSError):
        os.utime(data / LOCK)


def last_seen_s(data: Path) -> float | None:
    """When a `paceline serve` last lived (s since 1970); `None` when there never was one."""
    try:
        return (data / LOCK).stat().st_mtime
    except FileNotFoundError:
        return None


@contextmanager
def serving_alone(data: Path) -> Iterator[None]:
    """Be the one that serves. Raises CapacityError while another does."""
    file = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise CapacityError(
            Code.SERVE_BUSY,
            f"another `paceline serve` keeps the endpoints of {str(data)!r}",
            why=f"it holds {LOCK!r} there",
            fix="end it first; a `paceline deploy` reaches the one that runs",
        ) from error
    try:
        yield
    finally:
        os.close(file)
