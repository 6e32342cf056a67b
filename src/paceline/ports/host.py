"""The Host port: what machine this is, and who else used it."""

from contextlib import AbstractContextManager
from typing import Protocol

from paceline.records.hardware import HostFingerprint


class CpuWatch(Protocol):
    """Watches the machine during one measured window."""

    def foreign_cpu_share(self) -> float | None:
        """Share (0–1) of all cores' time that others used; `None` when it cannot be told."""
        ...


class Host(Protocol):
    """The machine that trials run on."""

    def fingerprint(self) -> HostFingerprint:
        """Processor, memory, kernel and power state, as far as readable."""
        ...

    def watch(self) -> AbstractContextManager[CpuWatch]:
        """Tell this process tree's CPU time from everybody else's while the context is open."""
        ...
