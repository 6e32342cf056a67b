"""Start the gateway as a program of its own, with a table that says what a test needs.

Its pulse is ten times faster than usual, so that tests need not wait for it.
"""

import hashlib
import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from paceline.deploy.gateway.control import GatewayControl
from paceline.deploy.gateway.routes import ROUTES
from paceline.deploy.gateway.spool_reader import Position, read_spool
from paceline.records.gateway import EndpointRoute, KeyRule, Pulse, ReplicaRoute, Table, UsageLine

KEY = "pl_live_" + "5a" * 32
PATIENCE_S = 10.0
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
            Table(revision=self._revision, endpoints=endpoints, keys=rules, **table)
        )
        self.pulse(lambda pulse: pulse.revision == self._revision)

    def pulse(self, wanted: Any = lambda _: True) -> Pulse:
        """The next pulse that is wanted."""
        while (said := self.control.receive(PATIENCE_S)) is not None:
            if isinstance(said, Pulse) and wanted(said):
                return said
        raise AssertionError(f"no such pulse in {PATIENCE_S:g} s")

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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        sent = dict(headers)
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        if body is None and method == "POST":
            body = chat_body(**fields)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, said, answer.read())
        finally:
            connection.close()

    def raw(self, data: bytes, *, half_close: bool = False) -> bytes:
        """Send bytes as they are; all that comes back until the gateway closes or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2.0) as sock:
            sock.sendall(data)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
            came = b""
            try:
                while data := sock.recv(65_536):
                    came += data
            except (TimeoutError, ConnectionResetError):
                pass
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
def running_gateway(folder: Path, *options: str) -> Iterator[RunningGateway]:
    """`python -m paceline.deploy.gateway OPTIONS` on a free port, until the exit."""
    state, path = folder / "state", folder / "c.sock"
    argv = [sys.executable, "-m", "paceline.deploy.gateway", "--port", "0"]
    argv += ["--control", str(path), "--state", str(state), "--pulse-s", "0.02", *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:  # noqa: S603 - our module
        try:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            assert said, f"the gateway did not start: {argv}"
            with GatewayControl.connect(path) as control:
                yield RunningGateway(process, int(said[-1]), control, state)
        finally:
            process.kill()
            process.wait(timeout=PATIENCE_S)
