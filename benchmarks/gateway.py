"""What the gateway costs, beside a direct connection, HAProxy and an ASGI proxy in the same run.

    python benchmarks/gateway.py [--seconds 5] [--only unary latency streams] [--log]

It needs `wrk` and `h2load`, and `haproxy` for the engine of whole answers (Debian packages wrk,
nghttp2-client, haproxy). CPU is that of the proxy's process alone, divided by what it passed on;
with two or more cores the proxy has one for itself. The gateway has everything on: a key with all
limits, the queue, the breaker, usage and metrics. The ASGI proxy (uvicorn, aiohttp client) is
installed into the cache at the first run. `--log` appends the tables to docs/log.md. About 3
minutes.
"""

import argparse
import json
import os
import platform
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil

from paceline.testing.gateway import CHAT, KEY, endpoint, key_rule, replica, running_gateway
from paceline.testing.golden_server.launch import golden_server

ROOT = Path(__file__).parent.parent
CONNECTIONS = 64
LATENCY_RATE = 5_000
STREAMS, CHUNKS_PER_S, STREAM_TOKENS = 1_000, 50, 1_500
PROMPT_WORDS = 100
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "golden",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "word " * 40},
        }
    ],
    "usage": {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160},
}
HAPROXY = """
global
  maxconn 4000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:{port}
  {does}
"""
ASGI_PROXY = """
import sys
import aiohttp

UPSTREAM = sys.argv[1]
session = None

async def app(scope, receive, send):
    global session
    if scope["type"] != "http":
        return
    if session is None:
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = {"content-type": "application/json"}
    async with session.post(UPSTREAM + scope["path"], data=body, headers=headers) as answer:
        kind = answer.headers["content-type"].encode()
        start = {"type": "http.response.start", "status": answer.status}
        await send(start | {"headers": [(b"content-type", kind)]})
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})

import uvicorn
uvicorn.run(app, port=int(sys.argv[2]), log_level="error", http="httptools", loop="uvloop")
"""


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """One way to the engine; `process` is `None` for the direct one."""

    name: str
    port: int
    process: psutil.Process | None = None

    def cpu_s(self) -> float:
        """CPU so far."""
        if self.process is None:
            return 0.0
        times = self.process.cpu_times()
        return float(times.user + times.system)


