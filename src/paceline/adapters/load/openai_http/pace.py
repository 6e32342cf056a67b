"""When the next request may go out: the load model at work, told the time, without a socket.

`Pace` knows sessions, slots and schedules; what is sent and how long it takes is not its business.
One client process of several gets its share: every `of`-th session and slot.
"""

import heapq
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Protocol

from paceline.records.load_plan import Level, LoadPlan, PlannedRequest

PAUSE_AFTER_BROKEN_S = 0.1
"""A slot whose connection failed waits this long, or a dead server would spin the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """This process is number `index` (from 0) `of` so many."""

    index: int = 0
    of: int = 1

    def part(self, total: int) -> int:
        """Its share of a whole number; the shares of all processes add up to it."""
        return total // self.of + (self.index < total % self.of)


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """A request that may be sent: when it should have been, and when it could have been.

    `serial` numbers requests, `occurrence` sessions, both over all processes and in order of
    their start.
    """

    serial: int
    occurrence: int
    row: PlannedRequest
    stage: int
    scheduled_s: float
    allowed_s: float
    later: tuple[PlannedRequest, ...] = ()


class Pace(Protocol):
    """Hands out turns when they may start."""

    def take(self, now_s: float) -> Turn | None:
        """The next turn that may start now, counted as in flight from here on."""
        ...

    def ended(self, turn: Turn, now_s: float, *, ok: bool, broken: bool = False) -> None:
        """An answer came or failed; a session goes on only after a good one."""
        ...

    def next_s(self) -> float | None:
        """When `take` will have something even if nothing ends; `None` if never."""
        ...

    def exhausted(self, now_s: float) -> bool:
        """Whether nothing will start any more, whatever ends."""
        ...


def pace_for(plan: LoadPlan, share: Share) -> Pace:
    """The pace of this process's share of a plan."""
    return OpenPace(plan, share) if plan.open_loop else ClosedPace(plan, share)


class ClosedPace:
    """A level of sessions in flight; a slot that comes free is taken at once."""

    def __init__(self, plan: LoadPlan, share: Share) -> None:
        self._sessions = sessions_of(plan.rows)
        self._levels = plan.levels
        self._share = share
        self._left = None if plan.requests is None else share.part(plan.requests)
        self._end_s = math.inf if plan.duration_s is None else plan.duration_s
        self._think_s = plan.think_s
        self._started_sessions = 0
        self._started_requests = 0
        self._in_flight = 0
        self._free: list[float] = []
        self._later: list[tuple[float, int, Turn]] = []

    def take(self, now_s: float) -> Turn | None:
        if self.exhausted(now_s) or now_s < self._levels[0].at_s:
            return None
        if self._later and self._later[0][0] <= now_s:
            turn = heapq.heappop(self._later)[2]
            return self._count(turn)
        level = level_at(self._levels, now_s)
        if self._in_flight >= self._slots(level.in_flight):
            self._free.clear()  # slots that a falling level took away
            return None
        if self._free and self._free[0] > now_s:
            return None
        free_s = heapq.heappop(self._free) if self._free else self._slot_opened_s(now_s)
        self._in_flight += 1
        return self._count(self._begin_session(free_s, level.stage))

    def ended(self, turn: Turn, now_s: float, *, ok: bool, broken: bool = False) -> None:
        if ok and turn.later:
            due_s = now_s + self._think_s
            heapq.heappush(self._later, (due_s, turn.serial, _next_turn(turn, due_s)))
            return
        self._in_flight -= 1
        heapq.heappush(self._free, now_s + (PAUSE_AFTER_BROKEN_S if broken else 0.0))

    def next_s(self) -> float | None:
        if not self._started_requests:
            return self._levels[0].at_s
        times = [self._later[0][0]] if self._later else []
        times += self._free[:1]
        return min(times, default=None)

    def exhausted(self, now_s: float) -> bool:
        return self._left == 0 or now_s >= self._end_s

    def _begin_session(self, free_s: float, stage: int) -> Turn:
        number = self._started_sessions * self._share.of + self._share.index
        self._started_sessions += 1
        turn = _first_turn(number, self._sessions[number % len(self._sessions)])
        turn.stage = stage
        turn.scheduled_s = turn.allowed_s = free_s
        return turn

    def _count(self, turn: Turn) -> Turn:
        turn.serial = self._started_requests * self._share.of + self._share.index
        self._started_requests += 1
        if self._left is not None:
            self._left -= 1
        return turn

    def _slots(self, in_flight: float) -> int:
        """This process's share of the level: slots number index, index + of, …"""
        return self._share.part(math.floor(in_flight + 1e-9))

    def _slot_opened_s(self, now_s: float) -> float:
        """A slot that was never used opened with its stage, or during a ramp just now."""
        level = level_at(self._levels, now_s)
        return now_s if level.ramp else level.at_s


