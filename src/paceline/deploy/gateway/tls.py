"""TLS, which the event loop's own transports speak, for those who know our connections only."""

import asyncio
from typing import cast

from paceline.deploy.gateway.transport import Peer, Transport, taken_from


class TlsTransport(Transport):
    """A transport of the loop."""

    __slots__ = ("_loops",)

    def __init__(self, loops: asyncio.Transport) -> None:
        self._loops = loops

    def write(self, data: bytes) -> None:
        self._loops.write(data)

    def hold_at_most(self, high_bytes: int) -> None:
        self._loops.set_write_buffer_limits(high=high_bytes)

    def pause_reading(self) -> None:
        self._loops.pause_reading()

    def resume_reading(self) -> None:
        self._loops.resume_reading()

    def taken_bytes(self) -> int | None:
        sock = self._loops.get_extra_info("socket")  # none once the other end has left
        return None if sock is None else taken_from(sock)

    def is_closing(self) -> bool:
        return self._loops.is_closing()

    def half_close(self) -> None:
        if self._loops.can_write_eof():
            self._loops.write_eof()
        else:
            self._loops.close()

    def close(self) -> None:
        self._loops.close()

    def abort(self) -> None:
        self._loops.abort()


class TlsProtocol(asyncio.Protocol):
    """What the loop tells, told on."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._peer.connection_made(TlsTransport(cast("asyncio.Transport", transport)))

    def data_received(self, data: bytes) -> None:
        self._peer.data_received(data)

    def pause_writing(self) -> None:
        self._peer.pause_writing()

    def resume_writing(self) -> None:
        self._peer.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._peer.connection_lost(exc)
