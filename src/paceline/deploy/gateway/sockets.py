"""Plain TCP sockets, read and written by direct calls.

All of them are in one epoll of ours, and that one is in the event loop: one callback of the loop
serves every socket that is ready. Under load it stays with them for some milliseconds, for a turn
of the loop costs about as much as passing on an event. A loop's own transports cost a callback
each besides. TLS and the control socket stay with them.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from select import EPOLLIN, EPOLLOUT, epoll
from time import monotonic
from typing import Final

from paceline.deploy.gateway.transport import Peer, Transport, taken_from

READ_BYTES: Final = 65_536
MOST_AT_ONCE: Final = 512
"""Ready sockets per look, so that the loop's own work never waits for more."""
STAY_S: Final = 0.005
"""The longest that timers and whatever else the loop has may wait for us."""
SOON_S: Final = 0.001
"""Events that are so close to each other are load: then it is worth to wait for the next one."""
ACCEPTS_AT_ONCE: Final = 64
NO_ACCEPT_S: Final = 0.5
"""After an error of `accept`, as with no file descriptor left."""
WRITE_BYTES: Final = 262_144
LOOPBACK: Final = frozenset(("127.0.0.1", "::1", "::ffff:127.0.0.1"))


class Sockets:
    """Everything that is open; made within a running loop. `stays` under load: without TLS.

    One that is `busy` does not sleep then: to be woken takes some 30 µs on a virtual machine, twice
    per request, and not to sleep takes a core.
    """

    def __init__(self, *, stays: bool, busy: bool = False) -> None:
        self._stays = stays
        self._busy = busy
        self._serving = self._leaves = False
        self._served_s = 0.0
        self._calls: deque[Callable[[], None]] = deque()
        self.loop = asyncio.get_running_loop()
        self._epoll = epoll()
        self._open: dict[int, SocketTransport] = {}
        self._listening: dict[int, tuple[socket.socket, Callable[[], Peer]]] = {}
        self._at: SocketTransport | None = None
        self.loop.add_reader(self._epoll.fileno(), self._look)

    def add(self, sock: socket.socket, peer: Peer) -> None:
        """Serve a connected socket."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _do_not_pace(sock)
        transport = SocketTransport(self, sock, peer)
        self._open[transport.fd] = transport
        self._epoll.register(transport.fd, EPOLLIN)
        peer.connection_made(transport)

    def listen(self, host: str, port: int, backlog: int, factory: Callable[[], Peer]) -> int:
        """Take connections at every address of the host; the port. Raises OSError."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, *_, address in dict.fromkeys(found):
            sock = socket.create_server(address[:2], family=family, backlog=backlog)
            sock.setblocking(False)
            port = port or sock.getsockname()[1]
            self._listening[sock.fileno()] = sock, factory
            self._epoll.register(sock.fileno(), EPOLLIN)
        return port

    def stop_listening(self) -> None:
        """Take no more connections."""
        for sock, _ in self._listening.values():
            sock.close()  # which takes it out of the epoll
        self._listening.clear()

    async def connect(self, host: str, port: int, peer: Peer) -> None:
        """Connect to the first of the host's addresses that answers. Raises OSError."""
        failure: OSError | None = None
        for family, kind, number, _, address in await self.loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            sock = socket.socket(family, kind, number)
            try:
                sock.setblocking(False)
                await self.loop.sock_connect(sock, address)
                self.add(sock, peer)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return
        raise failure or OSError(f"{host!r} has no address")

    def change(self, transport: "SocketTransport", before: int, after: int) -> None:
        """Wait for other events on a socket; for none at all it is taken out.

        An epoll tells of a hang-up whatever it is asked for, and would go on telling.
        """
        if not before:
            self._epoll.register(transport.fd, after)
        elif after:
            self._epoll.modify(transport.fd, after)
        else:
            self._epoll.unregister(transport.fd)

    def forget(self, transport: "SocketTransport") -> None:
        """It is closed in the loop's next turn: until then nobody gets its number."""
        del self._open[transport.fd]
        self.leave_soon()

    def at_turn_end(self, call: Callable[[], None]) -> None:
        """Call back when everything that is ready now was served."""
        if self._serving:
            self._calls.append(call)
        else:
            self.loop.call_soon(call)

    def leave_soon(self) -> None:
        """The loop itself has something to do."""
        self._leaves = True

    def _look(self) -> None:
        """Serve what is ready. A fault of ours ends the connection that it happened on."""
        self._serving = True
        try:
            self._serve_for_a_while()
        except BaseException:
            if self._at is not None:
                self._at.abort()
            raise
        finally:
            self._serving = self._leaves = False
            while self._calls:  # there was a fault
                self.loop.call_soon(self._calls.popleft())

    def _serve_for_a_while(self) -> None:
        began_s, calls = monotonic(), self._calls
        stays = self._stays and began_s - self._served_s < SOON_S
        ready = self._epoll.poll(0, MOST_AT_ONCE)
        while ready:
            self._serve(ready)
            while calls:
                calls.popleft()()
            self._served_s = monotonic()
            if self._leaves or not stays or self._served_s - began_s > STAY_S:
                return
            ready = self._next()

    def _next(self) -> list[tuple[int, int]]:
        """What is ready soon."""
        poll = self._epoll.poll
        if not self._busy:
            return poll(SOON_S, MOST_AT_ONCE)
        until_s = monotonic() + SOON_S
        while not (ready := poll(0, MOST_AT_ONCE)) and monotonic() < until_s:
            pass
        return ready

    def _serve(self, ready: list[tuple[int, int]]) -> None:
        find = self._open.get
        for fd, events in ready:
            self._at = transport = find(fd)
            if transport is None:
                if fd in self._listening:
                    self._accept(fd)
                continue  # it was closed a moment ago
            if events != EPOLLIN:
                transport.other(events)
                continue
            try:
                data = transport.receive(READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                transport.lose(error)
                continue
            if data:
                transport.peer.data_received(data)
            else:
                transport.close()
        self._at = None

    def _accept(self, fd: int) -> None:
        listener, factory = self._listening[fd]
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # it left before it was taken
            except OSError:
                self._epoll.unregister(fd)
                self.leave_soon()
                self.loop.call_later(NO_ACCEPT_S, self._accept_again, fd)
                return
            self.add(sock, factory())

    def _accept_again(self, fd: int) -> None:
        if fd in self._listening:
            self._epoll.register(fd, EPOLLIN)


def _do_not_pace(sock: socket.socket) -> None:
    """No even pace to this machine itself, where nothing can be congested: bbr, the default of many
    machines, keeps one with a timer per packet, which takes a microsecond of an answer."""
    try:
        if sock.getpeername()[0] in LOOPBACK:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
    except OSError:
        return  # it has left already, or may not choose: then as it is


class SocketTransport(Transport):
    """One socket. What the kernel does not take at once is kept and sent when it does."""

    __slots__ = (
        "_closing",
        "_ended",
        "_ends_writing",
        "_full",
        "_high_bytes",
        "_send",
        "_sock",
        "_sockets",
        "_unsent",
        "_waits_for",
        "fd",
        "peer",
        "receive",
    )

    def __init__(self, sockets: Sockets, sock: socket.socket, peer: Peer) -> None:
        self._sockets = sockets
        self._sock = sock
        self.peer = peer
        self._send = sock.send
        self._unsent = bytearray()
        self._high_bytes = 65_536
        self._waits_for = EPOLLIN
        self._closing = self._ended = self._ends_writing = self._full = False
        self.fd = sock.fileno()
        self.receive = sock.recv

    def write(self, data: bytes) -> None:
        if self._unsent or self._closing:
            self._keep(data)
            return
        send = self._send
        try:
            sent = send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.lose(error)
            return
        if sent < len(data):
            self._keep(memoryview(data)[sent:])

    def hold_at_most(self, high_bytes: int) -> None:
        self._high_bytes = high_bytes

    def pause_reading(self) -> None:
        self._wait_for(self._waits_for & ~EPOLLIN)

    def resume_reading(self) -> None:
        if not self._closing:
            self._wait_for(self._waits_for | EPOLLIN)

    def taken_bytes(self) -> int | None:
        return taken_from(self._sock) if self._unsent else None

    def is_closing(self) -> bool:
        return self._closing

    def half_close(self) -> None:
        self._ends_writing = True
        if not self._unsent:
            self._end_writing()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._unsent:
            self._wait_for(EPOLLOUT)
        else:
            self.lose(None)

    def abort(self) -> None:
        self.lose(None)

    # Called by `Sockets`.

    def other(self, events: int) -> None:
        """Anything but only bytes to read."""
        if events & EPOLLOUT and self._unsent:
            self._send_rest()
        elif events & ~EPOLLOUT:
            self._read()

    def lose(self, error: OSError | None) -> None:
        """It has ended; the peer hears of it in the loop's next turn."""
        if self._ended:
            return
        self._wait_for(0)
        self._closing = self._ended = True
        self._unsent.clear()
        self._sockets.forget(self)
        self._sockets.loop.call_soon(self._lost, error)

    def _read(self) -> None:
        try:
            data = self.receive(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.lose(error)
            return
        if not self._waits_for & EPOLLIN:
            self.lose(None)  # it hung up while only writing is of interest
        elif data:
            self.peer.data_received(data)
        else:
            self.close()

    def _keep(self, data: bytes | memoryview) -> None:
        """Send it later; nothing is written to a connection that was closed."""
        if self._closing:
            return
        self._unsent += data
        self._wait_for(self._waits_for | EPOLLOUT)
        if len(self._unsent) > self._high_bytes and not self._full:
            self._full = True
            self.peer.pause_writing()

    def _send_rest(self) -> None:
        try:
            with memoryview(self._unsent) as unsent:
                sent = self._send(unsent[:WRITE_BYTES])
        except BlockingIOError:
            return
        except OSError as error:
            self.lose(error)
            return
        del self._unsent[:sent]
        if self._unsent:
            self._resume_if_low()
            return
        self._wait_for(self._waits_for & ~EPOLLOUT)
        if self._closing:
            self.lose(None)
            return
        if self._ends_writing:
            self._end_writing()
        self._resume_if_low()

    def _resume_if_low(self) -> None:
        if self._full and len(self._unsent) <= self._high_bytes // 4:
            self._full = False
            self.peer.resume_writing()

    def _end_writing(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.lose(error)

    def _wait_for(self, events: int) -> None:
        if events != self._waits_for and not self._ended:
            self._sockets.change(self, self._waits_for, events)
            self._waits_for = events

    def _lost(self, error: OSError | None) -> None:
        peer, self.peer = self.peer, NOBODY  # no circle: it knows us too
        self._sock.close()
        peer.connection_lost(error)


class _Nobody(Peer):
    """Of a connection that is lost: nothing more happens to it."""

    __slots__ = ()

    def connection_made(self, transport: Transport) -> None: ...

    def data_received(self, data: bytes) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def connection_lost(self, error: Exception | None) -> None: ...


NOBODY: Final[Peer] = _Nobody()
