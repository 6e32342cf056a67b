"""From the gateway's pulses to the window that policies decide on.

A pulse says what is in flight and queued at one moment; between two pulses the earlier one is
taken to hold. Time is the caller's monotonic clock.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from paceline.records.gateway import Ended, EndpointPulse
from paceline.records.traffic import Window

KEPT_S: Final = 60
WAITS_S: Final = 15.0
_BUCKET_S: Final = 1.0


@dataclass(slots=True)
class _Bucket:
    """Requests × seconds, and events, of one second or a part of it."""

    serving: float = 0.0
    waiting: float = 0.0
    arrivals: int = 0
    ended: int = 0


class PulseMeter:
    """The traffic of one endpoint as pulses tell it."""

    def __init__(self, start_s: float) -> None:
        self.in_flight = 0
        self.queued = 0
        self._oldest_wait_s = 0.0
        self._buckets: deque[_Bucket] = deque(maxlen=KEPT_S)
        self._open = _Bucket()
        self._open_since_s = start_s
        self._last_s = start_s
        self._waits: deque[tuple[float, float]] = deque()

    def take(self, pulse: EndpointPulse, now_s: float) -> None:
        """The next pulse."""
        self._advance(now_s)
        self.in_flight, self.queued = pulse.in_flight, pulse.queued
        self._oldest_wait_s = pulse.oldest_wait_s
        self._open.arrivals += pulse.arrivals
        self._open.ended += sum(
            count for ended, count in pulse.ended if ended not in (Ended.BEGAN, Ended.REFUSED)
        )
        self._waits.extend((now_s, wait_s) for wait_s in pulse.waits_s)

    def woken(self, now_s: float) -> None:
        """A request waits and there is no replica; the pulse that counts it is still to come."""
        self._advance(now_s)
        self.queued = max(self.queued, 1)

    def lost(self, now_s: float) -> None:
        """The gateway has gone, and with it whatever it had in flight or queued."""
        self._advance(now_s)
        self.in_flight = self.queued = 0

    def window(self, now_s: float) -> Window:
        """The last minute."""
        self._advance(now_s)
        while self._waits and self._waits[0][0] < now_s - WAITS_S:
            self._waits.popleft()
        buckets = list(self._buckets)
        open_s = self._last_s - self._open_since_s
        if open_s > 0:
            mean = replace(
                self._open,
                serving=self._open.serving / open_s,
                waiting=self._open.waiting / open_s,
            )
            buckets = [*buckets, mean][-KEPT_S:]
        return Window(
            serving=tuple(bucket.serving for bucket in buckets),
            waiting=tuple(bucket.waiting for bucket in buckets),
            arrivals=tuple(bucket.arrivals for bucket in buckets),
            ended=tuple(bucket.ended for bucket in buckets),
            waits_s=(*(wait_s for _, wait_s in self._waits), *self._queued_for_s()),
            in_flight=self.in_flight,
            queued=self.queued,
        )

    def _queued_for_s(self) -> list[float]:
        """Only the oldest wait is told; the others are taken to have come evenly since."""
        return [self._oldest_wait_s * (n + 1) / self.queued for n in range(self.queued)]

    def _advance(self, now_s: float) -> None:
        if now_s - self._last_s > KEPT_S:  # nothing older than the window is worth filling in
            self._buckets.clear()
            self._open = _Bucket()
            self._open_since_s = self._last_s = now_s - KEPT_S
        while now_s >= self._open_since_s + _BUCKET_S:
            self._pass(self._open_since_s + _BUCKET_S)
            self._buckets.append(self._open)
            self._open = _Bucket()
            self._open_since_s += _BUCKET_S
        self._pass(now_s)

    def _pass(self, until_s: float) -> None:
        passed_s = max(until_s - self._last_s, 0.0)
        self._open.serving += self.in_flight * passed_s
        self._open.waiting += self.queued * passed_s
        self._last_s = max(self._last_s, until_s)
