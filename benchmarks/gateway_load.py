"""Clients for `benchmarks/gateway.py`: whole answers by wrk, h2load and epoll, streams by epoll."""

import json
import os
import re
import select
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil

from gateway_peers import Proxy, leave_alone
from paceline.testing.gateway import CHAT, KEY

CONNECTIONS = 64
LATENCY_RATE = 5_000
PATIENCE_S = 10.0
PROMPT_WORDS = 100
READ_BYTES = 65_536
STREAM_END = b"0\r\n\r\n"
HEADERS = {
    "Authorization": f"Bearer {KEY}",
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": "benchmark",
}
BODY = json.dumps(
    {
        "model": "demo",
        "max_tokens": 40,
        "stream": False,
        "temperature": 0.7,
        "messages": [{"role": "user", "content": "word " * PROMPT_WORDS}],
    }
)


class Arrivals:
    """Requests that come by chance, as those of clients who know nothing of each other.

    They come at a mean rate whether those before them were answered or not, and each takes from
    when it was due: one that found no connection free, or a load that was late, waited too.
    """

    def __init__(self, port: int) -> None:
        self._request = request(BODY)
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._due_s: dict[int, float] = {}
        self._came: dict[int, bytes] = {}
        for _ in range(CONNECTIONS):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[sock.fileno()] = sock
            self._poll.register(sock, select.EPOLLIN)
        self._free = [*self._sockets]

    def run(self, rate_per_s: float, seconds: float, seed: int) -> list[float]:
        """Milliseconds that each request took."""
        gaps_s = np.random.default_rng(seed).exponential(1 / rate_per_s, int(rate_per_s * seconds))
        due_s = deque((time.perf_counter() + np.cumsum(gaps_s)).tolist())
        took_ms = list[float]()
        while due_s or self._due_s:
            while due_s and self._free and due_s[0] <= time.perf_counter():
                self._send(due_s.popleft())
            waits = due_s and self._free
            wait_s = max(due_s[0] - time.perf_counter(), 0.0) if waits else PATIENCE_S
            # An epoll waits for whole milliseconds; `select`, for the epoll, for microseconds.
            if select.select([self._poll], [], [], wait_s)[0]:
                for fd, _ in self._poll.poll(0):
                    if self._answered(fd):
                        took_ms.append((time.perf_counter() - self._due_s.pop(fd)) * 1e3)
            elif not waits:
                raise SystemExit(f"no answer in {PATIENCE_S:g} s")
        return took_ms

    def close(self) -> None:
        """All connections."""
        for sock in self._sockets.values():
            sock.close()
        self._poll.close()

    def _send(self, due_s: float) -> None:
        fd = self._free.pop()
        self._due_s[fd] = due_s
        self._sockets[fd].sendall(self._request)

    def _answered(self, fd: int) -> bool:
        """Whether the answer is whole; the ASGI proxy sends it in pieces."""
        data = self._came.pop(fd, b"") + self._sockets[fd].recv(READ_BYTES)
        if not data.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"this is no answer: {data[:200]!r}")
        if not data.endswith(STREAM_END if b"chunked\r\n" in data else b"}}"):
            self._came[fd] = data
            return False
        self._free.append(fd)
        return True


class Streams:
    """Open streams of events; one that ends is asked for again on its connection."""

    def __init__(self, port: int, streams: int, tokens: int) -> None:
        body = json.dumps(json.loads(BODY) | {"stream": True, "max_tokens": tokens})
        self._request = request(body)
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self.ended = 0
        self.pieces = 0
        """Reads that brought something: less than the events where these came together."""
        for _ in range(streams):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setblocking(False)
            sock.sendall(self._request)
            self._sockets[sock.fileno()] = sock
            self._poll.register(sock, select.EPOLLIN)

    def count(self, seconds: float) -> int:
        """Events that come in so many seconds."""
        events, until_s = 0, time.perf_counter() + seconds
        while (left_s := until_s - time.perf_counter()) > 0:
            for fd, _ in self._poll.poll(left_s):
                with suppress(BlockingIOError):
                    events += self._read(self._sockets[fd])
        return events

    def close(self) -> None:
        """All of them, wherever they are."""
        for sock in self._sockets.values():
            sock.close()
        self._poll.close()

    def _read(self, sock: socket.socket) -> int:
        data = sock.recv(READ_BYTES)
        if not data or b'"error"' in data:
            raise SystemExit(f"a stream broke: {data[-200:]!r}")
        self.pieces += 1
        if data.endswith(STREAM_END):
            self.ended += 1
            sock.sendall(self._request)
        return data.count(b" word")


def request(body: str) -> bytes:
    """As it goes to a proxy."""
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    return (
        f"POST {CHAT} HTTP/1.1\r\nHost: a\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def run_arrivals(proxy: Proxy, seconds: float, seed: int) -> list[float]:
    """Milliseconds that each request took of those that come by chance."""
    with beside_the_proxy():
        arrivals = Arrivals(proxy.port)
        try:
            return arrivals.run(LATENCY_RATE, seconds, seed)
        finally:
            arrivals.close()


@contextmanager
def beside_the_proxy() -> Iterator[None]:
    """This process leaves the proxy's core to it until the exit."""
    cores = os.sched_getaffinity(0)
    leave_alone(psutil.Process())
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def run_wrk(folder: Path, proxy: Proxy, seconds: float) -> tuple[int, float]:
    """Requests that were answered, and in how many seconds."""
    script = folder / "wrk.lua"
    headers = "".join(f'wrk.headers["{name}"]="{value}"\n' for name, value in HEADERS.items())
    script.write_text(f'wrk.method="POST"\nwrk.body=[[{BODY}]]\n{headers}')
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(round(seconds), 1)}s", "-s", str(script)]
    said = run_pinned([*argv, f"http://127.0.0.1:{proxy.port}{CHAT}"])
    found = re.search(r"(\d+) requests in ([\d.]+)s", said)
    if found is None or "Non-2xx" in said:
        raise SystemExit(f"{proxy.name}: wrk said {said}")
    return int(found[1]), float(found[2])


def run_h2load(folder: Path, proxy: Proxy, seconds: float) -> list[float]:
    """Milliseconds that each request took; all connections ask within microseconds of each other.

    So it is with `--rps`: the timers of all clients run in step, and a rate becomes bursts.
    """
    body, log = folder / "body.json", folder / "h2load.log"
    body.write_text(BODY)
    log.unlink(missing_ok=True)
    argv = ["h2load", "--h1", f"-c{CONNECTIONS}", f"--rps={LATENCY_RATE / CONNECTIONS}"]
    argv += [f"-D{seconds:g}", "-d", str(body), f"--log-file={log}"]
    for name, value in HEADERS.items():
        argv += ["-H", f"{name}: {value}"]
    run_pinned([*argv, f"http://127.0.0.1:{proxy.port}{CHAT}"])
    lines = [line.split("\t") for line in log.read_text().splitlines()]
    bad = sum(status != "200" for _, status, _ in lines)
    if bad:
        raise SystemExit(f"{proxy.name}: {bad} of {len(lines)} answers are not 200")
    return [int(took_us) / 1e3 for _, _, took_us in lines]


def run_pinned(argv: list[str]) -> str:
    """Run a client where the proxy is not."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        leave_alone(psutil.Process(process.pid))
        said, _ = process.communicate()
    return said
