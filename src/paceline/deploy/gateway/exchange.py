"""One request from its admission to its end: given to a replica, its answer passed on, accounted.

A request may be given to another replica only while the client has seen nothing of an answer.
Whatever happens, it ends exactly once: its usage line is written before the client can see the
end, its replica and its reservation are given back.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic, perf_counter_ns
from typing import Final

from paceline.deploy.gateway.account import counted, end_of_answer, settle
from paceline.deploy.gateway.answers import (
    LAST_CHUNK,
    Failure,
    answers,
    chunk,
    error_event,
    in_our_words,
    problem_answer,
    replayed_answer,
    reshaped,
    stream_head,
    whole_answer,
)
from paceline.deploy.gateway.ask import Ask, engine_body
from paceline.deploy.gateway.connection import ClientConnection
from paceline.deploy.gateway.fleet import Endpoint, Replica
from paceline.deploy.gateway.heads import Request
from paceline.deploy.gateway.idempotency import Answer
from paceline.deploy.gateway.limits import KeyMeter
from paceline.deploy.gateway.problems import Problem
from paceline.deploy.gateway.routes import Route
from paceline.deploy.gateway.served import Served
from paceline.deploy.gateway.settings import GatewaySettings
from paceline.deploy.gateway.spool import OK, Spool
from paceline.deploy.gateway.sse import Counts, EventFilter, counts_in
from paceline.deploy.gateway.trace_context import for_engine
from paceline.deploy.gateway.upstream import UpstreamConnection
from paceline.records.gateway import Ended

CLIENT_CLOSED: Final = 499
"""The status of a request whose client left, as nginx has it; nobody receives it."""
MOST_ATTEMPTS: Final = 3
AFTER_DONE_S: Final = 1.0
"""An engine that said [DONE] may take so long to end the body."""
KEEP_ALIVE_COMMENT: Final = b": keep-alive\n\n"
NS_PER_US: Final = 1_000


class Dispatch(ABC):
    """Who finds replicas for exchanges."""

    def __init__(self, settings: GatewaySettings, spool: Spool) -> None:
        self.settings = settings
        self.spool = spool

    @abstractmethod
    def again(self, exchange: "Exchange") -> bool:
        """Give it to a replica that it was not given to yet; `False` when there is none."""

    @abstractmethod
    def connect(self, exchange: "Exchange", replica: Replica) -> None:
        """Open a connection for it; it hears by `connected` or `cannot_connect`."""

    @abstractmethod
    def released(self, endpoint: Endpoint["Exchange"], replica: Replica) -> None:
        """A replica has room again."""

    @abstractmethod
    def ended(self, exchange: "Exchange") -> None:
        """It is over."""


class Exchange(Served):
    """One admitted request. `tried` are the replicas that failed it."""

    __slots__ = (
        "_arrived_s",
        "_attempts",
        "_chunked",
        "_closes",
        "_comment_s",
        "_deadline_s",
        "_dispatch",
        "_filter",
        "_head_sent",
        "_held",
        "_mark_ns",
        "_own_ns",
        "_paused",
        "_upstream",
        "endpoint",
        "finished",
        "on_answer",
        "queue_of",
        "queued_at_s",
        "tried",
    )

    def __init__(  # noqa: PLR0917 - by keyword it takes 2 % more instructions per answer
        self,
        dispatch: Dispatch,
        client: ClientConnection,
        request: Request,
        request_id: bytes,
        route: Route,
        ask: Ask,
        endpoint: Endpoint["Exchange"],
        meter: KeyMeter | None,
        now_s: float,
    ) -> None:
        super().__init__(client, request, request_id, route, ask, endpoint.route, meter, now_s)
        self._dispatch = dispatch
        self.endpoint = endpoint
        self.queue_of = meter.rule.key_id if meter is not None else ""
        self.queued_at_s = self._arrived_s = self._comment_s = now_s
        self.tried: tuple[str, ...] = ()
        self.finished = False
        self.on_answer: Callable[[Answer], None] | None = None
        self._upstream: UpstreamConnection | None = None
        self._attempts = 0
        self._filter: EventFilter | None = None
        self._chunked = not request.head.http_1_0
        self._head_sent = self._paused = self._closes = False
        self._held = b""
        self._deadline_s: float | None = None
        self._mark_ns = request.began_ns
        self._own_ns = 0
        client.when_gone = self._client_gone

    # Called by the dispatcher.

    def waits(self) -> None:
        """It is put into the queue, or a connection is made: time that is not the gateway's."""
        self._own_ns += perf_counter_ns() - self._mark_ns

    def goes_on(self) -> None:
        """The wait is over."""
        self._mark_ns = perf_counter_ns()

    def give_to(self, replica: Replica, now_s: float, oldest_idle_s: float) -> None:
        """Send it to this replica, which has room."""
        self.replica = replica
        replica.take()
        self._attempts += 1
        self.started_s = now_s
        endpoint = self.endpoint
        patience_s = endpoint.first_byte_timeout_s if self.ask.stream else endpoint.answer_timeout_s
        self._deadline_s = now_s + patience_s
        self._dispatch.spool.began(self)
        upstream = replica.pool.idle(oldest_idle_s)
        if upstream is None:
            self.waits()
            self._dispatch.connect(self, replica)
        else:
            self._send(upstream, replica)

    def connected(self, upstream: UpstreamConnection, replica: Replica) -> None:
        """The connection that it waited for."""
        if self.finished or self.replica is not replica:
            upstream.reusable = True
            replica.pool.give_back(upstream)
            return
        self.goes_on()
        self._send(upstream, replica)

    def cannot_connect(self, replica: Replica, reason: str) -> None:
        """There will be no connection."""
        if not self.finished and self.replica is replica:
            self.goes_on()
            self._failed(Failure(status=502, reason=reason))

    def refuse(self, problem: Problem) -> None:
        """End it without a replica."""
        ended = Ended.FAILED if self._attempts else Ended.REFUSED
        close = self.client.closes_after(self.request)
        data = problem_answer(problem, self, close=close)
        self._finish(problem.status, ended, Counts(0, 0))
        self._leave_with(data, close=close, keep=True)
        self._tell(problem.status, b"application/json", problem.body(), problem.retry_after())

    def replay(self, answer: Answer) -> None:
        """Answer what another request was answered, at no charge."""
        close = self.client.closes_after(self.request)
        data, ended = replayed_answer(answer, self, close=close), end_of_answer(answer.status)
        self._finish(answer.status, ended, Counts(0, 0))
        self._leave_with(data, close=close, keep=True)

    def look(self, now_s: float) -> None:
        """Called every now and then: time-outs, and comments that keep a stream alive."""
        if self._deadline_s is None or self._paused:
            return
        if now_s < self._deadline_s:
            self._comment_if_silent(now_s)
        elif self._filter is not None and self._filter.done:
            self._end_stream(OK, self._held)
        else:
            self._timed_out(now_s)

    # Called by the connection to the replica.

    def progressed(self, upstream: UpstreamConnection) -> None:
        """Bytes of the answer came."""
        replica = self.replica
        if replica is None:
            return
        replica.last_byte_s = now_s = monotonic()
        self._deadline_s = now_s + self.endpoint.idle_timeout_s
        if self._filter is not None:
            self._pass_on(upstream, self._filter)
            return
        self._mark_ns = perf_counter_ns()
        if self.ask.stream and upstream.streams:
            self._filter = EventFilter(
                wants_usage=self.ask.wants_usage, names=replica.names(self.ask.model)
            )
            self._pass_on(upstream, self._filter)
        elif upstream.complete:
            self._whole(upstream, replica)
        elif upstream.size > self._dispatch.settings.max_answer_bytes:
            self._failed(Failure(status=502, reason="its answer is larger than is allowed"))

    def streamed(self, upstream: UpstreamConnection, piece: bytes) -> None:
        """A piece that came by itself, as nearly every event does."""
        replica, events = self.replica, self._filter
        if replica is None or events is None or not self._head_sent or events.done:
            upstream.add(piece)
            self.progressed(upstream)
            return
        replica.last_byte_s = now_s = monotonic()
        self._deadline_s = now_s + self.endpoint.idle_timeout_s
        data = events.feed(piece)
        if events.bad or events.done:
            self._ends(upstream, events, data)
        elif data:
            self.client.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def broke(self, upstream: UpstreamConnection, reason: str) -> None:
        """The connection ended before the answer did."""
        self._upstream, replica = None, self.replica
        if upstream.left and replica is not None:
            # Once more and uncounted, over a new connection, which nobody can have left before.
            replica.pool.close_idle()  # the others were left at the same time
            self._dispatch.connect(self, replica)
            return
        self.goes_on()
        self._failed(Failure(status=502, reason=reason))

    # Called by the connection to the client.

    def _client_gone(self) -> None:
        if self.finished:
            return
        counts = Counts(0, 0)
        if self.replica is None:
            self.endpoint.queue.remove(self)
        else:
            counts = counted(self.endpoint, self.ask, self._filter)
        self._finish(CLIENT_CLOSED, Ended.ABORTED, counts)
        self._let_go(keep=False)
        self._tell(CLIENT_CLOSED, b"", b"")

    def _client_writable(self, writable: bool) -> None:
        upstream = self._upstream
        if upstream is None or upstream.lost or self._filter is None:
            return
        self._paused = not writable
        if writable:
            self._deadline_s = monotonic() + self.endpoint.idle_timeout_s
            upstream.transport.resume_reading()
        else:
            upstream.transport.pause_reading()

    # Below: how it goes on.

    def _send(self, upstream: UpstreamConnection, replica: Replica) -> None:
        self._upstream = upstream
        body = engine_body(self.ask, replica.model_name)
        trace = b""
        if self.trace_parent is not None:
            trace = b"traceparent: %b\r\n" % for_engine(self.trace_parent, self.request_id)
        upstream.ask(
            self,
            b"%b%d\r\nx-request-id: %b\r\n%b\r\n%b"
            % (replica.request_head(self.route.path), len(body), self.request_id, trace, body),
        )
        self._own_ns += perf_counter_ns() - self._mark_ns

    def _pass_on(self, upstream: UpstreamConnection, events: EventFilter) -> None:
        data = events.feed(upstream.take())
        if events.bad or events.done or upstream.complete:
            self._ends(upstream, events, data)
        elif data:
            self._pass_events(data)

    def _ends(self, upstream: UpstreamConnection, events: EventFilter, data: bytes) -> None:
        """The last events came, well or not."""
        if events.bad:
            self._pass_events(self._held + data)
            self._failed(Failure(status=502, reason="it sent an event that is none"))
        elif events.done:
            self._held += data
            if upstream.complete:
                self._end_stream(OK, self._held)
            else:
                self._deadline_s = monotonic() + AFTER_DONE_S
        else:
            self._pass_events(data)
            self._failed(Failure(status=502, reason="it ended the stream without [DONE]"))

    def _pass_events(self, data: bytes) -> None:
        if not data:
            return
        if self._chunked:
            data = chunk(data)
        if self._head_sent:
            self.client.send(data)
            return
        self._begin_stream(data)

    def _begin_stream(self, data: bytes) -> None:
        replica = self.replica
        if replica is None:
            return
        self._head_sent = True
        self.client.when_writable = self._client_writable
        self.ttft_s = monotonic() - self._arrived_s
        self.endpoint.tally.first_byte(replica.route.version, self.ttft_s)
        self.client.send(stream_head(self, replica, self._overhead_us()) + data)

    def _end_stream(self, ended: Ended, last: bytes) -> None:
        """The last bytes, after the account is written."""
        events, replica = self._filter, self.replica
        if events is None or replica is None:
            return
        counts = events.counts
        if ended is OK:
            if counts is not None:
                self.endpoint.ratios.learn_output(events.events, counts.output_tokens)
            replica.breaker.succeeded()
        self._finish(200, ended, counts or counted(self.endpoint, self.ask, self._filter))
        if not self._head_sent:
            self._begin_stream(b"")
        if self._chunked:
            last = (chunk(last) if last else b"") + LAST_CHUNK
        close = not self._chunked or self.client.closes_after(self.request)
        self._leave_with(last, close=close, keep=ended is OK)

    def _whole(self, upstream: UpstreamConnection, replica: Replica) -> None:
        status, body = upstream.status or 0, upstream.take()
        if not answers(status):
            self._upstream = None
            replica.pool.give_back(upstream)
            self._failed(Failure.of_answer(status, body))
            return
        replica.breaker.succeeded()
        counts = counts_in(body) or Counts(0, 0)
        content_type = upstream.content_type
        if status < 300:  # noqa: PLR2004 - an answer
            body = in_our_words(body, self, replica, self._dispatch.settings)
        else:
            body, content_type = reshaped(status, body), b"application/json"
        close = self.client.closes_after(self.request)
        head = whole_answer(
            self,
            replica,
            status=status,
            content_type=content_type,
            body_bytes=len(body),
            overhead_us=self._overhead_us(),
            close=close,
        )
        self._finish(status, end_of_answer(status), counts)
        self._leave_with(head + body, close=close, keep=True)
        self._tell(status, content_type, body)

    def _leave_with(self, last: bytes, *, close: bool, keep: bool) -> None:
        """Send the end, after the account is written."""
        self._held, self._closes = last, close
        self._let_go(keep=keep)
        self._dispatch.spool.when_written(self._leave)

    def _leave(self) -> None:
        self.client.done(self.request, self._held, close=self._closes)

    def _failed(self, failure: Failure) -> None:
        """The replica did not answer: another one, if the client has seen nothing yet."""
        replica = self.replica
        if replica is None:
            return
        now_s = monotonic()
        if failure.replica_to_blame:
            self.endpoint.failed(replica, now_s)
        self.tried = (*self.tried, replica.replica_id)
        if self._head_sent:  # say in the stream that there will be no more
            self._end_stream(Ended.FAILED, error_event(failure.problem()))
            return
        self._filter, self._held, self._deadline_s = None, b"", None
        if self._upstream is not None:
            self._upstream.drop()
            self._upstream = None
        self.replica, self.failed_version = None, replica.route.version
        replica.in_flight -= 1
        self._dispatch.released(self.endpoint, replica)
        may_retry = failure.may_retry and self._attempts < MOST_ATTEMPTS
        if may_retry and self._dispatch.again(self):
            self.endpoint.tally.retries += 1
            return
        self.refuse(failure.problem())

    def _timed_out(self, now_s: float) -> None:
        replica = self.replica
        if replica is None:
            return
        waited_s, silent_s = now_s - self.started_s, now_s - replica.last_byte_s
        # Bytes of other answers say that it is busy; a dead one sends none. Of an answer that comes
        # whole none were due, so one that is alone may be slow, and others speak for all its time.
        if self.ask.stream or (self._upstream is not None and self._upstream.size):
            busy = silent_s < self.endpoint.idle_timeout_s and replica.in_flight > 1
        else:
            busy = silent_s < waited_s or replica.in_flight == 1
        reason = f"nothing came from it in {waited_s:.0f} s"
        self.goes_on()
        self._failed(Failure(status=504, reason=reason, replica_to_blame=not busy, may_retry=False))

    def _comment_if_silent(self, now_s: float) -> None:
        silent_s = self._dispatch.settings.sse_keep_alive_s
        if not self._head_sent or self._deadline_s is None:
            return
        last_s = max(self._deadline_s - self.endpoint.idle_timeout_s, self._comment_s)
        if now_s - last_s >= silent_s:
            self._comment_s = now_s
            self.client.send(chunk(KEEP_ALIVE_COMMENT) if self._chunked else KEEP_ALIVE_COMMENT)

    def _finish(self, status: int, ended: Ended, counts: Counts) -> None:
        self.finished = True
        spool = self._dispatch.spool
        settle(self, self.endpoint, spool, status=status, ended=ended, counts=counts)

    def _let_go(self, *, keep: bool) -> None:
        """Give the replica back; its connection too if it may be kept."""
        upstream, replica = self._upstream, self.replica
        self._upstream = None
        self._dispatch.ended(self)
        if replica is None:
            return
        if upstream is not None:
            if keep and upstream.complete:
                replica.pool.give_back(upstream)
            else:
                upstream.drop()
        replica.in_flight -= 1
        self._dispatch.released(self.endpoint, replica)

    def _overhead_us(self) -> int:
        own_ns = self._own_ns + perf_counter_ns() - self._mark_ns
        self.endpoint.tally.overhead.add(own_ns / 1e9)
        return own_ns // NS_PER_US

    def _tell(
        self, status: int, content_type: bytes, body: bytes, retry_after: int | None = None
    ) -> None:
        if self.on_answer is not None:
            self.on_answer(
                Answer(status=status, content_type=content_type, body=body, retry_after=retry_after)
            )
