"""The loop of one client process: starts turns, takes bytes off sockets, parses when idle.

It runs on epoll itself, not on an event-loop library: only so can the time of a byte be the
kernel's, the sockets be emptied before anything is parsed, and timers be exact to microseconds
(docs/decisions, "The load client runs its own epoll loop").

All times inside are seconds since the start of the window.
"""

import select
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from paceline.adapters.load.openai_http.alarm import Alarm
from paceline.adapters.load.openai_http.answer import Answer
from paceline.adapters.load.openai_http.bodies import Bodies
from paceline.adapters.load.openai_http.connection import (
    READABLE,
    WRITABLE,
    Broken,
    Connection,
    dial,
)
from paceline.adapters.load.openai_http.endpoint import Endpoint, tls_context
from paceline.adapters.load.openai_http.pace import OpenPace, Pace, Turn
from paceline.adapters.load.openai_http.recorder import Recorder
from paceline.adapters.load.openai_http.tally import Tally
from paceline.adapters.load.openai_http.texts import Texts
from paceline.records.load import Probe, Route
from paceline.records.load_plan import ClientSettings
from paceline.records.samples import Outcome, TokenSource

HEARTBEAT_S: Final = 0.010
"""How often the loop measures its own lag and looks for time-outs."""
PARSE_BATCH: Final = 32
"""Reads parsed between two looks at the sockets: some 0.2 ms."""
SPARE_CONNECTIONS: Final = 8
"""Idle connections kept in open loop, so that an arrival does not wait for a handshake."""
ANYTHING: Final = select.EPOLLHUP | select.EPOLLERR | READABLE


