"""Start the gateway as a program of its own, with a table that says what a test needs.

Its pulse is ten times faster than usual, so that tests need not wait for it.
"""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import orjson

from paceline.deploy.compiled import INTERPRETED
from paceline.deploy.gateway.control import GatewayControl
from paceline.deploy.gateway.routes import ROUTES
from paceline.deploy.gateway.spool_reader import Position, read_spool
from paceline.records.gateway import (
    EndpointRoute,
    KeyRule,
    Pulse,
    ReplicaRoute,
    Table,
    UsageLine,
    Wake,
)

S = TypeVar("S", Pulse, Wake)
KEY = "pl_live_" + "5a" * 32
PATIENCE_S = 60.0
"""What may take long on a busy machine; only a test that fails waits for it."""
CHAT = "/v1/chat/completions"


def key_rule(key: str = KEY, **changes: Any) -> KeyRule:
    """The rule of a key without limits, with the changes."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return replace(KeyRule(digest=digest, key_id=digest[:8], workspace="main"), **changes)


def replica(url: str, replica_id: str = "r1", **changes: Any) -> ReplicaRoute:
    """A replica at a golden server's URL."""
    host, port = url.removeprefix("http://").split(":")
    made = ReplicaRoute(
        replica_id=replica_id,
        host=host,
        port=int(port),
        model_name="golden",
        version=1,
        capacity=1_000,
        admitted_at_s=0.0,
    )
    return replace(made, **changes)


def endpoint(*replicas: ReplicaRoute, name: str = "demo", **changes: Any) -> EndpointRoute:
    """An endpoint that serves every route."""
    made = EndpointRoute(
        name=name,
        workspace="main",
        version=1,
        routes=tuple(route.path for route in ROUTES.values()),
        replicas=replicas,
    )
    return replace(made, **changes)


class RunningGateway:
    """A gateway process, and what a test does to it."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, control: GatewayControl, state: Path
    ) -> None:
        self.process = process
        self.port = port
        self.control = control
        self.state = state
        self._revision = 0

    @property
    def url(self) -> str:
        """As clients of OpenAI want it."""
        return f"http://127.0.0.1:{self.port}/v1"

    def serve(
        self, *endpoints: EndpointRoute, keys: tuple[KeyRule, ...] | None = None, **table: Any
    ) -> None:
        """Send a table and wait until it is in force."""
        self._revision += 1
        rules = (key_rule(),) if keys is None else keys
        self.control.send_table(
            Table(revision=self._revision, endpoints=endpoints, keys=rules, **table),
            timeout_s=PATIENCE_S,
        )
        self.pulse(lambda pulse: pulse.revision == self._revision)

    def pulse(self, wanted: Callable[[Pulse], object]) -> Pulse:
        """The next pulse that is wanted. It may have been taken long before this call."""
        return self._said(Pulse, wanted)

    def wake(self) -> Wake:
        """The next call for a replica."""
        return self._said(Wake, lambda _: True)

    def _said(self, kind: type[S], wanted: Callable[[S], object]) -> S:
        deadline_s = time.monotonic() + PATIENCE_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            said = self.control.receive(left_s)
            if isinstance(said, kind) and wanted(said):
                return said
        raise AssertionError(f"no such {kind.__name__} in {PATIENCE_S:g} s")

    def metrics(self) -> str:
        """The page for Prometheus, of now."""
        return self.control.metrics(timeout_s=PATIENCE_S)

    def settled(self) -> str:
        """Wait until no request is in progress, and return the page that says so.

        A pulse would not do: the next one may be older than the last request.
        """
        deadline_s = time.monotonic() + PATIENCE_S
        while "paceline_gateway_requests_in_progress 0\n" not in (page := self.metrics()):
            assert time.monotonic() < deadline_s, page
            time.sleep(0.005)
        return page

    def ask(
        self,
        body: Any = None,
        *,
        path: str = CHAT,
        key: str | None = KEY,
        headers: Mapping[str, str] = {},
        method: str = "POST",
        **fields: Any,
    ) -> "Reply":
        """One request on a connection of its own; without a body, a small chat with `fields`."""
        if body is None and method == "POST":
            body = chat_body(**fields)
        with closing(self.begin(body, path=path, key=key, headers=headers, method=method)) as sent:
            answer = sent.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, said, answer.read())

    def begin(
        self,
        body: Any = None,
        *,
        path: str = CHAT,
        key: str | None = KEY,
        headers: Mapping[str, str] = {},
        method: str = "POST",
    ) -> http.client.HTTPConnection:
        """Send a request, its answer to be read or left."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        sent = dict(headers)
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, sent)
        except OSError:
            connection.close()
            raise
        return connection

    def raw(self, data: bytes, *, half_close: bool = False) -> bytes:
        """Send bytes as they are; all that comes back until the gateway closes.

        It closes what stays idle after `--keep-alive-s`.
        """
        came = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as sock:
            with suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(data)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while data := sock.recv(65_536):
                    came += data
        return came

    def usage(self) -> list[UsageLine]:
        """All lines of the spool so far."""
        lines: list[UsageLine] = []
        position = Position()
        while (read := read_spool(self.state, position)).lines:
            assert read.unreadable == 0
            lines += read.lines
            position = read.position
        return lines


class Reply:
    """An answer that is whole."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def document(self) -> Any:
        """Its JSON."""
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error."""
        code: str = self.document["error"]["code"]
        return code

    @property
    def events(self) -> list[Any]:
        """The events of a stream but `[DONE]`."""
        data = [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return [orjson.loads(one) for one in data if one != b"[DONE]"]


def chat_body(**fields: Any) -> dict[str, Any]:
    """A chat of two words that asks for three tokens."""
    messages = [{"role": "user", "content": "two words"}]
    return {"model": "demo", "max_tokens": 3, "messages": messages, **fields}


@contextmanager
def running_gateway(
    folder: Path, *options: str, interpreted: bool = False
) -> Iterator[RunningGateway]:
    """`python -m paceline.deploy.gateway OPTIONS` on a free port, until the exit.

    It is the compiled one, where there is one for these sources, unless it shall be `interpreted`.
    """
    state, path = folder / "state", folder / "c.sock"
    argv = [sys.executable, "-m", "paceline.deploy.gateway", "--port", "0"]
    argv += ["--control", str(path), "--state", str(state), "--pulse-s", "0.02", *options]
    env = {**os.environ, INTERPRETED: "1" if interpreted else ""}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=env) as process:  # noqa: S603 - ours
        try:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            assert said, f"the gateway did not start: {argv}"
            with GatewayControl.connect(path, timeout_s=PATIENCE_S) as control:
                yield RunningGateway(process, int(said[-1]), control, state)
        finally:
            process.kill()
            process.wait(timeout=PATIENCE_S)
