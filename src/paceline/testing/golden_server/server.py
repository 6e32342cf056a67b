"""The loop of the golden server: sockets, one queue of due times, capacity and faults.

Everything that is due is sent before anything is read, and every stream keeps to its own absolute
schedule, so that a late send does not move the ones after it.
"""

import ctypes
import heapq
import os
import random
import select
import signal
import socket
import time
from collections import deque
from contextlib import suppress
from typing import Any

import orjson

from paceline.testing.golden_server.client_socket import ClientSocket
from paceline.testing.golden_server.log import Entry, Log
from paceline.testing.golden_server.settings import Fault, GoldenSettings, WhenFull
from paceline.testing.golden_server.stream import Stream
from paceline.testing.golden_server.wire import Phrases, error_answer, json_answer

NS_PER_S = 1_000_000_000
STOP_SEEN_S = 0.1
ROUTES = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    "/v1/images/generations": "images",
}


class GoldenServer:
    """Serves until `stop`."""

    def __init__(self, settings: GoldenSettings) -> None:
        self._settings = settings
        self._rng = random.Random(settings.seed)  # noqa: S311 - repeatable faults and jitter
        self._listener = socket.create_server(
            (settings.host, settings.port), backlog=4096, reuse_port=False
        )
        self._listener.setblocking(False)
        self._timer = _Timer()
        self._epoll = select.epoll()
        for fd in (self._listener.fileno(), self._timer.fd):
            self._epoll.register(fd, select.EPOLLIN)
        self._sockets: dict[int, ClientSocket] = {}
        self._due: list[tuple[int, int, Stream]] = []
        self._queue: deque[Stream] = deque()
        self._in_service = 0
        self._count = 0
        self._running = True
        model = settings.model or "golden"
        self._phrases = {
            kind: Phrases(
                chat=kind == "chat", model=model, tokens_per_chunk=settings.tokens_per_chunk
            )
            for kind in ("chat", "completions")
        }
        self.log = Log()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def stop(self) -> None:
        """End the loop after the current round."""
        self._running = False

    def serve(self) -> None:
        """Run until stopped."""
        while self._running:
            if self._due:
                self._timer.set(self._due[0][0])
            # Not without end: a signal's handler runs, but does not end the wait (PEP 475).
            events = self._epoll.poll(STOP_SEEN_S)
            self._send_due()
            for fd, bits in events:
                self._react(fd, bits)
        for client in list(self._sockets.values()):
            self._drop(client)
        self._listener.close()

    def _send_due(self) -> None:
        now_ns = time.monotonic_ns()
        while self._due and self._due[0][0] <= now_ns:
            _, _, stream = heapq.heappop(self._due)
            next_ns = stream.advance()
            if next_ns is None:
                self._finish(stream)
            else:
                self._push(next_ns, stream)

    def _react(self, fd: int, bits: int) -> None:
        if fd == self._listener.fileno():
            self._accept()
            return
        if fd == self._timer.fd:
            self._timer.acknowledge()
            return
        client = self._sockets.get(fd)
        if client is None:
            return
        if bits & select.EPOLLOUT and client.flush():
            self._epoll.modify(fd, select.EPOLLIN)
        if bits & ~select.EPOLLOUT and (not client.read() or not client.open):
            self._drop(client)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                client = ClientSocket(sock, self._handle)
                self._sockets[client.fd] = client
                self._epoll.register(client.fd, select.EPOLLIN)

    def _drop(self, client: ClientSocket, *, reset: bool = False) -> None:
        if self._sockets.pop(client.fd, None) is not None:
            client.close(reset=reset)

    def _handle(self, client: ClientSocket, entry: Entry, method: bytes, body: bytes) -> None:
        if method == b"GET":
            client.send(self._page(entry.path))
            return
        self.log.add(entry)
        route = ROUTES.get(entry.path)
        refusal = self._refusal(client, route, body)
        if refusal is not None:
            client.send(refusal)
            entry.ended = "refused"
            return
        assert route is not None
        request: dict[str, Any] = orjson.loads(body)
        fault = self._draw_fault()
        stream = Stream(
            settings=self._settings,
            client=client,
            entry=entry,
            request=request,
            route=route,
            phrases=self._phrases.get(route),
            fault=fault,
            rng=self._rng,
        )
        if fault.status is not None:
            client.send(error_answer(fault.status, "a fault that was asked for"))
            entry.ended = fault.value
            return
        self._admit(stream)

    def _admit(self, stream: Stream) -> None:
        capacity = self._settings.capacity
        if capacity is None or self._in_service < capacity:
            self._start(stream, stream.entry.received_ns)
        elif self._settings.when_full is WhenFull.QUEUE:
            self._queue.append(stream)
        else:
            stream.client.send(error_answer(503, f"all {capacity} places are taken"))
            stream.entry.ended = "rejected"

    def _start(self, stream: Stream, at_ns: int) -> None:
        self._in_service += 1
        self._push(stream.start(at_ns, self._in_service), stream)

    def _finish(self, stream: Stream) -> None:
        self._in_service -= 1
        if stream.closes is not None:
            self._drop(stream.client, reset=stream.closes == "reset")
        elif stream.client.open and not stream.client.flush():
            self._epoll.modify(stream.client.fd, select.EPOLLIN | select.EPOLLOUT)
        while self._queue:
            waiting = self._queue.popleft()
            if waiting.client.open:
                self._start(waiting, time.monotonic_ns())
                break

    def _push(self, at_ns: int, stream: Stream) -> None:
        self._count += 1
        heapq.heappush(self._due, (at_ns, self._count, stream))

    def _draw_fault(self) -> Fault:
        struck = self._rng.random() < self._settings.fault_share
        return self._settings.fault if struck else Fault.NONE

    def _refusal(self, client: ClientSocket, route: str | None, body: bytes) -> bytes | None:
        settings = self._settings
        if route is None:
            return error_answer(404, "no such route")
        if settings.key is not None and client.authorization != f"Bearer {settings.key}":
            return error_answer(401, "the key is missing or wrong")
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return error_answer(400, f"the body is not JSON: {error}")
        if settings.model is not None and request.get("model") != settings.model:
            return error_answer(404, f"the model {request.get('model')!r} does not exist")
        if settings.strict_fields and "stream_options" in request:
            return error_answer(400, "unknown field: stream_options")
        return None

    def _page(self, path: str) -> bytes:
        match path:
            case "/log":
                return json_answer(200, self.log.document())
            case "/clear":
                self.log.clear()
                return json_answer(200, {})
            case "/v1/models":
                name = self._settings.model or "golden"
                return json_answer(200, {"object": "list", "data": [{"id": name}]})
            case "/health":
                return json_answer(200, {"in_service": self._in_service})
            case _:
                return error_answer(404, "no such page")


class _Timer:
    """A timerfd: epoll's own timeout has a resolution of one millisecond."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._spec = (ctypes.c_long * 4)()
        self.fd: int = libc.timerfd_create(1, os.O_NONBLOCK | os.O_CLOEXEC)  # CLOCK_MONOTONIC
        self._armed_ns = 0

    def set(self, at_ns: int) -> None:
        if at_ns != self._armed_ns:
            self._armed_ns = at_ns
            self._spec[2], self._spec[3] = divmod(max(at_ns, 1), NS_PER_S)
            self._settime(self.fd, 1, self._spec, None)  # TFD_TIMER_ABSTIME

    def acknowledge(self) -> None:
        self._armed_ns = 0
        with suppress(BlockingIOError):
            os.read(self.fd, 8)


def run(settings: GoldenSettings) -> None:
    """Serve until SIGTERM or SIGINT; the port goes to stdout as soon as it listens."""
    server = GoldenServer(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    os.write(1, b"listening on %d\n" % server.port)
    try:
        server.serve()
    finally:
        if settings.log_path:
            server.log.write(settings.log_path)
