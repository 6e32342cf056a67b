"""Whether a replica is fit for requests, judged by its last answers.

Connection errors, 5xx and stalls count against it; refusals (4xx), clients that leave and slowness
do not. The breaker does not say how many replicas may be out at once: `may_eject` does.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

WINDOW: Final = 20
FAILURES_IN_A_ROW: Final = 3
FAILURES_IN_WINDOW: Final = 10
FIRST_EJECTION_S: Final = 1.0
LONGEST_EJECTION_S: Final = 30.0

_MASK: Final = (1 << WINDOW) - 1
_ROW: Final = (1 << FAILURES_IN_A_ROW) - 1


class BreakerState(StrEnum):
    """`TRYING` has been out and is given single requests."""

    CLOSED = "closed"
    OPEN = "open"
    TRYING = "trying"


# Every request looks at them, and asking the enum for one takes as long as a call.
CLOSED: Final = BreakerState.CLOSED
TRYING: Final = BreakerState.TRYING


class BreakerEvent(StrEnum):
    """What moves it."""

    TRIPPED = "tripped"
    COOLED = "cooled"
    PROVED = "proved"


TRANSITIONS: Final[Mapping[BreakerState, Mapping[BreakerEvent, BreakerState]]] = {
    BreakerState.CLOSED: {BreakerEvent.TRIPPED: BreakerState.OPEN},
    BreakerState.OPEN: {BreakerEvent.COOLED: BreakerState.TRYING},
    BreakerState.TRYING: {
        BreakerEvent.TRIPPED: BreakerState.OPEN,
        BreakerEvent.PROVED: BreakerState.CLOSED,
    },
}


class Breaker:
    """One replica's record. Times are monotonic seconds."""

    __slots__ = ("_ejections", "_failures", "_until_s", "state")

    def __init__(self) -> None:
        self.state = CLOSED
        self._failures = 0
        """One bit per answer, the last one lowest; set bits are failures."""
        self._ejections = 0
        self._until_s = 0.0

    def succeeded(self) -> None:
        """An answer that was no failure."""
        if self._failures:
            self._failures = (self._failures << 1) & _MASK
        if self.state is TRYING:
            self._move(BreakerEvent.PROVED)
            self._failures = self._ejections = 0

    def failed(self, now_s: float, *, may_eject: bool) -> bool:
        """A failure; `True` when it put the replica out."""
        self._failures = (self._failures << 1 | 1) & _MASK
        if self.state is BreakerState.OPEN or not may_eject:
            return False
        bad = self._failures & _ROW == _ROW or self._failures.bit_count() >= FAILURES_IN_WINDOW
        if not bad and self.state is BreakerState.CLOSED:
            return False
        self._move(BreakerEvent.TRIPPED)
        self._until_s = now_s + min(FIRST_EJECTION_S * 2**self._ejections, LONGEST_EJECTION_S)
        self._ejections = min(self._ejections + 1, 10)
        return True

    def look(self, now_s: float) -> bool:
        """Let time pass; `True` when the replica may be tried again from now on."""
        if self.state is BreakerState.OPEN and now_s >= self._until_s:
            self._move(BreakerEvent.COOLED)
            return True
        return False

    def _move(self, event: BreakerEvent) -> None:
        self.state = TRANSITIONS[self.state][event]


def may_eject(ejected: int, replicas: int) -> bool:
    """At most half may be out at once: breakers must never take a healthy fleet down."""
    return ejected + 1 <= replicas // 2
