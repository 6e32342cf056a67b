"""One connection of a client, as the golden server sees it: requests in, bytes out."""

import socket
import struct
import time
from collections.abc import Callable

import httptools

from paceline.testing.golden_server.log import Entry

SO_TIMESTAMPNS = 35  # Linux
STAMP = struct.Struct("qq")
SPACE = socket.CMSG_SPACE(STAMP.size)
LINGER_NONE = struct.pack("ii", 1, 0)


class ClientSocket:
    """Parses requests and hands each one on with the kernel's time of its last byte."""

    def __init__(
        self, sock: socket.socket, handle: Callable[["ClientSocket", Entry, bytes, bytes], None]
    ) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._sock = sock
        self._handle = handle
        self._parser = httptools.HttpRequestParser(self)
        self._unsent = bytearray()
        self.fd = sock.fileno()
        self.open = True
        self._at_ns = 0
        self._path = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()

    @property
    def authorization(self) -> str:
        return self._headers.get(b"authorization", b"").decode()

    def read(self) -> bool:
        """Take what came; `False` when the client has gone."""
        try:
            data, ancillary, _, _ = self._sock.recvmsg(262144, SPACE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        # The wall clock first: held up between the two, we name a time too late, never one at
        # which the client had not even sent it.
        wall_ns, now_ns = time.time_ns(), time.monotonic_ns()
        if ancillary:
            seconds, rest = STAMP.unpack(ancillary[0][2])
            age_ns = wall_ns - (seconds * 1_000_000_000 + rest)
            now_ns -= min(max(age_ns, 0), 1_000_000_000)
        self._at_ns = now_ns
        if not data:
            return False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            return False
        return True

    def send(self, data: bytes) -> int:
        """Hand bytes to the kernel now; the time just before, in ns."""
        at_ns = time.monotonic_ns()
        if self._unsent:
            self._unsent += data
            self.flush()
            return at_ns
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.open = False
            return at_ns
        if sent < len(data):
            self._unsent += data[sent:]
        return at_ns

    def flush(self) -> bool:
        """Send what did not fit before; `True` when nothing is left to send to this client."""
        if not self._unsent:
            return True  # sending nothing to a client that has gone is an error all the same
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            return False
        except OSError:
            self.open = False
            return True
        del self._unsent[:sent]
        return not self._unsent

    def close(self, *, reset: bool = False) -> None:
        self.open = False
        if reset:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        self._sock.close()

    # Called by httptools while it parses.

    def on_message_begin(self) -> None:
        self._path, self._headers = b"", {}
        self._body.clear()

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        entry = Entry(
            request_id=self._headers.get(b"x-request-id", b"").decode(),
            path=self._path.decode(),
            received_ns=self._at_ns,
        )
        self._handle(self, entry, self._parser.get_method(), bytes(self._body))
