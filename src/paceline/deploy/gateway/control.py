"""The supervisor's end of the control socket: tables down, pulses, wakes and metrics up.

Blocking, for one thread. `fileno` lets a selector wait for it. It does not start the gateway, and
it does not reconnect: when the gateway has gone, `GatewayGone` says so, and a new `connect` finds
the next one.
"""

import socket
import time
from collections import deque
from pathlib import Path
from types import TracebackType

from paceline.deploy.gateway.wire import METRICS_LINE, Said, read_said, table_line
from paceline.records.gateway import Pulse, Table, Wake
from paceline.records.serial import Malformed

READ_BYTES = 262_144


class GatewayGone(ConnectionError):
    """Nobody listens on the control socket, or the connection broke."""


class GatewayControl:
    """One connection to a running gateway."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._partial = bytearray()
        self._said: deque[Said] = deque()

    @classmethod
    def connect(cls, path: Path, *, timeout_s: float = 5.0) -> "GatewayControl":
        """Connect, trying again until the time-out. Raises GatewayGone."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(str(path))
            except OSError as error:
                sock.close()
                if time.monotonic() > deadline_s:
                    raise GatewayGone(f"no gateway at {path} after {timeout_s:g} s") from error
                time.sleep(0.02)
            else:
                return cls(sock)

    def fileno(self) -> int:
        """For a selector; `receive` may have more than one message once it is readable."""
        return self._sock.fileno()

    def send_table(self, table: Table, *, timeout_s: float = 5.0) -> None:
        """Serve by this from now on; in force when the next pulse carries its revision."""
        self._send(table_line(table), timeout_s)

    def receive(self, timeout_s: float) -> Pulse | Wake | None:
        """The next pulse or wake; `None` when none came in time. Raises GatewayGone."""
        deadline_s = time.monotonic() + timeout_s
        while (said := self._next(deadline_s)) is not None:
            if not isinstance(said, str):
                return said
        return None

    def metrics(self, *, timeout_s: float = 5.0) -> str:
        """The gateway's page for Prometheus. Raises GatewayGone, TimeoutError.

        Pulses and wakes that come meanwhile are kept for `receive`.
        """
        deadline_s = time.monotonic() + timeout_s
        self._send(METRICS_LINE, timeout_s)
        kept: list[Said] = []
        try:
            while (said := self._next(deadline_s)) is not None:
                if isinstance(said, str):
                    return said
                kept.append(said)
        finally:
            self._said.extendleft(reversed(kept))
        raise TimeoutError(f"the gateway sent no metrics in {timeout_s:g} s")

    def close(self) -> None:
        """Hang up; the gateway serves on."""
        self._sock.close()

    def __enter__(self) -> "GatewayControl":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, line: bytes, timeout_s: float) -> None:
        self._sock.settimeout(timeout_s)
        try:
            self._sock.sendall(line)
        except OSError as error:
            raise GatewayGone(f"the gateway has gone: {error}") from error

    def _next(self, deadline_s: float) -> Said | None:
        while not self._said:
            self._sock.settimeout(max(deadline_s - time.monotonic(), 0.000_001))
            try:
                data = self._sock.recv(READ_BYTES)
            except TimeoutError:
                return None
            except OSError as error:
                raise GatewayGone(f"the gateway has gone: {error}") from error
            if not data:
                raise GatewayGone("the gateway hung up")
            self._take(data)
        return self._said.popleft()

    def _take(self, data: bytes) -> None:
        self._partial += data
        *lines, rest = self._partial.split(b"\n")
        self._partial = bytearray(rest)
        for line in lines:
            try:
                self._said.append(read_said(bytes(line)))
            except Malformed as error:
                raise GatewayGone(f"the gateway said {bytes(line[:80])!r}: {error}") from error
