"""A replica's time, divided at every moment among the requests that it has in flight.

Of a second with n requests in flight, each of them has 1/n; a second without any is nobody's. So
what the requests of a replica had and the time that it was idle are the replica's life, whatever
it did at once. Taken from the lines of the usage spool in the order in which they were written, at
a cost that does not depend on how many requests are in flight; pure.

A request that a replica failed has its share of the one that answered it in the end. What it took
of the others is left with the time that nobody had, and so is what a request took whose end nobody
saw, because the gateway was killed.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from paceline.records.gateway import Ended, UsageLine


@dataclass(slots=True)
class _Busy:
    """A replica with something in flight; `each_s` is what a request had that was there all along.

    `at_s` is the time of the last line.
    """

    at_s: float
    each_s: float = 0.0
    in_flight: int = 0

    def advance(self, at_s: float) -> None:
        """A clock that was set back stands still here."""
        if self.in_flight:
            self.each_s += max(at_s - self.at_s, 0.0) / self.in_flight
        self.at_s = at_s


@dataclass(frozen=True, slots=True)
class _Begun:
    replica_id: str
    each_s: float


@dataclass(slots=True)
class Shares:
    """The requests under way: by their ids, which clients may repeat, and by replica."""

    begun: dict[str, deque[_Begun]] = field(default_factory=dict)
    busy: dict[str, _Busy] = field(default_factory=dict)
    deaths_s: deque[float] = field(default_factory=deque)

    def copy(self) -> "Shares":
        """To try lines on."""
        return Shares(
            begun={name: deque(begun) for name, begun in self.begun.items()},
            busy={name: replace(busy) for name, busy in self.busy.items()},
            deaths_s=deque(self.deaths_s),
        )

    def become(self, other: "Shares") -> None:
        """The lines that were tried on a copy are accounted for."""
        self.begun, self.busy, self.deaths_s = other.begun, other.busy, other.deaths_s

    def gateway_died(self, at_s: float) -> None:
        """Whatever it had in flight ended then (s since 1970), unseen."""
        self.deaths_s.append(at_s)

    def take(self, line: UsageLine) -> float | None:
        """Seconds of its replica that a request had, with the line that ends it; else `None`."""
        while self.deaths_s and line.at_s >= self.deaths_s[0]:
            self.deaths_s.popleft()
            self.busy.clear()
            self.begun.clear()
        if line.ended not in {Ended.BEGAN, Ended.MOVED}:
            return self._end(line)
        if line.ended is Ended.MOVED:
            same_id = self.begun.get(line.request_id, ())
            failed = next((one for one in same_id if one.replica_id != line.replica_id), None)
            if failed is not None:
                self._leave(line, failed)
        if line.replica_id is not None:
            busy = self.busy.setdefault(line.replica_id, _Busy(line.at_s))
            busy.advance(line.at_s)
            busy.in_flight += 1
            begun = _Begun(line.replica_id, busy.each_s)
            self.begun.setdefault(line.request_id, deque()).append(begun)
        return None

    def _end(self, line: UsageLine) -> float | None:
        same_id = self.begun.get(line.request_id)
        if not same_id:
            return None
        begun = next((one for one in same_id if one.replica_id == line.replica_id), same_id[0])
        had_s = self._leave(line, begun)
        if begun.replica_id != line.replica_id:
            return None
        # The execution is timed by a clock that does not jump when the machine's is set.
        return min(had_s, line.execution_s)

    def _leave(self, line: UsageLine, begun: _Begun) -> float:
        """The line's request is no longer with that replica; seconds that it had of it."""
        same_id = self.begun[line.request_id]
        same_id.remove(begun)
        if not same_id:
            del self.begun[line.request_id]
        busy = self.busy[begun.replica_id]
        busy.advance(line.at_s)
        busy.in_flight -= 1
        if not busy.in_flight:
            del self.busy[begun.replica_id]
        return busy.each_s - begun.each_s
