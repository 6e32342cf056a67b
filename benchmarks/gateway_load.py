"""Clients for `benchmarks/gateway.py`: whole answers by wrk and h2load, open streams by epoll."""

import json
import re
import select
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from gateway_peers import Proxy, leave_alone
from paceline.testing.gateway import CHAT, KEY

CONNECTIONS = 64
LATENCY_RATE = 5_000
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


class Streams:
    """Open streams of events; one that ends is asked for again on its connection."""

    def __init__(self, port: int, streams: int, tokens: int) -> None:
        body = json.dumps(json.loads(BODY) | {"stream": True, "max_tokens": tokens})
        head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        self._request = (
            f"POST {CHAT} HTTP/1.1\r\nHost: a\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self.ended = 0
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
        if data.endswith(STREAM_END):
            self.ended += 1
            sock.sendall(self._request)
        return data.count(b" word")


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
    """Milliseconds that each request took."""
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