class OpenPace:
    """Requests start when they are due, or as soon as `max_in_flight` lets them."""

    def __init__(self, plan: LoadPlan, share: Share) -> None:
        sessions = sessions_of(plan.rows)
        self._arrivals = deque(
            (number, rows)
            for number, rows in enumerate(sessions)
            if number % share.of == share.index
        )
        self._share = share
        self._cap = None if plan.max_in_flight is None else max(1, share.part(plan.max_in_flight))
        self._left = None if plan.requests is None else share.part(plan.requests)
        self._end_s = math.inf if plan.duration_s is None else plan.duration_s
        self._think_s = plan.think_s
        self._later: list[tuple[float, int, Turn]] = []
        self._in_flight = 0
        self._room_since_s = 0.0
        self._started = 0

    def take(self, now_s: float) -> Turn | None:
        due_s = self._due_s()
        if due_s is None or due_s > now_s or self._left == 0:
            return None
        if self._cap is not None and self._in_flight >= self._cap:
            return None
        if self._later and self._later[0][0] <= due_s:
            turn = heapq.heappop(self._later)[2]
        else:
            turn = _first_turn(*self._arrivals.popleft())
        turn.serial = self._started * self._share.of + self._share.index
        turn.allowed_s = max(turn.scheduled_s, self._room_since_s)
        self._started += 1
        self._in_flight += 1
        if self._left is not None:
            self._left -= 1
        return turn

    def ended(self, turn: Turn, now_s: float, *, ok: bool, broken: bool = False) -> None:
        if self._cap is not None and self._in_flight == self._cap:
            self._room_since_s = now_s
        self._in_flight -= 1
        due_s = now_s + self._think_s
        if ok and turn.later and due_s < self._end_s:
            heapq.heappush(self._later, (due_s, turn.serial, _next_turn(turn, due_s)))

    def next_s(self) -> float | None:
        if self._left == 0 or (self._cap is not None and self._in_flight >= self._cap):
            return None
        return self._due_s()

    def exhausted(self, now_s: float) -> bool:
        return self._left == 0 or self._due_s() is None

    def wants_spare(self, connections: int) -> bool:
        """Whether an arrival may come that could use one more connection."""
        return self._due_s() is not None and (self._cap is None or connections < self._cap)

    def waiting(self, now_s: float) -> list[Turn]:
        """Turns that were due and never started; the test ended before there was room."""
        turns = [turn for due_s, _, turn in self._later if due_s <= now_s]
        due = takewhile(lambda arrival: (arrival[1][0].due_s or 0.0) <= now_s, self._arrivals)
        turns += [_first_turn(number, rows) for number, rows in due]
        for place, turn in enumerate(turns):
            turn.serial = (self._started + place) * self._share.of + self._share.index
        return turns

    def _due_s(self) -> float | None:
        arrival_s = (self._arrivals[0][1][0].due_s or 0.0) if self._arrivals else None
        later_s = self._later[0][0] if self._later else None
        if arrival_s is None or later_s is None:
            return later_s if arrival_s is None else arrival_s
        return min(arrival_s, later_s)


def sessions_of(rows: Sequence[PlannedRequest]) -> list[list[PlannedRequest]]:
    """Consecutive rows of one session, grouped."""
    sessions: list[list[PlannedRequest]] = []
    for row in rows:
        if sessions and sessions[-1][0].session == row.session:
            sessions[-1].append(row)
        else:
            sessions.append([row])
    return sessions


def level_at(levels: Sequence[Level], now_s: float) -> Level:
    """The level in force at `now_s`, interpolated on a ramp."""
    current = levels[0]
    following: Level | None = None
    for level in levels:
        if level.at_s > now_s:
            following = level
            break
        current = level
    if not current.ramp or following is None:
        return current
    done = (now_s - current.at_s) / (following.at_s - current.at_s)
    in_flight = current.in_flight + done * (following.in_flight - current.in_flight)
    return Level(at_s=current.at_s, in_flight=in_flight, stage=current.stage, ramp=True)


def _first_turn(session: int, rows: Sequence[PlannedRequest]) -> Turn:
    """As planned: due at its arrival, or at the start where none is planned."""
    due_s = rows[0].due_s or 0.0
    return Turn(
        serial=0,
        occurrence=session,
        row=rows[0],
        stage=rows[0].stage,
        scheduled_s=due_s,
        allowed_s=due_s,
        later=tuple(rows[1:]),
    )


def _next_turn(turn: Turn, due_s: float) -> Turn:
    return replace(
        turn, row=turn.later[0], scheduled_s=due_s, allowed_s=due_s, later=turn.later[1:]
    )
