"""HTTP/1.1 on asyncio, as far as an engine behind a gateway needs it.

One request at a time per connection, keep-alive, chunked answers. Written on llhttp because a web
framework costs more per streamed token than the relay itself (docs/log.md holds the figures).
Not covered: TLS, pipelining (answered, then closed), idle time-outs: the caller is our gateway or
load client on the same machine or network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

import httptools

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
# A client this far behind does not read at all; its tokens must not pile up in our memory.
MAX_UNREAD_BYTES: Final = 4 * 1024 * 1024

JSON_TYPE: Final = "application/json"
EVENTS_TYPE: Final = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request, whole."""

    method: str
    path: str
    body: bytes


class Reply:
    """The one answer to one request: either `send`, or `start`, `write`… and `end`."""

    def __init__(self, transport: asyncio.Transport, *, keep_alive: bool) -> None:
        self._transport = transport
        self._keep_alive = keep_alive
        self._on_done: Callable[[bool], None] | None = None
        self.on_gone: Callable[[], None] | None = None
        self.done = False

    def send(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str = JSON_TYPE,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer at once, with a length."""
        extra = {"content-length": str(len(body)), **(headers or {})}
        self._transport.write(self._head(status, content_type, extra) + body)
        self._finish()

    def start(self) -> None:
        """Open a stream of server-sent events."""
        extra = {"transfer-encoding": "chunked", "cache-control": "no-cache"}
        self._transport.write(self._head(HTTPStatus.OK, EVENTS_TYPE, extra))

    def write(self, data: bytes) -> None:
        """Send one piece of the stream; a client that stopped reading is cut off."""
        if self._transport.is_closing():
            return
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._transport.abort()

    def end(self) -> None:
        """Close the stream."""
        if not self._transport.is_closing():
            self._transport.write(b"0\r\n\r\n")
        self._finish()

    def lost(self) -> None:
        """The client went away before the answer was complete."""
        if not self.done:
            self.done = True
            if self.on_gone is not None:
                self.on_gone()

    def when_done(self, callback: Callable[[bool], None]) -> None:
        """Call back once when complete, with whether the connection stays open."""
        self._on_done = callback

    def _head(self, status: int, content_type: str, extra: Mapping[str, str]) -> bytes:
        lines = [
            f"HTTP/1.1 {int(status)} {HTTPStatus(status).phrase}",
            f"content-type: {content_type}",
            f"connection: {'keep-alive' if self._keep_alive else 'close'}",
            *(f"{name}: {value}" for name, value in extra.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _finish(self) -> None:
        if not self.done:
            self.done = True
            if self._on_done is not None:
                self._on_done(self._keep_alive)


Handler = Callable[[HttpRequest, Reply], None]


class HttpProtocol(asyncio.Protocol):
    """Parses requests on one connection and hands each to the handler."""

    def __init__(self, handler: Handler, open_connections: set[HttpProtocol]) -> None:
        self._handler = handler
        self._open = open_connections
        self._parser = httptools.HttpRequestParser(self)
        self._reply: Reply | None = None
        self._close_after = False
        self._reset()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave like asyncio.Transport without deriving from it.
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        if self._reply is not None:
            self._reply.lost()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._transport.is_closing():
                self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if self._in_head:  # still: the parser sets no limit of its own
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def close_when_idle(self) -> None:
        """Close now if no answer is under way, else right after it."""
        self._close_after = True
        if self._reply is None:
            self._transport.close()

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._reset()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_headers_complete(self) -> None:
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def on_message_complete(self) -> None:
        if self._transport.is_closing():
            return
        if self._reply is not None:  # pipelined: finish the one under way, then close
            self._close_after = True
            return
        keep_alive = bool(self._parser.should_keep_alive()) and not self._close_after
        request = HttpRequest(
            method=self._parser.get_method().decode("latin-1"),
            path=self._url.decode("latin-1").partition("?")[0],
            body=bytes(self._body),
        )
        self._reply = Reply(self._transport, keep_alive=keep_alive)
        self._reply.when_done(self._answered)
        self._handler(request, self._reply)

    def _answered(self, keep_alive: bool) -> None:
        self._reply = None
        if self._close_after or not keep_alive:
            self._transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        if self._reply is None:
            line = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            self._transport.write(f"{line}connection: close\r\ncontent-length: 0\r\n\r\n".encode())
        self._transport.close()

    def _reset(self) -> None:
        self._url = b""
        self._body = bytearray()
        self._in_head = True
        self._head_bytes = 0
