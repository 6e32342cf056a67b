"""Transports over plain sockets do what `transport` says of them."""

import asyncio
import os
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from paceline.deploy.gateway.sockets import Sockets
from paceline.deploy.gateway.transport import Peer, Transport

pytestmark = pytest.mark.enable_socket

LARGE = os.urandom(8 * 2**20)
PATIENCE_S = 60.0
Body = Callable[[], Coroutine[Any, Any, None]]


class Notes(Peer):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.transport: Transport
        self.came = b""
        self.heard: list[str] = []
        self.error: Exception | None = None

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        self.heard.append("made")

    def data_received(self, data: bytes) -> None:
        if data == b"fault":
            raise ZeroDivisionError
        self.came += data

    def pause_writing(self) -> None:
        self.heard.append("pause")

    def resume_writing(self) -> None:
        self.heard.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.heard.append("lost")
        self.error = error


@pytest.fixture(params=[False, True], ids=["sleeps", "busy"], autouse=True)
def polling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything below holds for both."""
    monkeypatch.setattr(Wired, "busy", request.param)


class Wired:
    """A listener whose peers are ours, and clients that are plain blocking sockets."""

    busy = False

    def __init__(self) -> None:
        self.sockets = Sockets(stays=True, busy=self.busy)
        self.peers: list[Notes] = []
        self.port = self.sockets.listen("127.0.0.1", 0, 64, self._made)

    def _made(self) -> Notes:
        self.peers.append(Notes())
        return self.peers[-1]

    async def client(self) -> tuple[socket.socket, Notes]:
        """A connection from both sides."""
        count = len(self.peers)
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        await until(lambda: len(self.peers) > count)
        return sock, self.peers[-1]


async def until(true: Callable[[], object]) -> None:
    """Wait for it."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline_s, "it never came true"
        await asyncio.sleep(0.001)


@asynccontextmanager
async def wired() -> AsyncIterator[Wired]:
    one = Wired()
    try:
        yield one
    finally:
        one.sockets.stop_listening()
        for peer in one.peers:
            peer.transport.abort()
        await asyncio.sleep(0)


def run(body: Body) -> None:
    uvloop.run(body())


def received(sock: socket.socket, size: int) -> bytes:
    came = bytearray()
    while len(came) < size and (data := sock.recv(2**20)):
        came += data
    return bytes(came)


def test_what_the_kernel_does_not_take_is_sent_when_it_does() -> None:
    async def body() -> None:
        async with wired() as one:
            sock, peer = await one.client()
            peer.transport.write(LARGE)
            peer.transport.write(b"end")
            assert peer.heard == ["made", "pause"]
            came = await asyncio.to_thread(received, sock, len(LARGE) + 3)
            assert came == LARGE + b"end" and peer.heard == ["made", "pause", "resume"]
            sock.close()

    run(body)


def test_a_close_comes_behind_what_is_unsent() -> None:
    async def body() -> None:
        async with wired() as one:
            sock, peer = await one.client()
            peer.transport.write(LARGE)
            peer.transport.close()
            assert await asyncio.to_thread(received, sock, len(LARGE)) == LARGE
            await until(lambda: "lost" in peer.heard)
            assert peer.error is None and sock.recv(1) == b""
            sock.close()

    run(body)


def test_an_end_is_seen_on_both_sides() -> None:
    async def body() -> None:
        async with wired() as one:
            sock, peer = await one.client()
            sock.sendall(b"hello")
            await until(lambda: peer.came == b"hello")
            peer.transport.write(b"bye")
            peer.transport.half_close()
            assert await asyncio.to_thread(received, sock, 99) == b"bye"
            sock.close()
            await until(lambda: "lost" in peer.heard)
            peer.transport.write(b"nobody")
            assert peer.error is None and peer.transport.is_closing()

    run(body)


