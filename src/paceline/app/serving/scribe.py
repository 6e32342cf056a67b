"""The thread that talks to the store, so that the one that decides never waits for it for long.

A database that is locked holds a writer up for seconds, one that hangs for ever. What is decided is
written before it is acted on as long as the store keeps up; when it does not, the deciding thread
goes on after `PATIENCE_S`, and what is written follows in order.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

READ_EVERY_S: Final = 0.5
"""How often what is wanted is looked up; a `deploy` is seen after at most this long."""
PATIENCE_S: Final = 0.5
END_WITHIN_S: Final = 20.0


class Scribe:
    """Calls `write` when it is asked to, and `read` every `READ_EVERY_S`, one at a time.

    `tell` is called in its thread after each `read`. Both functions bear a store that is away.
    """

    def __init__(
        self, *, write: Callable[[], None], read: Callable[[], None], tell: Callable[[], None]
    ) -> None:
        self._write = write
        self._read = read
        self._tell = tell
        self._turn = threading.Condition()
        # Guarded by `_turn`: rounds begun and done, and whether one is asked for.
        self._begun = self._done = 0
        self._asked = self._stopping = self._late = False
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether its thread runs; a fault of ours ends it with a traceback on stderr."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Read once, then go on in the thread. Raises what `read` raises."""
        self._read()
        self._thread.start()

    def hurry(self) -> None:
        """Have `write` called; return when that is done, or when it takes too long."""
        if not self.alive:
            self._write()
            return
        with self._turn:
            following = self._begun + 1
            self._asked = True
            self._turn.notify_all()
            if not self._late:
                done = self._turn.wait_for(lambda: self._done >= following, PATIENCE_S)
                self._late = not done

    def stop(self) -> bool:
        """Let it write what is left; false when the store did not take it in time."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        if self.alive:
            self._thread.join(END_WITHIN_S)
        return not self.alive

    def _run(self) -> None:
        next_read_s = time.monotonic() + READ_EVERY_S
        while not self._stopping:
            with self._turn:
                left_s = max(next_read_s - time.monotonic(), 0.0)
                self._turn.wait_for(lambda: self._asked or self._stopping, left_s)
                self._asked = False
                self._begun += 1
            self._write()
            with self._turn:
                self._done, self._late = self._begun, False
                self._turn.notify_all()
            if time.monotonic() >= next_read_s:
                self._read()
                self._tell()
                next_read_s = time.monotonic() + READ_EVERY_S
        self._write()
