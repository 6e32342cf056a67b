"""What stands between a client and an engine in `benchmarks/gateway.py`: our gateway and its peers.

Each is a process of its own with the first core to itself, where there are two.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from paceline.deploy.gateway.control import GatewayControl
from paceline.testing.gateway import endpoint, key_rule, replica, running_gateway

OURS = "paceline gateway"
BUSY = "the same, --busy-poll"
HAPROXY_NAME = "HAProxy"
FLOOR = "bare relay in Python"
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
# Without `http-no-delay` it holds the events of a stream back for up to 0.2 s, eleven at a time.
HAPROXY = """
global
  maxconn 4000
  nbthread 1
defaults
  mode http
  option http-no-delay
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
RELAY = """
import select, socket, sys

UPSTREAM = ("127.0.0.1", int(sys.argv[1]))
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=4096)
listener.setblocking(False)
poll, ways, pairs = select.epoll(), {}, {}
poll.register(listener, select.EPOLLIN)


def accept():
    client, _ = listener.accept()
    pair = client, socket.create_connection(UPSTREAM)
    for sock, other in (pair, pair[::-1]):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(sock, select.EPOLLIN)
        ways[sock.fileno()] = sock.recv, other.send
        pairs[sock.fileno()] = pair


def end(fd):
    for sock in pairs[fd]:
        del ways[sock.fileno()], pairs[sock.fileno()]
        sock.close()


while True:
    for fd, _ in poll.poll():
        if fd in ways:
            receive, send = ways[fd]
            try:
                data = receive(65536)
                if data:
                    send(data)
                    continue
            except OSError:
                pass
            end(fd)
        elif fd == listener.fileno():
            accept()
"""
"""Nothing but what any relay in Python does: one `recv` and one `send` for what came."""


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

    def memory_bytes(self) -> int:
        """What it holds now."""
        return 0 if self.process is None else int(self.process.memory_info().rss)


@contextmanager
def paceline(folder: Path, engine: int, *, busy: bool = False) -> Iterator[Proxy]:
    """Our gateway with everything on and nothing that a limit would refuse."""
    folder /= "busy" if busy else "ours"
    folder.mkdir()
    plenty = 10**9
    rule = key_rule(
        requests_per_min=plenty, tokens_per_min=plenty, concurrency=plenty, budget_left_usd=1e9
    )
    polling = ("--busy-poll",) if busy else ()
    with running_gateway(folder, "--pulse-s", "0.25", *polling) as running:
        running.serve(endpoint(replica(f"http://127.0.0.1:{engine}", capacity=5_000)), keys=(rule,))
        process = psutil.Process(running.process.pid)
        own_core(process)
        with listening(running.control):
            yield Proxy(name=BUSY if busy else OURS, port=running.port, process=process)


@contextmanager
def listening(control: GatewayControl) -> Iterator[None]:
    """Take the pulses, as a supervisor does; the gateway would keep them for one that does not."""
    over = threading.Event()

    def listen() -> None:
        while not over.is_set():
            control.receive(0.5)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def haproxy(folder: Path, engine: int) -> Iterator[Proxy]:
    """HAProxy that only passes on."""
    does = f"default_backend b\nbackend b\n  server s 127.0.0.1:{engine}"
    with haproxy_process(folder, "peer", does) as (port, process):
        own_core(process)
        yield Proxy(name=HAPROXY_NAME, port=port, process=process)


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
def relay(folder: Path, engine: int) -> Iterator[Proxy]:
    """The floor of a relay in Python: it passes bytes on and reads none."""
    script, port = folder / "relay.py", free_port()
    script.write_text(RELAY)
    with child([sys.executable, str(script), str(engine), str(port)]) as process:
        wait_for(port)
        own_core(process)
        yield Proxy(name=FLOOR, port=port, process=process)


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
