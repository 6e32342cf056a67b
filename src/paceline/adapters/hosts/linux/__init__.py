"""The machine this process runs on, when it runs Linux."""

from collections.abc import Iterator
from contextlib import contextmanager

from paceline.adapters.hosts.linux.cpu_watch import CpuTimes, TreeCpuWatch
from paceline.adapters.hosts.linux.fingerprint import read_fingerprint
from paceline.records.hardware import HostFingerprint

__all__ = ["CpuTimes", "LinuxHost"]


class LinuxHost:
    """Reads /proc and /sys; needs no rights of its own."""

    def fingerprint(self) -> HostFingerprint:
        """What `read_fingerprint` finds from the root of the file system."""
        return read_fingerprint()

    @contextmanager
    def watch(self) -> Iterator[TreeCpuWatch]:
        """Watch from here on."""
        yield TreeCpuWatch()
