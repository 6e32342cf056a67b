"""The Executor port: where processes run."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from paceline.records.hardware import Accelerator
from paceline.records.launch import LaunchSpec, ProcessEnd
from paceline.records.telemetry import ProcessUse


class Server(Protocol):
    """One running engine process tree."""

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        ...

    @property
    def spec(self) -> LaunchSpec:
        """What was started."""
        ...

    def wait_ready(self, stop: Callable[[], bool] | None = None) -> ProcessEnd | None:
        """Block until it answers; `None` when ready, else how it ended or timed out.

        `stop` is asked many times a second; true ends the wait as if its time were over.
        """
        ...

    def poll(self) -> ProcessEnd | None:
        """How it ended, `None` while it runs."""
        ...

    def ready_after_s(self) -> float | None:
        """Seconds from start to the first good answer."""
        ...

    def peak_memory_gib(self) -> float | None:
        """Highest resident memory of the process tree so far; `None` when unreadable."""
        ...


@runtime_checkable
class ForgetsPeak(Protocol):
    """A server whose peak memory can be taken from now on, after something that is no serving."""

    def forget_peak(self) -> None:
        """The next `peak_memory_gib` is of what is used from here on."""
        ...


@runtime_checkable
class CountsUse(Protocol):
    """A server that knows what its process tree takes of the machine."""

    def use(self) -> ProcessUse | None:
        """Now (milliseconds); `None` when nothing of it is left."""
        ...


class Executor(Protocol):
    """Hands out devices and ports, starts processes and makes sure that they end."""

    @property
    def name(self) -> str:
        """`local`, `ray`, `runpod` …"""
        ...

    def inventory(self) -> tuple[Accelerator, ...]:
        """The accelerators it can run on now."""
        ...

    def start(
        self, build: Callable[[int], LaunchSpec], *, log_path: Path
    ) -> AbstractContextManager[Server]:
        """Start `build(port)` on a port of the executor's choosing; on exit nothing is left.

        Its `TMPDIR` is a folder of its own that goes with it, with a name that leaves room for a
        socket below (107 bytes in all).

        Leaving the context sends SIGTERM to the process group, waits `grace_s`, then SIGKILL.
        Raises CapacityError when no port or device is free.
        """
        ...

    def sweep(self) -> tuple[int, ...]:
        """End processes that a killed Paceline left behind, and remove their temporary folders.

        The ids of the processes."""
        ...