@dataclass(frozen=True, kw_only=True)
class Table:
    """One measurement over all proxies."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """As Markdown."""
        lines = [self.title, "", "| " + " | ".join(self.header) + " |", "|---" * len(self.header)]
        lines[-1] += "|"
        return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in self.rows)]) + "\n"


def main() -> int:
    """Measure, print and, when asked, log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", nargs="*", default=["unary", "latency", "streams"])
    parser.add_argument("--log", action="store_true")
    options = parser.parse_args()
    missing = [name for name in ("wrk", "h2load", "haproxy") if shutil.which(name) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 3
    measures = {"unary": unary, "latency": latency, "streams": streams}
    tables = []
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            tables.append(measures[name](Path(folder), options.seconds))
        print(tables[-1].text(), flush=True)
    if options.log:
        write_log(tables)
    return 0


def unary(folder: Path, seconds: float) -> Table:
    """Whole answers as fast as `CONNECTIONS` clients ask for them."""
    rows = []
    with ExitStack() as stack:
        engine = stack.enter_context(static_engine(folder))
        for proxy in every_proxy(folder, engine):
            run_wrk(folder, proxy, 1.0)
            before_s = proxy.cpu_s()
            requests, wall_s = run_wrk(folder, proxy, seconds)
            cpu_us = (proxy.cpu_s() - before_s) / requests * 1e6
            rate = requests / wall_s
            own = "–" if proxy.process is None else f"{cpu_us:.1f}"
            full = "–" if proxy.process is None else f"{1e6 / cpu_us:,.0f}"
            rows.append((proxy.name, f"{rate:,.0f}", own, full))
    return Table(
        title=f"Whole answers, {CONNECTIONS} connections, {seconds:g} s each",
        header=("way", "requests/s", "CPU µs per request", "requests/s of one core's time"),
        rows=tuple(rows),
    )


def latency(folder: Path, seconds: float) -> Table:
    """Whole answers at a fixed rate: how long each takes, and how much of that is added."""
    rows, direct = [], np.zeros(2)
    with ExitStack() as stack:
        engine = stack.enter_context(static_engine(folder))
        for proxy in every_proxy(folder, engine):
            found_ms = run_h2load(folder, proxy, seconds)
            p50, p99 = np.quantile(found_ms, [0.5, 0.99])
            if proxy.process is None:
                direct = np.array([p50, p99])
            rows.append(
                (
                    proxy.name,
                    f"{len(found_ms) / seconds:,.0f}",
                    f"{p50:.3f} / {p99:.3f}",
                    f"{p50 - direct[0]:.3f} / {p99 - direct[1]:.3f}",
                )
            )
    return Table(
        title=f"Whole answers at {LATENCY_RATE:,} requests/s, {seconds:g} s each",
        header=("way", "requests/s", "ms p50 / p99", "added ms p50 / p99"),
        rows=tuple(rows),
    )


def streams(folder: Path, seconds: float) -> Table:
    """A thousand streams at fifty events a second: the proxy's share of a core."""
    rows = []
    with ExitStack() as stack:
        options = ("--ttft-ms", "50", "--itl-ms", str(1_000 / CHUNKS_PER_S))
        golden = stack.enter_context(golden_server(*options))
        leave_alone(psutil.Process(golden.process.pid))
        for proxy in every_proxy(folder, int(golden.url.rsplit(":", 1)[1])):
            chunks, wall_s, cpu_s = hold_streams(proxy, seconds)
            own = "–" if proxy.process is None else f"{cpu_s / chunks * 1e6:.1f}"
            share = "–" if proxy.process is None else f"{cpu_s / wall_s:.0%}"
            rows.append((proxy.name, f"{chunks / wall_s:,.0f}", own, share))
    return Table(
        title=f"{STREAMS:,} streams of {CHUNKS_PER_S} events/s, {seconds:g} s each",
        header=("way", "events/s", "CPU µs per event", "share of a core"),
        rows=tuple(rows),
    )


def every_proxy(folder: Path, engine: int) -> Iterator[Proxy]:
    """Direct, ours, and the peers, one at a time."""
    yield Proxy(name="direct", port=engine)
    for make in (paceline, haproxy, asgi):
        with make(folder, engine) as proxy:
            yield proxy


@contextmanager
def paceline(folder: Path, engine: int) -> Iterator[Proxy]:
    """Our gateway with everything on and nothing that a limit would refuse."""
    plenty = 10**9
    rule = key_rule(
        requests_per_min=plenty, tokens_per_min=plenty, concurrency=plenty, budget_left_usd=1e9
    )
    with running_gateway(folder, "--pulse-s", "0.25") as running:
        running.serve(endpoint(replica(f"http://127.0.0.1:{engine}", capacity=5_000)), keys=(rule,))
        process = psutil.Process(running.process.pid)
        own_core(process)
        yield Proxy(name="paceline gateway", port=running.port, process=process)


@contextmanager
def haproxy(folder: Path, engine: int) -> Iterator[Proxy]:
    """HAProxy that only passes on."""
    does = f"default_backend b\nbackend b\n  server s 127.0.0.1:{engine}"
    with haproxy_process(folder, "peer", does) as (port, process):
        own_core(process)
        yield Proxy(name=f"HAProxy {version('haproxy', '-v')}", port=port, process=process)


@contextmanager
def asgi(folder: Path, engine: int) -> Iterator[Proxy]:
    """A proxy of few lines on uvicorn and aiohttp, without keys, limits or usage."""
    python = asgi_python()
    script, port = folder / "asgi_proxy.py", free_port()
    script.write_text(ASGI_PROXY)
    argv = [str(python), str(script), f"http://127.0.0.1:{engine}", str(port)]
    with child(argv) as process:
        wait_for(port)
        own_core(process)
        yield Proxy(name="ASGI + aiohttp", port=port, process=process)


@contextmanager
def static_engine(folder: Path) -> Iterator[int]:
    """Answers every request at once with the same text; faster than anything in front of it."""
    (folder / "answer.json").write_text(json.dumps(ANSWER))
    kind = 'content-type "application/json"'
    does = f"http-request return status 200 {kind} file {folder / 'answer.json'}"
    with haproxy_process(folder, "engine", does) as (port, process):
        leave_alone(process)
        yield port


@contextmanager
def haproxy_process(folder: Path, name: str, does: str) -> Iterator[tuple[int, psutil.Process]]:
    """HAProxy with one thread, doing that."""
    port, config = free_port(), folder / f"{name}.cfg"
    config.write_text(HAPROXY.format(port=port, does=does))
    with child([shutil.which("haproxy") or "haproxy", "-db", "-f", str(config)]) as process:
        wait_for(port)
        yield port, process


@contextmanager
def child(argv: list[str]) -> Iterator[psutil.Process]:
    """A process until the exit."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()


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


def hold_streams(proxy: Proxy, seconds: float) -> tuple[int, float, float]:
    """Events that came in a window with all streams open, its length, and the proxy's CPU in it."""
    body = BODY.replace('"stream": false', '"stream": true').replace(
        '"max_tokens": 40', f'"max_tokens": {STREAM_TOKENS}'
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    request = f"POST {CHAT} HTTP/1.1\r\nHost: a\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"
    poll, sockets = select.epoll(), {}
    for _ in range(STREAMS):
        sock = socket.create_connection(("127.0.0.1", proxy.port))
        sock.setblocking(False)
        sock.sendall(request.encode())
        sockets[sock.fileno()] = sock
        poll.register(sock, select.EPOLLIN)
    count_events(poll, sockets, 2.0)
    before_s, began_s = proxy.cpu_s(), time.perf_counter()
    events = count_events(poll, sockets, seconds)
    wall_s, cpu_s = time.perf_counter() - began_s, proxy.cpu_s() - before_s
    for sock in sockets.values():
        sock.close()
    return events, wall_s, cpu_s


def count_events(poll: select.epoll, sockets: dict[int, socket.socket], seconds: float) -> int:
    """Events that come in so many seconds."""
    events, until_s = 0, time.perf_counter() + seconds
    while (left_s := until_s - time.perf_counter()) > 0:
        for fd, _ in poll.poll(left_s):
            with suppress(BlockingIOError):
                data = sockets[fd].recv(65_536)
                if not data:
                    raise SystemExit("a stream ended within the window")
                events += data.count(b" word")
    return events


def run_pinned(argv: list[str]) -> str:
    """Run a client where the proxy is not."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        leave_alone(psutil.Process(process.pid))
        said, _ = process.communicate()
    return said


def own_core(process: psutil.Process) -> None:
    """The first core is the proxy's."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        process.cpu_affinity([min(cores)])


def leave_alone(process: psutil.Process) -> None:
    """Everything else has the other cores."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        with suppress(psutil.NoSuchProcess):
            process.cpu_affinity(cores[1:])


def asgi_python() -> Path:
    """The Python of the peer's environment, made when it is missing."""
    home = Path.home() / ".cache/paceline/bench-asgi"
    python = home / "bin/python"
    if not (home / "installed").exists():
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", str(home)], check=True)
        packages = ["uvicorn", "httptools", "uvloop", "aiohttp"]
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)
        (home / "installed").touch()
    return python


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Until somebody listens there."""
    until_s = time.monotonic() + 15
    while time.monotonic() < until_s:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")


def version(program: str, option: str) -> str:
    """The first version number that a program says."""
    said = subprocess.run([program, option], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+\.\d+(\.\d+)?", said)
    return found[0] if found else ""


def write_log(tables: list[Table]) -> None:
    """Append the tables with what they rest on."""
    git = shutil.which("git") or "git"
    asked = [git, "rev-parse", "--short", "HEAD"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [
        f"\n## {datetime.now(UTC).date()}: the gateway beside a direct connection and peers\n",
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python",
        f"{platform.python_version()}, commit {said.stdout.strip()}; load average",
        f"{os.getloadavg()[0]:.1f} at the end. `python benchmarks/gateway.py --log`\n",
    ]
    with (ROOT / "docs/log.md").open("a") as log:
        log.write("\n".join(lines) + "\n" + "\n".join(table.text() for table in tables))


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

if __name__ == "__main__":
    sys.exit(main())
