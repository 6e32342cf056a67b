"""A client's connection: framing, hardening, deadlines and keep-alive; it knows no model or key.

llhttp (in httptools) is strict: it refuses bare line feeds, folded headers, both or several
lengths, and malformed chunks. What it lets pass and we do not is refused here.
"""

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from time import monotonic, perf_counter_ns
from typing import Any, Final

import httptools

from paceline.deploy.gateway.heads import Head, KnownHead, Request, known_head
from paceline.deploy.gateway.problems import Problem, closing_answer, malformed
from paceline.deploy.gateway.settings import GatewaySettings
from paceline.deploy.gateway.transport import Peer, Transport

LINGER_S: Final = 2.0
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
ONCE: Final = frozenset(
    (
        b"host content-length transfer-encoding content-type content-encoding authorization expect "
        b"idempotency-key x-request-id connection te upgrade"
    ).split()
)
"""Headers that mean something to somebody on the way, so that two of them are refused."""


VERSIONS: Final = ("1.1", "1.0")
RARE: Final = frozenset((b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"))


class Phase(Enum):
    """What a connection waits for: the client in all but `BUSY`."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    BUSY = auto()
    STALLED = auto()
    """The client does not take what is written."""
    LINGER = auto()


class Listener(ABC):
    """What a connection hands its requests to."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.connections: set[ClientConnection] = set()
        self.buffered_bytes = 0
        self.draining = False
        self.id_prefix = b"req_" + os.urandom(6).hex().encode()
        self._made = 0

    def made_id(self) -> bytes:
        """For a request that brought none."""
        self._made += 1
        return b"%b%d" % (self.id_prefix, self._made)

    @abstractmethod
    def handle(self, client: "ClientConnection", request: Request) -> None:
        """Answer it now or later, by `send` and `done`."""


class _Refused(Exception):
    """Out of the parser's callbacks; the reason is in the connection."""


class ClientConnection(Peer):
    """One socket. Requests are handled one after the other, in the order they came."""

    __slots__ = (
        "_answered",
        "_between",
        "_body",
        "_body_bytes",
        "_body_left",
        "_busy",
        "_first",
        "_head",
        "_head_bytes",
        "_head_done",
        "_headers",
        "_held_bytes",
        "_known",
        "_lingers",
        "_listener",
        "_parser",
        "_paused",
        "_pending",
        "_problem",
        "_read_ns",
        "_repeated",
        "_seen",
        "_seen_s",
        "_stalled",
        "_taken",
        "_target",
        "gone",
        "transport",
        "when_gone",
        "when_writable",
    )

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._parser: Any = httptools.HttpRequestParser(self)
        self._pending: deque[Request] = deque()
        self._problem: Problem | None = None
        self._headers: dict[bytes, bytes] = {}
        self._repeated: list[bytes] = []
        self._body: list[bytes] = []
        self._body_left = 0
        self._target = b""
        self._head: Head
        self._head_done = False
        self._known: KnownHead[Head] | None = None
        self._between = True
        self._first = b""
        self._head_bytes = self._body_bytes = self._answered = self._read_ns = 0
        self._held_bytes = 0
        self._busy = self._lingers = self._paused = self._stalled = self.gone = False
        self._seen: tuple[Phase, int] = (Phase.IDLE, 0)
        self._seen_s = monotonic()
        self._taken: int | None = None
        self.transport: Transport
        self.when_gone: Callable[[], None] | None = None
        self.when_writable: Callable[[bool], None] | None = None

    # Called by the transport.

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        listener = self._listener
        listener.connections.add(self)
        transport.hold_at_most(listener.settings.write_buffer_bytes)
        if len(listener.connections) > listener.settings.max_connections:
            limit = listener.settings.max_connections
            self._problem = Problem(
                status=503,
                code="too_many_connections",
                message=f"{limit} connections are open, which is the most.",
                retry_after_s=1,
            )
            self._refuse()

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True
        listener = self._listener
        listener.connections.discard(self)
        listener.buffered_bytes -= self._held_bytes
        self._pending.clear()
        when_gone, self.when_gone, self.when_writable = self.when_gone, None, None
        if when_gone is not None:
            when_gone()
        self._parser = None  # it holds our methods: without this only a collection frees us

    def data_received(self, data: bytes) -> None:
        self._read_ns = perf_counter_ns()
        if self._problem is not None:
            return  # refused already; what else comes is dropped until the close
        if self._body_left:
            data = self._more_body(data)
        elif self._known is not None and self._between:
            data = self._behind_known_head(data, self._known)
        if data:
            self._parse(data)
        if not self._busy:
            self._go_on()
        elif len(self._pending) >= self._listener.settings.max_pipelined:
            self.transport.pause_reading()
            self._paused = True

    def pause_writing(self) -> None:
        self._stalled = True
        if self.when_writable is not None:
            self.when_writable(False)

    def resume_writing(self) -> None:
        self._stalled = False
        if self.when_writable is not None:
            self.when_writable(True)

    # A head that came before, and the body behind it: bytes that need no parser.

    def _behind_known_head(self, data: bytes, known: KnownHead[Head]) -> bytes:
        """Take a request that begins like the last one; what is left for the parser."""
        most_bytes = self._listener.settings.max_body_bytes
        whole = known.whole_body(data)
        if whole and len(whole) <= most_bytes:  # in one piece, as nearly all come
            if self._holds(len(whole)):
                self._pending.append(Request(known.meaning, whole, self._read_ns))
            return b""
        body = known.begins(data)
        if body is None or body.size_bytes > most_bytes:
            return data
        self._head = known.meaning
        self._head_done = True
        self._body_left = body.size_bytes
        return self._more_body(data[body.at :])

    def _more_body(self, data: bytes) -> bytes:
        """Take the body as far as it has come; what is left for the parser."""
        left, rest = self._body_left, b""
        if len(data) > left:
            data, rest = data[:left], data[left:]
        self._body_left = left - len(data)
        try:
            if data:
                self.on_body(data)
            if not self._body_left:
                self._complete()
        except _Refused:
            return b""
        return rest

    def _parse(self, data: bytes) -> None:
        if self._between:
            self._first = data
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            if self._problem is None:
                raise  # a bug of ours, not of the client
        except httptools.HttpParserError as error:
            if self._problem is None:
                self._problem = malformed("malformed_request", f"This is no HTTP/1.1: {error}.")
        except httptools.HttpParserUpgrade:
            self._problem = malformed("upgrade_refused", "Only HTTP/1.1 is spoken here.")
        self._first = b""
        if not self._head_done and self._head_bytes > self._listener.settings.max_header_bytes:
            self._problem = self._problem or _headers_too_large(self._listener.settings)

    # Called by httptools while it parses.

    def on_message_begin(self) -> None:
        self._between = False

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:
            return  # a trailer
        name = name.lower()
        headers = self._headers
        if name in headers:
            self._repeated.append(name)
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        self._head_done = True
        settings = self._listener.settings
        problem = self._head_problem(settings)
        if problem is not None:
            self._problem = problem
            raise _Refused
        parser, headers = self._parser, self._headers
        http_1_0 = parser.get_http_version() == "1.0"
        length = headers.pop(b"content-length", None)
        self._head = Head(parser.get_method(), self._target, headers, http_1_0=http_1_0)
        if self._first and headers.keys().isdisjoint(RARE):
            self._known = known_head(self._first, length, self._head)
        self._first = b""  # what follows in these bytes does not begin them

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        settings = self._listener.settings
        if self._body_bytes > settings.max_body_bytes:
            self._problem = _body_too_large(settings)
            raise _Refused
        if not self._holds(len(data)):
            raise _Refused
        self._body.append(data)

    def _holds(self, size: int) -> bool:
        """Count bytes that are kept until their request is done; `False` for too many of all."""
        listener = self._listener
        self._held_bytes += size
        listener.buffered_bytes += size
        if listener.buffered_bytes <= listener.settings.max_buffered_bytes:
            return True
        self._problem = Problem(
            status=503,
            code="no_memory",
            message="Too many large requests are under way.",
            retry_after_s=1,
        )
        return False

    def on_message_complete(self) -> None:
        # Behind a last message the parser takes no other, so neither do we.
        self._between = self._head.keep_alive = self._parser.should_keep_alive()
        self._complete()

    def _complete(self) -> None:
        """A request is whole."""
        if len(self._pending) >= self._listener.settings.max_pipelined:
            self._problem = malformed("too_many_pipelined", "Wait for answers between requests.")
            raise _Refused
        body = self._body
        whole = body[0] if len(body) == 1 else b"".join(body)
        self._pending.append(Request(self._head, whole, self._read_ns))
        self._body_bytes = self._head_bytes = 0
        self._headers = {}
        self._repeated = []
        self._body = []
        self._target = b""
        self._head_done = False

    # Called by whoever answers.

    def closes_after(self, request: Request) -> bool:
        """Whether the answer to this request is the last one on this connection."""
        return (
            not request.head.keep_alive
            or request.head.http_1_0
            or self._listener.draining
            or self._answered + 1 >= self._listener.settings.max_requests_per_connection
        )

    def send(self, data: bytes) -> None:
        """Write, unless the client has gone."""
        if not self.gone:
            self.transport.write(data)

    def done(self, request: Request, last: bytes, *, close: bool) -> None:
        """Write what is left of the answer to the request, unless the client has gone."""
        if self.gone:
            return
        if last:
            self.transport.write(last)
        self.when_gone = self.when_writable = None
        self._busy = False
        self._answered += 1
        size = len(request.body)
        if size:
            self._held_bytes -= size
            self._listener.buffered_bytes -= size
        if close:
            self.transport.close()
            return
        if self._paused:
            self.transport.resume_reading()
            self._paused = False
        if self._pending or self._problem is not None:
            self._go_on()

    def look(self, now_s: float) -> None:
        """Called every now and then: end what has waited too long for the client.

        Phases are timed from the first look that finds them, so that reading costs no clock.
        """
        seen = (self._phase(), self._answered)
        if seen != self._seen or (seen[0] is Phase.STALLED and self._takes()):
            self._seen, self._seen_s = seen, now_s
            return
        settings, waited_s = self._listener.settings, now_s - self._seen_s
        match seen[0]:
            case Phase.IDLE if waited_s > settings.keep_alive_s:
                if self._takes():  # its last answer is still on the way
                    self._seen_s = now_s
                elif self.transport.is_closing():  # the client does not even take the rest
                    self.transport.abort()
                else:
                    self.transport.close()
            case Phase.HEAD if waited_s > settings.header_timeout_s:
                self._problem = _too_slow(f"No complete header in {waited_s:.0f} s.")
                self._refuse()
            case Phase.BODY if waited_s > _upload_s(settings, self._body_bytes):
                self._problem = _too_slow(f"{self._body_bytes} bytes of body in {waited_s:.0f} s.")
                self._refuse()
            case Phase.STALLED if waited_s > settings.client_stall_s:
                self.transport.abort()
            case Phase.LINGER if waited_s > LINGER_S:
                self.transport.abort()

    def close_if_idle(self) -> None:
        """The gateway ends: nothing more is expected on this connection."""
        if self._phase() is Phase.IDLE:
            self.transport.close()

    def _takes(self) -> bool:
        """Whether the client has taken more of what waits for it since this was asked."""
        before, self._taken = self._taken, self.transport.taken_bytes()
        return self._taken is not None and self._taken != before

    def _phase(self) -> "Phase":
        if self._stalled:
            return Phase.STALLED
        if self._lingers:
            return Phase.LINGER
        if self._busy:
            return Phase.BUSY
        if self._head_done:
            return Phase.BODY
        return Phase.HEAD if self._head_bytes else Phase.IDLE

    def _go_on(self) -> None:
        if self._pending:
            self._busy = True
            self._listener.handle(self, self._pending.popleft())
        elif self._problem is not None:
            self._refuse()

    def _refuse(self) -> None:
        """Say why, close our side, and drop what is still coming for a moment.

        Closing at once would reset the connection, and the client would not see the answer.
        """
        if self._problem is not None:
            self.send(closing_answer(self._problem, self._listener.made_id()))
        self._lingers = True
        self.transport.half_close()

    def _head_problem(self, settings: GatewaySettings) -> Problem | None:
        headers, repeated = self._headers, self._repeated
        if len(headers) + len(repeated) > settings.max_headers or (
            self._head_bytes > settings.max_header_bytes
            and sum(map(len, headers)) + sum(map(len, headers.values())) > settings.max_header_bytes
        ):
            return _headers_too_large(settings)
        if repeated:
            twice = next((name for name in repeated if name in ONCE), None)
            if twice is not None:
                return malformed("duplicate_header", f"Two headers {twice.decode()!r}.")
        return self._framing_problem(headers, settings)

    def _framing_problem(
        self, headers: dict[bytes, bytes], settings: GatewaySettings
    ) -> Problem | None:
        version = self._parser.get_http_version()
        http_1_0 = version == "1.0"
        if version not in VERSIONS:
            return malformed("bad_version", f"HTTP/1.1 is spoken here, not {version}.")
        if b"host" not in headers and not http_1_0:
            return malformed("host_required", "HTTP/1.1 requires a Host header.")
        if not self._target.startswith(b"/") or b"#" in self._target:
            return malformed("bad_target", "The request target must be a path.")
        length = headers.get(b"content-length")
        if length is not None and int(length) > settings.max_body_bytes:
            return _body_too_large(settings)
        if not headers.keys().isdisjoint(RARE):
            return self._rare_problem(headers, http_1_0=http_1_0)
        return None

    def _rare_problem(self, headers: dict[bytes, bytes], *, http_1_0: bool) -> Problem | None:
        coding = headers.get(b"transfer-encoding")
        if coding is not None and (http_1_0 or coding.lower() != b"chunked"):
            return malformed("bad_transfer_encoding", "The one transfer coding here is `chunked`.")
        if b"upgrade" in headers:
            return malformed("upgrade_refused", "This connection stays with HTTP/1.1.")
        if b"content-encoding" in headers:
            return malformed("bad_content_encoding", "Bodies are taken without content coding.")
        expect = headers.get(b"expect")
        if expect is not None and expect.lower() != b"100-continue":
            return malformed("bad_expectation", "The one expectation here is 100-continue.")
        if expect is not None and not self._busy and not http_1_0:
            self.send(CONTINUE)
        return None


def _headers_too_large(settings: GatewaySettings) -> Problem:
    return Problem(
        status=413,
        code="headers_too_large",
        message=(
            f"Headers may have {settings.max_header_bytes} bytes in {settings.max_headers} fields."
        ),
    )


def _body_too_large(settings: GatewaySettings) -> Problem:
    return Problem(
        status=413,
        code="body_too_large",
        message=f"A body may have {settings.max_body_bytes} bytes.",
    )


def _too_slow(message: str) -> Problem:
    return Problem(status=408, code="request_too_slow", message=message)


def _upload_s(settings: GatewaySettings, body_bytes: int) -> float:
    return settings.body_timeout_s + body_bytes / settings.slowest_upload_bytes_per_s
