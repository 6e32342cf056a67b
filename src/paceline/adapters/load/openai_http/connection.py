"""One keep-alive connection: a non-blocking socket, TLS where asked, HTTP framing by httptools.

Reading is in two steps. `receive` takes bytes off the socket with the time at which the kernel got
them and does nothing else; `feed` parses them later, when no socket waits. So the time of a byte
never depends on what the client was busy with.
"""

import errno
import os
import resource
import select
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final

import httptools

from paceline.adapters.load.openai_http.answer import Answer
from paceline.adapters.load.openai_http.endpoint import Endpoint
from paceline.errors import Code, SetupError

READ_BYTES: Final = 256 * 1024
SO_TIMESTAMPNS: Final = 35  # Linux; the socket module does not name it
_STAMP: Final = struct.Struct("qq")
_STAMP_SPACE: Final = socket.CMSG_SPACE(_STAMP.size)
_NS_PER_S: Final = 1_000_000_000
READABLE: Final = select.EPOLLIN | select.EPOLLRDHUP
WRITABLE: Final = READABLE | select.EPOLLOUT

NO_TLS: Final = "TLS: "
"""What the reason begins with when there was no agreement on a secure connection."""


class Broken(Exception):
    """The connection cannot go on; the text says why."""


class Connection:
    """Carries one request at a time. `answer` is the one being received, `None` when idle.

    `served` counts complete answers; `framed` tells whether the answer says where it ends (else
    the end of the connection does). `finished` is called when an answer is complete.
    """

    __slots__ = (
        "_connect_error",
        "_finished",
        "_outbox",
        "_parser",
        "_sock",
        "_tls",
        "answer",
        "at_s",
        "content_type",
        "fd",
        "framed",
        "got_bytes",
        "ready",
        "served",
    )

    def __init__(
        self,
        sock: socket.socket,
        *,
        tls: "_TlsPipe | None" = None,
        connect_error: int = 0,
        finished: Callable[["Connection"], None],
    ) -> None:
        self._sock = sock
        self._tls = tls
        self._connect_error = connect_error
        self._outbox = b""
        self._finished: Callable[[Connection], None] | None = finished
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.fd = sock.fileno()
        self.answer: Answer | None = None
        self.at_s = 0.0
        self.content_type = b""
        self.framed = False
        self.got_bytes = False
        self.ready = False
        self.served = 0

    @property
    def wants_write(self) -> bool:
        """Whether the loop should wait for room in the socket's buffer."""
        return bool(self._outbox) or not self.ready

    @property
    def keeps_alive(self) -> bool:
        """Whether the server will take another request here."""
        return self._parser is not None and bool(self._parser.should_keep_alive())

    def advance(self) -> None:
        """The socket became writable: finish connecting, or write what is left."""
        error = self._connect_error or self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise Broken(os.strerror(error))
        if self._tls and not self._tls.open:
            self._write(self._tls.handshake())
            self.ready = self._tls.open
        else:
            self.ready = True
        if self._outbox:
            pending, self._outbox = self._outbox, b""
            self._write(pending)

    def send(self, request: bytes, answer: Answer) -> None:
        """Write a request; what does not fit now goes out as the loop finds room."""
        self.answer = answer
        self.got_bytes = False
        self._write(self._tls.encrypt(request) if self._tls else request)

    def receive(self) -> tuple[int | None, bytes]:
        """Bytes with the kernel's time for them (ns, CLOCK_REALTIME); no bytes at the end."""
        data, ancillary, _, _ = self._sock.recvmsg(READ_BYTES, _STAMP_SPACE)
        if ancillary:
            seconds, nanoseconds = _STAMP.unpack(ancillary[0][2])
            return seconds * _NS_PER_S + nanoseconds, data
        return None, data

    def feed(self, data: bytes, at_s: float) -> None:
        """Parse bytes that were received at `at_s`. Raises Broken when they are no HTTP."""
        self.at_s = at_s
        if self._tls:
            data = self._decrypt(self._tls, data)
            if not data:
                return
        if self.answer is None or self._parser is None:
            raise Broken(f"bytes that nobody asked for: {data[:60]!r}")
        self.got_bytes = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise Broken(f"not HTTP: {error}: {data[:60]!r}") from error

    def close(self) -> None:
        """Close, and break the cycle with the parser: there is no garbage collection in a run."""
        self._parser = None
        self._finished = None
        self.answer = None
        self._sock.close()

    # Called by httptools while it parses.

    def on_message_begin(self) -> None:
        self.content_type = b""
        self.framed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"content-type":
                self.content_type = value.lower()
            case b"content-length" | b"transfer-encoding":
                self.framed = True

    def on_headers_complete(self) -> None:
        if self.answer is not None and self._parser is not None:
            self.answer.begin(self._parser.get_status_code(), self.content_type)

    def on_body(self, body: bytes) -> None:
        if self.answer is not None:
            self.answer.feed(body, self.at_s)

    def on_message_complete(self) -> None:
        if self._finished is not None:
            self.served += 1
            self._finished(self)

    def _decrypt(self, tls: "_TlsPipe", data: bytes) -> bytes:
        try:
            tls.take(data)
            if not self.ready:
                self._write(tls.handshake())
                self.ready = tls.open
            return tls.plain() if self.ready else b""
        except ssl.SSLCertVerificationError as error:
            raise Broken(f"{NO_TLS}{error.reason}, {error.verify_message}") from error
        except ssl.SSLError as error:
            raise Broken(f"{NO_TLS}{error.reason or error}") from error

    def _write(self, data: bytes) -> None:
        if self._outbox:
            self._outbox += data
            return
        try:
            sent = self._sock.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Broken(str(error)) from error
        self._outbox = data[sent:]


def dial(
    endpoint: Endpoint,
    *,
    tls: ssl.SSLContext | None,
    finished: Callable[[Connection], None],
) -> Connection:
    """A connection that is being made. Raises SetupError when no more sockets are allowed."""
    try:
        sock = socket.socket(endpoint.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise SetupError(
            Code.TOO_MANY_FILES,
            "no more connections can be opened",
            why=f"{error.strerror}; the limit of open files is"
            f" {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}",
            fix="raise it with `ulimit -n`, or lower --concurrency or --max-in-flight",
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    error_number = sock.connect_ex(endpoint.address)
    return Connection(
        sock,
        tls=_TlsPipe(tls, endpoint.host) if tls else None,
        connect_error=0 if error_number == errno.EINPROGRESS else error_number,
        finished=finished,
    )


class _TlsPipe:
    """TLS over memory buffers, so that the socket below keeps its kernel time stamps."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._in, self._out, server_hostname=host)
        self.open = False

    def handshake(self) -> bytes:
        """Go on with the handshake; the bytes to send to the peer."""
        try:
            self._ssl.do_handshake()
            self.open = True
        except ssl.SSLWantReadError:
            pass
        return self._out.read()

    def encrypt(self, plain: bytes) -> bytes:
        self._ssl.write(plain)
        return self._out.read()

    def take(self, data: bytes) -> None:
        self._in.write(data)

    def plain(self) -> bytes:
        """All that can be decrypted by now."""
        parts: list[bytes] = []
        while True:
            try:
                part = self._ssl.read(READ_BYTES)
            except ssl.SSLWantReadError:
                return b"".join(parts)
            if not part:
                return b"".join(parts)
            parts.append(part)
