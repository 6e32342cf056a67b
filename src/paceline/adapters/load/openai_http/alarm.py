"""A timer that wakes an epoll loop with microsecond precision.

`epoll.poll` and libuv round to whole milliseconds, which would move every scheduled request by up
to one. Linux only; `os.timerfd_create` replaces the ctypes calls once Python 3.13 is the minimum.
"""

import ctypes
import os
from contextlib import suppress
from typing import Final

_CLOCK_MONOTONIC: Final = 1  # the clock of time.monotonic()
_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE: Final = 1
_NS_PER_S: Final = 1_000_000_000


class Alarm:
    """One deadline on the monotonic clock; its descriptor is readable once that has passed."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._spec = (ctypes.c_long * 4)()  # struct itimerspec: interval s, ns; value s, ns
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        self._at_s: float | None = None
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")

    def fileno(self) -> int:
        return self._fd

    def set(self, at_s: float) -> None:
        """Move the deadline; one in the past fires at once."""
        if at_s == self._at_s:
            return
        self._at_s = at_s
        # All zero would disarm the timer, so the earliest deadline is one nanosecond.
        self._spec[2], self._spec[3] = divmod(max(int(at_s * _NS_PER_S), 1), _NS_PER_S)
        self._settime(self._fd, _ABSOLUTE, self._spec, None)

    def acknowledge(self) -> None:
        """Make the descriptor unreadable again, after it fired."""
        self._at_s = None
        with suppress(BlockingIOError):
            os.read(self._fd, 8)

    def close(self) -> None:
        os.close(self._fd)