def test_reading_can_pause_also_while_the_other_side_hangs_up() -> None:
    async def body() -> None:
        async with wired() as one:
            sock, peer = await one.client()
            peer.transport.pause_reading()
            sock.sendall(b"later")
            reset(sock)
            cpu_s = time.process_time()
            await asyncio.sleep(0.3)
            assert time.process_time() - cpu_s < 0.2, "an epoll that is not emptied spins"
            assert peer.came == b"" and peer.heard == ["made"]
            peer.transport.resume_reading()
            await until(lambda: "lost" in peer.heard)

    run(body)


def test_a_reset_is_an_error_and_not_an_end() -> None:
    async def body() -> None:
        async with wired() as one:
            sock, peer = await one.client()
            peer.transport.write(LARGE)
            reset(sock)
            await until(lambda: "lost" in peer.heard)
            assert isinstance(peer.error, OSError)

    run(body)


def test_a_fault_ends_the_connection_it_happened_on_and_no_other() -> None:
    async def body() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, said: faults.append(said))
        async with wired() as one:
            (bad, worse), (good, better) = await one.client(), await one.client()
            bad.sendall(b"fault")
            good.sendall(b"fine")
            await until(lambda: better.came == b"fine" and "lost" in worse.heard)
            assert "lost" not in better.heard and len(faults) == 1
            bad.close()
            good.close()

    run(body)


def test_without_a_file_descriptor_left_it_waits_for_one() -> None:
    async def body() -> None:
        async with wired() as one:
            waiting = socket.socket()
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            os.close(next_fd := os.dup(waiting.fileno()))
            resource.setrlimit(resource.RLIMIT_NOFILE, (next_fd, hard))
            try:
                waiting.connect(("127.0.0.1", one.port))
                await asyncio.sleep(0.05)
                assert one.peers == []
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await until(lambda: one.peers)
            waiting.close()

    run(body)


def test_it_connects_and_says_why_it_cannot() -> None:
    async def body() -> None:
        async with wired() as one:
            peer = Notes()
            await one.sockets.connect("localhost", one.port, peer)
            await until(lambda: one.peers)
            peer.transport.write(b"through")
            await until(lambda: one.peers[0].came == b"through")
            peer.transport.close()
            one.sockets.stop_listening()
            with pytest.raises(ConnectionRefusedError):
                await one.sockets.connect("127.0.0.1", one.port, Notes())

    run(body)


def reset(sock: socket.socket) -> None:
    """Close it by a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def test_the_loop_has_its_turn_while_sockets_are_always_ready() -> None:
    class Returns(Notes):
        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    async def body() -> None:
        async with wired() as one:
            one.sockets.stop_listening()
            one.port = one.sockets.listen("127.0.0.1", 0, 64, Returns)
            peer = Returns()
            await one.sockets.connect("127.0.0.1", one.port, peer)
            peer.transport.write(b"to and fro")
            began_s = time.monotonic()
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert time.monotonic() - began_s < PATIENCE_S / 2
            assert not peer.heard.count("lost")
            peer.transport.abort()
            await until(lambda: "lost" in peer.heard)

    run(body)


def test_what_is_put_off_comes_when_the_ready_sockets_were_served() -> None:
    seen: list[str] = []

    class Late(Notes):
        def connection_made(self, transport: Transport) -> None:
            super().connection_made(transport)
            one.peers.append(self)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            seen.append("read")
            one.sockets.at_turn_end(lambda: seen.append("late"))

    one: Wired

    async def body() -> None:
        nonlocal one
        async with wired() as one:
            one.sockets.at_turn_end(lambda: seen.append("outside"))
            await until(lambda: seen)
            one.sockets.stop_listening()
            one.port = one.sockets.listen("127.0.0.1", 0, 64, Late)
            clients = [socket.create_connection(("127.0.0.1", one.port)) for _ in range(3)]
            await until(lambda: len(one.peers) == 3)
            for client in clients:
                client.sendall(b"now")
            await until(lambda: len(seen) == 7)
            for client in clients:
                client.close()
            await until(lambda: all("lost" in peer.heard for peer in one.peers))

    run(body)
    assert seen == ["outside", *["read"] * 3, *["late"] * 3]
