"""Requests that wait for a replica: fair between keys, and how long the rest would wait."""

import math
from collections import OrderedDict, deque
from typing import Final, Generic, Protocol, TypeVar

RATE_OVER_S: Final = 30.0
LONGEST_RETRY_S: Final = 300.0


class Waits(Protocol):
    """Something in the queue: whose it is, since when, and whether it has gone meanwhile."""

    @property
    def queue_of(self) -> str: ...

    @property
    def queued_at_s(self) -> float: ...


T = TypeVar("T", bound=Waits)


class FairQueue(Generic[T]):
    """Each key has a line of its own; the heads of the lines are served in turn."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()
        self.length = 0
        """Of all lines."""

    def __len__(self) -> int:
        return self.length

    def push(self, item: T) -> None:
        """To the end of its key's line; the caller minds the length."""
        line = self._lines.get(item.queue_of)
        if line is None:
            line = self._lines[item.queue_of] = deque()
        line.append(item)
        self.length += 1

    def push_first(self, item: T) -> None:
        """To the head of its key's line, and that line next: it was served and lost its replica."""
        line = self._lines.get(item.queue_of)
        if line is None:
            line = self._lines[item.queue_of] = deque()
        line.appendleft(item)
        self._lines.move_to_end(item.queue_of, last=False)
        self.length += 1

    def pop(self) -> T | None:
        """The head of the next line."""
        if not self.length:
            return None
        key, line = next(iter(self._lines.items()))
        item = line.popleft()
        self.length -= 1
        if line:
            self._lines.move_to_end(key)
        else:
            del self._lines[key]
        return item

    def remove(self, item: T) -> None:
        """Its client has gone. Does nothing for an item that is not here."""
        line = self._lines.get(item.queue_of)
        if line is None or item not in line:
            return
        line.remove(item)
        self.length -= 1
        if not line:
            del self._lines[item.queue_of]

    def waiting_since(self, before_s: float) -> list[T]:
        """Taken out: those that have waited since before this time."""
        late: list[T] = []
        for line in self._lines.values():
            while line and line[0].queued_at_s < before_s:
                late.append(line.popleft())
        self.length -= len(late)
        for key in [key for key, line in self._lines.items() if not line]:
            del self._lines[key]
        return late

    def oldest_s(self) -> float | None:
        """When the longest-waiting item came."""
        return min((line[0].queued_at_s for line in self._lines.values()), default=None)


class ServiceRate:
    """Requests ended per second: an average whose weights fall over half a minute."""

    __slots__ = ("_at_s", "_count")

    def __init__(self) -> None:
        self._count = 0.0
        self._at_s: float | None = None

    def ended(self, now_s: float) -> None:
        """One more; those of one second are faded together."""
        if self._at_s is None or now_s - self._at_s >= 1.0:
            self._count = self._faded(now_s)
            self._at_s = now_s
        self._count += 1.0

    def per_s(self, now_s: float) -> float | None:
        """`None` before the first end."""
        return None if self._at_s is None else self._faded(now_s) / RATE_OVER_S

    def retry_after_s(self, now_s: float, queued: int) -> float | None:
        """When a queue of this length will have been served; `None` when nothing says so."""
        rate = self.per_s(now_s)
        if rate is None or rate <= 0:
            return None
        return min(max(queued / rate, 1.0), LONGEST_RETRY_S)

    def _faded(self, now_s: float) -> float:
        if self._at_s is None:
            return 0.0
        return self._count * math.exp(-max(now_s - self._at_s, 0.0) / RATE_OVER_S)
