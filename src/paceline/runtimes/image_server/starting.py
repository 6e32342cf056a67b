"""How far the start is: one phase at a time, each timed. `/health` shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

PHASES: Final = ("import", "load", "quantize", "compile", "warmup")


class Unservable(Exception):
    """The model is whole, and yet this format or setting cannot run here; the text says why."""


class Starting:
    """Written by the worker, read by everybody."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_s = clock()
        self._phase: str | None = None
        self._phase_began_s = self._began_s
        self.phases_s: dict[str, float] = {}
        self.done = False
        self.error: Exception | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What happens inside is this phase, or more of it."""
        self._phase, self._phase_began_s = name, self._clock()
        try:
            yield
        finally:
            self.add(name, self._clock() - self._phase_began_s)

    def add(self, name: str, seconds: float) -> None:
        """Count time to a phase; negative where it was counted to another before."""
        self.phases_s[name] = self.phases_s.get(name, 0.0) + seconds

    def ready(self) -> None:
        """From now on pictures are made."""
        self._phase, self.done = None, True

    def fail(self, error: Exception) -> None:
        """The start is over and nothing came of it."""
        self.error = error

    def as_json(self) -> dict[str, Any]:
        """For `/health` before it is ready."""
        now_s = self._clock()
        return {
            "status": "starting",
            "phase": self._phase,
            "phase_s": round(now_s - self._phase_began_s, 3),
            "elapsed_s": round(now_s - self._began_s, 3),
            "phases_s": {name: round(value, 3) for name, value in self.phases_s.items()},
        }
