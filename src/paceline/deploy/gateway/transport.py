"""Both sides of a connection: the one that carries bytes, and the one that is told of them.

They are asyncio's two, without its base classes, which compiled code cannot build upon.
"""

import socket
import sys
from abc import ABC, abstractmethod
from typing import Final

TCP_INFO_BYTES: Final = 148
UNACKED_AT: Final = 24
ACKED_AT: Final = 120
NOT_SENT_AT: Final = 144
"""Where they are in `struct tcp_info` of linux/tcp.h (Linux 4.6)."""


class Transport(ABC):
    """Carries bytes to the other end, and tells a `Peer` what comes from there."""

    __slots__ = ()

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send; what the other end does not take at once is kept until it does."""

    @abstractmethod
    def hold_at_most(self, high_bytes: int) -> None:
        """With more than that kept, the peer is asked to pause."""

    @abstractmethod
    def pause_reading(self) -> None:
        """Take nothing from the other end for now."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Take what comes again."""

    @abstractmethod
    def taken_bytes(self) -> int | None:
        """How much the other end has taken in all; `None` when it has all that was written."""

    @abstractmethod
    def is_closing(self) -> bool:
        """Whether it is closed, or will be when what is kept has left."""

    @abstractmethod
    def half_close(self) -> None:
        """Send no more, and where the other end cannot be told so, close."""

    @abstractmethod
    def close(self) -> None:
        """Close when what is kept has left."""

    @abstractmethod
    def abort(self) -> None:
        """Close now."""


class Peer(ABC):
    """Is told what happens to a connection: first that it is there, last that it is lost."""

    __slots__ = ()

    @abstractmethod
    def connection_made(self, transport: Transport) -> None:
        """Once, before everything else."""

    @abstractmethod
    def data_received(self, data: bytes) -> None:
        """Some bytes came."""

    @abstractmethod
    def pause_writing(self) -> None:
        """The other end does not keep up."""

    @abstractmethod
    def resume_writing(self) -> None:
        """It does again."""

    @abstractmethod
    def connection_lost(self, error: Exception | None) -> None:
        """Once, after everything else; without an error it was closed."""


def taken_from(sock: socket.socket) -> int | None:
    """What the other end has acknowledged (bytes), while there is anything that it has not."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    except OSError:
        return None  # it has ended
    if not any(info[UNACKED_AT : UNACKED_AT + 4]) and not any(info[NOT_SENT_AT:]):
        return None
    return int.from_bytes(info[ACKED_AT : ACKED_AT + 8], sys.byteorder)
