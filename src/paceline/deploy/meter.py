"""Counts requests as they come, get a replica and end; gives the window that policies decide on.

Time is the caller's, in seconds of any monotonic clock. A clock that goes back stands still here.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from paceline.records.traffic import Window

KEPT_S: Final = 60
"""Buckets of one second; the longest window of any policy."""
WAITS_S: Final = 15.0
"""How far back the waits of a window reach."""


class TrafficMeter:
    """Requests of one endpoint; one call per change, around a microsecond each."""

    def __init__(self, start_s: float) -> None:
        self.in_flight = 0
        self.queued = 0
        self._buckets: deque[_Bucket] = deque(maxlen=KEPT_S)
        self._open = _Bucket()
        self._waits: deque[tuple[float, float]] = deque()
        self._bucket_start_s = start_s
        self._last_s = start_s

    def arrived(self, now_s: float) -> None:
        """A request came and is queued, if only for a moment."""
        self._advance(now_s)
        self.queued += 1
        self._open.arrivals += 1

    def placed(self, now_s: float, waited_s: float) -> None:
        """A queued request got a replica."""
        self.refused(now_s, waited_s)
        self.in_flight += 1

    def refused(self, now_s: float, waited_s: float) -> None:
        """A queued request was given up."""
        self._advance(now_s)
        self.queued -= 1
        self._waits.append((self._last_s, waited_s))

    def ended(self, now_s: float) -> None:
        """A request in flight was answered, failed or was aborted."""
        self._advance(now_s)
        self.in_flight -= 1
        self._open.ended += 1

    def window(self, now_s: float, queued_for_s: Iterable[float]) -> Window:
        """The last minute, with how long each queued request has waited so far."""
        self._advance(now_s)
        while self._waits and self._waits[0][0] < self._last_s - WAITS_S:
            self._waits.popleft()
        buckets = list(self._buckets)
        open_s = self._last_s - self._bucket_start_s
        if open_s > 0:
            buckets = [*buckets, self._open.over(open_s)][-KEPT_S:]
        return Window(
            serving=tuple(bucket.serving for bucket in buckets),
            waiting=tuple(bucket.waiting for bucket in buckets),
            arrivals=tuple(bucket.arrivals for bucket in buckets),
            ended=tuple(bucket.ended for bucket in buckets),
            waits_s=(*(waited_s for _, waited_s in self._waits), *queued_for_s),
            in_flight=self.in_flight,
            queued=self.queued,
        )

    def _advance(self, now_s: float) -> None:
        if now_s - self._last_s > KEPT_S:  # nothing older than the window is worth filling in
            self._buckets.clear()
            self._open = _Bucket()
            self._bucket_start_s = self._last_s = now_s - KEPT_S
        while now_s >= self._bucket_start_s + 1:
            self._pass(self._bucket_start_s + 1)
            self._buckets.append(self._open)
            self._open = _Bucket()
            self._bucket_start_s += 1
        if now_s > self._last_s:
            self._pass(now_s)

    def _pass(self, until_s: float) -> None:
        passed_s = until_s - self._last_s
        self._open.serving += self.in_flight * passed_s
        self._open.waiting += self.queued * passed_s
        self._last_s = until_s


@dataclass(slots=True)
class _Bucket:
    """Requests × seconds, and events, of one second or a part of it."""

    serving: float = 0.0
    waiting: float = 0.0
    arrivals: int = 0
    ended: int = 0

    def over(self, seconds: float) -> "_Bucket":
        """With means instead of sums, for a bucket that is still open."""
        return replace(self, serving=self.serving / seconds, waiting=self.waiting / seconds)
