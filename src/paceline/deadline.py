"""An end to marking that would never come: a user's regular expression can take for ever.

`re` looks for signals while it searches (CPython, `Modules/_sre/sre_lib.h`), so an alarm gets it
out. Signals reach the main thread only; elsewhere there is no deadline.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TooSlow(Exception):
    """The deadline passed; the message says which."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises TooSlow when what is done inside takes more processor time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"not marked after {seconds:g} s")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