@dataclass(slots=True, kw_only=True, eq=False)
class Flight:
    """A turn that was taken: waiting for its connection or for its answer."""

    turn: Turn
    answer: Answer
    request: bytes
    deadline_s: float
    sent_s: float | None = None
    retried: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What stays the same over the phases of a test."""

    endpoint: Endpoint
    route: Route
    client: ClientSettings
    probe: Probe
    texts: Texts


class Driver:
    """Drives turns of a pace over keep-alive connections and records how they ended.

    One driver serves several phases (warm-up, window), so that connections stay open between them.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._tls: ssl.SSLContext | None = tls_context() if setting.endpoint.tls else None
        self._epoll = select.epoll()
        self._alarm = Alarm()
        self._epoll.register(self._alarm.fileno(), select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._flights: dict[int, Flight] = {}
        self._unparsed: deque[tuple[Connection, float, bytes | OSError]] = deque()
        self._count_text = not setting.probe.sends_usage and setting.texts.count("a") is not None
        self._zero_s = 0.0
        self._realtime_ns = 0
        self._pace: Pace
        self._bodies: Bodies
        self._recorder: Recorder | None
        self._name: str
        self.tally = Tally()

    def open_connections(self, count: int) -> None:
        """Open idle connections ahead and wait until each stands or has failed."""
        for _ in range(count - len(self._idle)):
            self._open()
        limit_s = time.monotonic() + self._setting.client.connect_timeout_s
        while any(not connection.ready for connection in self._connections.values()):
            if time.monotonic() > limit_s:
                break
            self._collect(self._epoll.poll(0.05), self._now())
            self._parse(len(self._unparsed))

    def run(
        self,
        pace: Pace,
        bodies: Bodies,
        recorder: Recorder | None,
        *,
        name: str,
        zero_s: float,
        cutoff_s: Callable[[float], float],
        tick: Callable[[float], bool],
    ) -> None:
        """Drive a pace to its end, from `zero_s` on CLOCK_MONOTONIC.

        Requests carry `X-Request-Id: name-SERIAL`, for whoever reads the server's log.
        `cutoff_s(last_start_s)` is when requests still in flight are given up. `tick(now_s)` is
        called at every heartbeat; it ends the run by returning true.
        """
        self._zero_s, self._recorder, self._name = zero_s, recorder, name
        self._pace, self._bodies = pace, bodies
        self.tally = Tally()
        beat_s, last_start_s, now_s = self._now(), 0.0, self._now()
        while True:
            if self._start_due(now_s):
                last_start_s = now_s
            if not (self._flights or self._unparsed) and pace.exhausted(now_s):
                return
            now_s = self._wait(beat_s, looked_s=now_s)
            if now_s >= beat_s:
                self._beat(now_s, beat_s)
                if tick(now_s) or now_s > cutoff_s(last_start_s):
                    break
                beat_s = max(beat_s + HEARTBEAT_S, now_s)
        self._give_up(now_s)

    def close(self) -> None:
        """Close every connection."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._alarm.close()
        self._epoll.close()

    def _wait(self, beat_s: float, *, looked_s: float) -> float:
        """One look at the sockets, then some parsing; the time at which the look was taken.

        What the pace had ready at `looked_s` and did not start waits for something else (the end
        of the test, a level): to wake for it at once would spin. The heartbeat looks again.
        """
        busy = bool(self._unparsed) or self._bodies.make_one_ahead() or self._open_spare()
        if not busy:
            next_s = self._pace.next_s()
            if next_s is not None and looked_s < next_s < beat_s:
                self._alarm.set(self._zero_s + next_s)
            else:
                self._alarm.set(self._zero_s + beat_s)
        events = self._epoll.poll(0 if busy else -1)
        now_s = self._now()
        self._collect(events, now_s)
        self._parse(PARSE_BATCH)
        return now_s

    def _beat(self, now_s: float, beat_s: float) -> None:
        self.tally.lags_s.add(now_s - beat_s)
        # Both clocks are slewed alike; only a step of the wall clock moves this difference.
        self._realtime_ns = time.time_ns() - time.monotonic_ns() + int(self._zero_s * 1e9)
        for fd, flight in list(self._flights.items()):
            if flight.deadline_s > now_s and flight.sent_s is not None:
                break  # sent in this order with one time-out for all
            if flight.deadline_s <= now_s:
                connection = self._connections[fd]
                outcome = Outcome.REFUSED if flight.sent_s is None else Outcome.TIMED_OUT
                limit_s = self._setting.client.timeout_s
                if flight.sent_s is None:
                    limit_s = self._setting.client.connect_timeout_s
                self._end(connection, outcome, now_s, detail=f"no answer within {limit_s:g} s")

    def _start_due(self, now_s: float) -> bool:
        started = False
        while (turn := self._pace.take(now_s)) is not None:
            started = True
            keep_text = bool(turn.later) or self._count_text
            flight = Flight(
                turn=turn,
                answer=Answer(self._setting.route, keep_text=keep_text),
                request=self._setting.endpoint.request(
                    f"{self._name}-{turn.serial}", self._bodies.body(turn)
                ),
                deadline_s=now_s + self._setting.client.connect_timeout_s,
            )
            self.tally.started += 1
            self.tally.held += turn.allowed_s > turn.scheduled_s
            connection = self._idle.pop() if self._idle else self._open()
            self._flights[connection.fd] = flight
            if connection.ready:
                self._send(connection, flight, flight.turn.allowed_s)
        return started

    def _send(self, connection: Connection, flight: Flight, possible_s: float) -> None:
        # Re-inserted, so that `_flights` stays in order of sending.
        self._flights[connection.fd] = self._flights.pop(connection.fd)
        sent_s = self._now()
        flight.sent_s = sent_s
        flight.deadline_s = sent_s + self._setting.client.timeout_s
        try:
            connection.send(flight.request, flight.answer)
        except Broken as broken:
            self._fail(connection, broken, sent_s)
            return
        self.tally.skews_s.add(sent_s - possible_s)
        if connection.wants_write:
            self._epoll.modify(connection.fd, WRITABLE)

    def _collect(self, events: list[tuple[int, int]], now_s: float) -> None:
        """Take what is there off every socket before anything is parsed."""
        for fd, bits in events:
            connection = self._connections.get(fd)
            if connection is None:
                self._alarm.acknowledge()
                continue
            if bits & select.EPOLLOUT:
                self._advance(connection, now_s)
            if not bits & ANYTHING or fd not in self._connections:
                continue
            try:
                stamp_ns, data = connection.receive()
            except BlockingIOError:
                continue
            except OSError as error:
                self._epoll.unregister(fd)
                self._unparsed.append((connection, now_s, error))
                continue
            if not data:
                self._epoll.unregister(fd)
            self._unparsed.append((connection, self._arrival_s(stamp_ns, now_s), data))

    def _arrival_s(self, stamp_ns: int | None, now_s: float) -> float:
        """When bytes arrived: the kernel's time, unless the wall clock was set in between."""
        if stamp_ns is None:
            return now_s
        at_s = (stamp_ns - self._realtime_ns) * 1e-9
        if not 0.0 <= now_s - at_s < 1.0:
            return now_s
        self.tally.kernel_stamps += 1
        return at_s

    def _advance(self, connection: Connection, now_s: float) -> None:
        was_ready = connection.ready
        try:
            connection.advance()
        except Broken as broken:
            self._fail(connection, broken, now_s)
            return
        if not connection.wants_write or (self._tls and not connection.ready):
            self._epoll.modify(connection.fd, READABLE)
        if connection.ready and not was_ready:
            self._became_ready(connection, now_s)

    def _became_ready(self, connection: Connection, now_s: float) -> None:
        flight = self._flights.get(connection.fd)
        if flight is None:
            self._idle.append(connection)
        else:
            self._send(connection, flight, max(now_s, flight.turn.allowed_s))

    def _parse(self, limit: int) -> None:
        for _ in range(min(limit, len(self._unparsed))):
            connection, at_s, data = self._unparsed.popleft()
            if self._connections.get(connection.fd) is not connection:
                continue  # closed since
            if isinstance(data, OSError):
                self._fail(connection, Broken(data.strerror or str(data)), at_s)
            elif not data:
                self._ended_by_peer(connection, at_s)
            else:
                was_ready = connection.ready
                try:
                    connection.feed(data, at_s)
                except Broken as broken:
                    self._fail(connection, broken, at_s, garbage=connection.ready)
                    continue
                if connection.ready and not was_ready:
                    self._became_ready(connection, self._now())

    def _ended_by_peer(self, connection: Connection, at_s: float) -> None:
        answer = connection.answer
        if answer is not None and answer.status is not None and not connection.framed:
            self._answered(connection, at_s)  # a body without a length ends with its connection
            return
        self._fail(connection, Broken("the server closed the connection"), at_s)

    def _fail(
        self, connection: Connection, broken: Broken, at_s: float, *, garbage: bool = False
    ) -> None:
        """A connection broke; what that means for the request on it."""
        flight = self._flights.get(connection.fd)
        if flight is None:
            self._drop(connection)
            return
        if self._may_repeat(connection, flight, garbage):
            self._repeat(connection, flight)
            return
        if garbage:
            outcome = Outcome.GARBAGE
        elif flight.sent_s is None:
            outcome = Outcome.REFUSED
        elif flight.answer.status is None:
            outcome = Outcome.RESET
        else:
            outcome = Outcome.TRUNCATED
        self._end(connection, outcome, at_s, detail=str(broken))

    def _may_repeat(self, connection: Connection, flight: Flight, garbage: bool) -> bool:
        """Servers close idle connections; a request that crossed with that was never read."""
        reused = connection.served > 0 and not connection.got_bytes
        return reused and not garbage and not flight.retried and flight.sent_s is not None

    def _repeat(self, connection: Connection, flight: Flight) -> None:
        self._drop(connection)
        self.tally.retried += 1
        flight.retried = True
        flight.sent_s = None
        flight.deadline_s = self._now() + self._setting.client.connect_timeout_s
        fresh = self._open()
        self._flights[fresh.fd] = flight
        if fresh.ready:
            self._send(fresh, flight, self._now())

    def _answered(self, connection: Connection, at_s: float) -> None:
        """An answer is complete."""
        flight = self._flights.pop(connection.fd)
        keep = connection.keeps_alive and connection.framed
        outcome = flight.answer.complete(at_s)
        connection.answer = None
        if keep:
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._record(flight, outcome, at_s, detail=None)

    def _end(
        self, connection: Connection, outcome: Outcome, at_s: float, *, detail: str | None
    ) -> None:
        """A request ended without a complete answer; its connection is of no use any more."""
        flight = self._flights.pop(connection.fd)
        self._drop(connection)
        self._record(flight, outcome, at_s, detail=detail)

    def _record(self, flight: Flight, outcome: Outcome, at_s: float, *, detail: str | None) -> None:
        turn, answer = flight.turn, flight.answer
        good = outcome is Outcome.OK
        tokens, source = self._tokens(answer)
        if self._recorder is not None:
            self._recorder.add(
                turn,
                answer,
                outcome,
                sent_s=flight.sent_s,
                end_s=at_s,
                output_tokens=tokens,
                token_source=source,
                detail=detail,
            )
        self.tally.ended(flight.sent_s, answer.stamps, tokens, outcome)
        if good and answer.text is not None:
            self._bodies.answered(turn, "".join(answer.text))
        if not (good and turn.later):
            self._bodies.forget(turn)
        broken = outcome in (Outcome.REFUSED, Outcome.RESET)
        self._pace.ended(turn, at_s, ok=good, broken=broken)

    def _tokens(self, answer: Answer) -> tuple[int | None, TokenSource]:
        if answer.output_tokens is not None:
            return answer.output_tokens, TokenSource.USAGE
        if not self._setting.route.streams or not answer.stamps:
            return None, TokenSource.UNKNOWN
        if self._count_text and answer.text is not None:
            return self._setting.texts.count("".join(answer.text)), TokenSource.TOKENIZER
        return len(answer.stamps), TokenSource.CHUNKS

    def _give_up(self, now_s: float) -> None:
        for fd in list(self._flights):
            self._end(
                self._connections[fd], Outcome.UNFINISHED, now_s, detail="in flight at the end"
            )
        if not isinstance(self._pace, OpenPace) or self._recorder is None:
            return
        for turn in self._pace.waiting(now_s):
            self.tally.held += 1
            self._recorder.add(
                turn,
                None,
                Outcome.UNFINISHED,
                sent_s=None,
                end_s=now_s,
                output_tokens=None,
                token_source=TokenSource.UNKNOWN,
                detail="due, but not sent for lack of room in flight",
            )

    def _open_spare(self) -> bool:
        if len(self._idle) >= SPARE_CONNECTIONS or not isinstance(self._pace, OpenPace):
            return False
        unready = sum(not c.ready for c in self._connections.values())
        if unready or not self._pace.wants_spare(len(self._connections)):
            return False
        self._open()
        return True

    def _open(self) -> Connection:
        connection = dial(self._setting.endpoint, tls=self._tls, finished=self._on_answer)
        self._connections[connection.fd] = connection
        self._epoll.register(connection.fd, WRITABLE)
        self.tally.opened += 1
        return connection

    def _on_answer(self, connection: Connection) -> None:
        self._answered(connection, connection.at_s)

    def _drop(self, connection: Connection) -> None:
        self._connections.pop(connection.fd, None)
        if connection in self._idle:
            self._idle.remove(connection)
        connection.close()  # which takes it out of epoll as well

    def _now(self) -> float:
        return time.monotonic() - self._zero_s
