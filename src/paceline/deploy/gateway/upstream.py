"""Connections to one replica: parsing its answers, and keeping idle connections for the next.

It knows HTTP and time-outs of connecting, nothing of what is asked or answered.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import httptools

from paceline.deploy.gateway.heads import KnownHead, known_head
from paceline.deploy.gateway.sockets import Sockets
from paceline.deploy.gateway.transport import Peer, Transport

EVENTS: Final = b"text/event-stream"
MOST_SIZE_DIGITS: Final = 10
"""Where the digits of a chunk's size must end."""


class _Surplus(Exception):
    """Out of the parser's callbacks: what follows was not asked for."""


class Consumer(ABC):
    """Whoever waits for the answer on a connection."""

    __slots__ = ()

    @abstractmethod
    def progressed(self, upstream: "UpstreamConnection") -> None:
        """Bytes came: look at `status`, `parts` and `complete`."""

    @abstractmethod
    def streamed(self, upstream: "UpstreamConnection", piece: bytes) -> None:
        """More of a body came, and nobody has to be asked for it: it is in no `parts`."""

    @abstractmethod
    def broke(self, upstream: "UpstreamConnection", reason: str) -> None:
        """The connection ended or spoke no HTTP before the answer was complete."""


class UpstreamConnection(Peer):
    """One connection to a replica, with at most one request on it.

    `parts` are the pieces of the body that nobody took yet, `size` is all there was of it;
    `status` is `None` until the header is complete. `used` says that it has been idle: then it
    may have been closed meanwhile, and a failure before the first byte says nothing of the
    replica. (Some engines close behind every stream without a word of it in its header.)
    """

    __slots__ = (
        "_between",
        "_chunk_ended",
        "_first",
        "_framed",
        "_known",
        "_length",
        "_parser",
        "complete",
        "consumer",
        "content_type",
        "idle_since_s",
        "lost",
        "on_lost",
        "parts",
        "reusable",
        "size",
        "status",
        "transport",
        "used",
    )

    def __init__(self) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self.transport: Transport
        self.consumer: Consumer | None = None
        self.on_lost: Callable[[UpstreamConnection], None] | None = None
        self.idle_since_s = 0.0
        self.size = 0
        self.used = self.reusable = self.complete = False
        self._framed = self.lost = False
        self._between, self._chunk_ended = True, False
        self._first = b""
        self._length: bytes | None = None
        self._known: KnownHead[bytes] | None = None
        self.status: int | None = None
        self.content_type = b""
        self.parts: list[bytes] = []

    @property
    def left(self) -> bool:
        """Whether no byte of the answer came, and the other end may have gone before the request.

        Then it may be sent again. An engine that died over the request looks the same, and a
        completion does no harm twice; on the new connection its end is its failure.
        """
        return self.used and self._between and self.status is None

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream of events."""
        return self.status == 200 and self.content_type.startswith(EVENTS)  # noqa: PLR2004

    def ask(self, consumer: Consumer, data: bytes) -> None:
        """Send a request; `consumer` hears of the answer."""
        self.consumer = consumer
        self.status = None
        self.content_type = b""
        self.size = 0
        self.complete = self._framed = self._chunk_ended = False
        self._length = None
        self.transport.write(data)

    def add(self, piece: bytes) -> None:
        """A piece of the body that is to be taken later."""
        self.size += len(piece)
        self.parts.append(piece)

    def take(self) -> bytes:
        """The body so far, once."""
        parts = self.parts
        if len(parts) == 1:
            data = parts[0]
            parts.clear()
            return data
        data = b"".join(parts)
        parts.clear()
        return data

    def drop(self) -> None:
        """Close now; nobody hears of it."""
        self.consumer = None
        self.transport.abort()

    # Called by the transport.

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        consumer = self.consumer
        if consumer is None:
            self.transport.abort()  # an answer that nobody asked for
            return
        if self._chunk_ended:
            # One whole chunk behind another, as most of a stream is; the last one has no bytes.
            at = data.find(b"\r\n", 1, MOST_SIZE_DIGITS) + 2
            size = len(data) - at - 2
            if size > 0 and data.startswith(b"%x\r\n" % size) and data.endswith(b"\r\n"):
                consumer.streamed(self, data[at:-2])
                return
        elif self._known is not None and self._between and self._take_whole(data, self._known):
            consumer.progressed(self)
            return
        self._parse(data, consumer)

    def pause_writing(self) -> None:
        """One request at a time is small beside what a transport holds."""

    def resume_writing(self) -> None:
        """As above."""

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._parser = None  # it holds our methods: without this only a collection frees us
        consumer, self.consumer = self.consumer, None
        if self.on_lost is not None:
            self.on_lost(self)
        if consumer is None:
            return
        if self.status is not None and not self._framed and error is None:
            self.complete, self.reusable = True, False  # the end of the connection is its end
            consumer.progressed(self)
        else:
            consumer.broke(self, f"it closed the connection{f': {error}' if error else ''}")

    def _take_whole(self, data: bytes, known: KnownHead[bytes]) -> bool:
        """A whole answer that begins like the last one."""
        body = known.whole_body(data)
        if body is None:
            return False
        self.status, self.content_type = 200, known.meaning
        self.parts.append(body)
        self.complete = self.reusable = self._framed = True
        return True

    def _parse(self, data: bytes, consumer: Consumer) -> None:
        if self._between:
            self._first = data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            if not self.complete:
                raise  # a bug of ours, not of the engine
            self.reusable = False  # there is an answer behind the one that was asked for
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.consumer = None
            self.transport.abort()
            consumer.broke(self, f"it does not speak HTTP: {error}")
            return
        self._first = b""
        if not data.endswith(b"\r\n"):
            self._chunk_ended = False  # there may be a part of the next chunk's size
        if self.parts or self.complete:
            consumer.progressed(self)

    # Called by httptools while it parses.

    def on_message_begin(self) -> None:
        if self.complete:
            raise _Surplus
        self._between = False

    def on_chunk_header(self) -> None:
        self._chunk_ended = False

    def on_chunk_complete(self) -> None:
        self._chunk_ended = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status is not None:
            return  # a trailer
        name = name.lower()
        if name == b"content-type":
            self.content_type = value
        elif name == b"content-length":
            self._framed, self._length = True, value
        elif name == b"transfer-encoding":
            self._framed = True

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # noqa: PLR2004 - below are heads that an answer follows
            self.status = status
        if status == 200 and self._first:  # noqa: PLR2004 - with that, a length is a body's
            self._known = known_head(self._first, self._length, self.content_type)
        self._first = b""

    def on_body(self, data: bytes) -> None:
        self.add(data)

    def on_message_complete(self) -> None:
        self._chunk_ended = False
        if self.status is None:  # the answer itself is still to come
            self._framed, self._length, self.content_type = False, None, b""
            return
        self._between = self.complete = True
        self.reusable = self._parser.should_keep_alive()
        if not self.reusable:
            self._known = None


class Pool:
    """Idle connections to one address, the last used first."""

    __slots__ = ("_host", "_idle", "_open", "_port")

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()

    def idle(self, oldest_s: float) -> UpstreamConnection | None:
        """One that was used since then, if there is one."""
        while self._idle:
            upstream = self._idle.pop()
            if upstream.idle_since_s >= oldest_s:
                return upstream
            upstream.drop()
        return None

    async def connect(self, sockets: Sockets, timeout_s: float) -> UpstreamConnection:
        """A new one. Raises OSError, TimeoutError among them."""
        upstream = UpstreamConnection()
        async with asyncio.timeout(timeout_s):
            await sockets.connect(self._host, self._port, upstream)
        upstream.on_lost = self._lost
        self._open.add(upstream)
        return upstream

    def give_back(self, upstream: UpstreamConnection) -> None:
        """The answer is complete and taken; kept for the next request when the replica will."""
        upstream.consumer = None
        if upstream.lost:
            return
        if not upstream.reusable:
            upstream.drop()
            return
        upstream.used, upstream.idle_since_s = True, monotonic()
        self._idle.append(upstream)

    def close_idle(self, oldest_s: float = float("inf")) -> None:
        """Close idle connections that were last used before then; all of them by default."""
        for upstream in [one for one in self._idle if one.idle_since_s < oldest_s]:
            self._idle.remove(upstream)
            upstream.drop()

    def _lost(self, upstream: UpstreamConnection) -> None:
        self._open.discard(upstream)
        if upstream in self._idle:
            self._idle.remove(upstream)
