"""Who uses which device of this machine: file locks that end with the process that holds them.

Replicas share a device among each other; who measures has it alone, since one could neither measure
beside an endpoint nor leave the endpoint's latency as it was. Both may be allowed to share
(`--share-device`). Covers the processes of one data folder; what others run is not seen.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from paceline.errors import CapacityError, Code

_MEASURING: Final = "a measurement"
_SERVING: Final = "`paceline serve`, with a replica on it"


class DeviceLock:
    """One accelerator, held or not."""

    def __init__(self, folder: Path, accelerator: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{accelerator.replace('/', '-')}.lock"
        self._held: int | None = None

    def hold_shared(self) -> bool:
        """Together with other replicas; false when a measurement has it."""
        return self._hold(fcntl.LOCK_SH, _SERVING)

    def hold_alone(self) -> bool:
        """Without anybody; false when a replica or another measurement has it."""
        return self._hold(fcntl.LOCK_EX, _MEASURING)

    def holder(self) -> str:
        """Who took it last, for people: `a measurement (process 4711)`."""
        return self._path.read_text(encoding="utf-8") or "another process"

    def release(self) -> None:
        """Let go."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _hold(self, kind: int, who: str) -> bool:
        if self._held is not None:
            return True
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._held = file
        with suppress(OSError):  # a full disk takes nobody's lock away
            os.ftruncate(file, 0)
            os.pwrite(file, f"{who} (process {os.getpid()})".encode(), 0)
        return True


@contextmanager
def measuring_alone(folder: Path, accelerators: Iterable[str], *, share: bool) -> Iterator[None]:
    """Hold devices for measuring. Raises CapacityError while something else is on one."""
    with ExitStack() as held:
        for accelerator in sorted(accelerators):
            lock = DeviceLock(folder, accelerator)
            held.callback(lock.release)
            if not share and not lock.hold_alone():
                raise CapacityError(
                    Code.DEVICE_BUSY,
                    f"{accelerator!r} is in use",
                    why=f"{lock.holder()} has it",
                    fix="wait for it (`paceline runs` and `paceline endpoints` show which), or"
                    " accept that both disturb each other: --share-device",
                )
        yield
