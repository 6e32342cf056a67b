"""What clients see, and what is accounted, when engines or clients fail."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path

import numpy as np
import pytest
from tests.held_port import held_port

from paceline.deploy.gateway.breaker import FAILURES_IN_A_ROW, FIRST_EJECTION_S
from paceline.deploy.gateway.control import GatewayControl, GatewayGone
from paceline.records.gateway import Ended
from paceline.testing.gateway import (
    CHAT,
    KEY,
    PATIENCE_S,
    RunningGateway,
    chat_body,
    endpoint,
    key_rule,
    replica,
    running_gateway,
)
from paceline.testing.golden_server.launch import Golden, golden_server
from paceline.testing.golden_server.settings import Fault

pytestmark = pytest.mark.enable_socket

QUICK = ("--ttft-ms", "2", "--itl-ms", "1", "--model", "golden")
FLOOD = ("--ttft-ms", "1", "--itl-ms", "0.001", "--tokens-per-chunk", "200", "--model", "golden")
SHORT = ("--header-timeout-s", "0.3", "--body-timeout-s", "0.3", "--client-stall-s", "0.5")
ALIVE = ("--sse-keep-alive-s", "0.1")
OPENSSL = shutil.which("openssl")
NEEDS_OPENSSL = pytest.mark.skipif(OPENSSL is None, reason="makes its certificate with openssl")
REPLICA = "x-paceline-replica"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def golden() -> Iterator[Golden]:
    with golden_server(*QUICK) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(folder, *SHORT, *ALIVE) as running:
        yield running


def http(body: bytes, *, head: str = "") -> bytes:
    """A request as bytes."""
    return (
        f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n{head}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def stream_of(tokens: int) -> bytes:
    """A request for a stream."""
    return http(json.dumps(chat_body(stream=True, max_tokens=tokens)).encode())


def certificate(folder: Path) -> Path:
    """One for localhost, with its key in the same file."""
    path = folder / "cert.pem"
    argv = [str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    argv += ["-keyout", str(path), "-out", str(path), "-subj", "/CN=localhost"]
    argv += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(argv, check=True, capture_output=True)
    return path


def secured(sock: socket.socket, cert: Path) -> ssl.SSLSocket:
    """TLS over it."""
    context = ssl.create_default_context(cafile=cert)
    return context.wrap_socket(sock, server_hostname="localhost")


def read_until(sock: socket.socket, enough: Callable[[bytes], bool]) -> bytes:
    """What came until it is enough; the connection must not end before."""
    sock.settimeout(PATIENCE_S)
    came = b""
    while not enough(came):
        data = sock.recv(65_536)
        assert data, came
        came += data
    return came


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.005)


def ended(came: bytes) -> bool:
    """Whether a chunked answer is whole."""
    return came.endswith(b"0\r\n\r\n")


class TestEngines:
    @pytest.mark.parametrize(
        "fault",
        [
            *(Fault.RESET, Fault.TRUNCATED, Fault.CUT),
            *(Fault.GARBAGE, Fault.BAD_EVENT, Fault.STREAM_ERROR),
        ],
    )
    def test_a_stream_that_breaks_off_ends_with_an_error_event(
        self, gateway: RunningGateway, fault: Fault
    ) -> None:
        with golden_server(*QUICK, "--fault", fault.value, "--fault-after", "2") as broken:
            gateway.serve(endpoint(replica(broken.url)))
            reply = gateway.ask(stream=True, max_tokens=6)
            line = gateway.usage()[-1]
            if fault is Fault.GARBAGE:  # at once: the client has seen nothing yet
                assert (reply.status, reply.code) == (502, "engine_failed")
                return
            assert reply.status == 200
            assert reply.events[-1]["error"]["code"] == "engine_failed"
            assert not reply.body.endswith(b"[DONE]\n\n")
            assert (line.ended, line.output_tokens) == (Ended.FAILED, 2)

    @pytest.mark.parametrize("fault", [Fault.HTTP_500, Fault.HTTP_503, Fault.HTTP_429])
    @pytest.mark.parametrize("stream", [True, False])
    def test_another_replica_answers_when_one_fails(
        self, gateway: RunningGateway, golden: Golden, fault: Fault, stream: bool
    ) -> None:
        with golden_server(*QUICK, "--fault", fault.value) as broken:
            bad = replica(broken.url, "bad", version=2)
            gateway.serve(endpoint(bad, replica(golden.url, "good")))
            before = len(gateway.usage())
            replies = [gateway.ask(stream=stream) for _ in range(6)]
            assert [reply.status for reply in replies] == [200] * 6
            lines = gateway.usage()[before:]
            moved = {
                (line.replica_id, line.failed_version)
                for line in lines
                if line.ended is Ended.MOVED
            }
            assert moved == {("good", 2)}
            ends = [line.ended for line in lines if line.ended is not Ended.MOVED]
            assert ends == [Ended.BEGAN, Ended.OK] * 6, "tried twice, begun once"

    def test_an_engine_that_is_alone_and_fails_is_502(self, gateway: RunningGateway) -> None:
        with golden_server(*QUICK, "--fault", "500") as broken:
            gateway.serve(endpoint(replica(broken.url)))
            assert [gateway.ask().code for _ in range(5)] == ["engine_failed"] * 5

    def test_all_replicas_down_is_502_for_everyone(self, gateway: RunningGateway) -> None:
        gateway.serve(endpoint(replica(NOBODY, "one"), replica(NOBODY, "two")))
        assert {gateway.ask().status for _ in range(8)} == {502}
        out = re.findall(r"^paceline_gateway_replica_ejected{.*} (\d)$", gateway.metrics(), re.M)
        assert sorted(out) in (["0", "0"], ["0", "1"]), "at most half are put out"

    def test_an_engine_that_stalls_before_its_answer_is_504(self, gateway: RunningGateway) -> None:
        with golden_server("--ttft-ms", "600000", "--model", "golden") as slow:
            one = replica(slow.url)
            gateway.serve(endpoint(one, first_byte_timeout_s=0.2, answer_timeout_s=0.3))
            for stream in (True, False):
                reply = gateway.ask(stream=stream)
                assert (reply.status, reply.code) == (504, "engine_timeout")

    def test_an_engine_that_stalls_within_a_stream_ends_it(self, gateway: RunningGateway) -> None:
        with golden_server(*QUICK, "--fault", "stall") as stalled:
            gateway.serve(endpoint(replica(stalled.url), idle_timeout_s=1.5))
            reply = gateway.ask(stream=True, max_tokens=9)
            assert reply.events[-1]["error"]["code"] == "engine_timeout"
            assert b": keep-alive\n\n" in reply.body

    def test_an_engine_killed_within_a_stream_ends_it_with_an_error_event(
        self, gateway: RunningGateway
    ) -> None:
        with golden_server("--ttft-ms", "2", "--itl-ms", "50", "--model", "golden") as killed:
            gateway.serve(endpoint(replica(killed.url)))
            with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
                sock.sendall(stream_of(1000))
                came = read_until(sock, lambda data: data.count(b" word") >= 2)
                killed.process.kill()
                came += read_until(sock, ended)
            assert b"engine_failed" in came
            assert gateway.usage()[-1].output_tokens == came.count(b" word") >= 2

    def test_a_connection_that_the_engine_closed_meanwhile_is_no_failure(
        self, gateway: RunningGateway
    ) -> None:
        with golden_server(*QUICK, "--fault", "close") as closing:
            gateway.serve(endpoint(replica(closing.url)))
            assert [gateway.ask(stream=True).status for _ in range(5)] == [200] * 5

    def test_nor_is_it_while_requests_wait_for_that_one_replica(
        self, gateway: RunningGateway
    ) -> None:
        """As llama.cpp does, full: each waiting request gets the connection just left."""
        with golden_server(*QUICK, "--fault", "close") as closing:
            gateway.serve(endpoint(replica(closing.url, capacity=2)))
            before = len(gateway.usage())
            with ThreadPoolExecutor(12) as threads:
                asked = [threads.submit(gateway.ask, stream=n % 3 > 0) for n in range(60)]
            assert [one.result().status for one in asked] == [200] * 60
            ends = [line.ended for line in gateway.usage()[before:]]
            assert ends.count(Ended.BEGAN) == ends.count(Ended.OK) == 60 == len(ends) / 2

    def test_split_writes_and_slow_headers_change_nothing(self, gateway: RunningGateway) -> None:
        whole = None
        for options in ((), ("--split-writes",), ("--fault", "slow-headers")):
            with golden_server(*QUICK, *options) as server:
                gateway.serve(endpoint(replica(server.url)))
                body = gateway.ask(stream=True, max_tokens=5).body
                whole = whole or body
                assert body == whole

    def test_an_engine_that_does_not_stream_is_passed_on(self, gateway: RunningGateway) -> None:
        with golden_server(*QUICK, "--no-stream") as plain:
            gateway.serve(endpoint(replica(plain.url)))
            assert gateway.ask(stream=True).document["model"] == "demo"


class TestClients:
    def test_a_client_that_leaves_at_any_byte_leaves_nothing_behind(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        gateway.serve(endpoint(replica(golden.url)))
        request = stream_of(20)
        answer = gateway.raw(request.replace(b"Host: a", b"Host: a\r\nConnection: close"))
        for sent in range(0, len(request), 7):
            with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
                sock.sendall(request[:sent])
        for taken in range(1, len(answer) - 100, 90):
            with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
                sock.sendall(request)
                sock.settimeout(PATIENCE_S)
                left = taken
                while left > 0 and (data := sock.recv(left)):
                    left -= len(data)
        page = gateway.settled()
        assert "paceline_gateway_buffered_bytes 0" in page
        lines = gateway.usage()
        begun = {line.request_id for line in lines if line.ended is Ended.BEGAN}
        under_way = {Ended.BEGAN, Ended.MOVED}
        ends = [line.request_id for line in lines if line.ended not in under_way]
        assert begun <= set(ends) and len(ends) == len(set(ends)), "each ends, and once"
        assert any(line.ended is Ended.ABORTED for line in lines)

    def test_an_abort_closes_the_engines_connection_and_counts_what_passed(
        self, gateway: RunningGateway
    ) -> None:
        options = ("--ttft-ms", "2", "--itl-ms", "20", "--model", "golden", "--log-chunks")
        with golden_server(*options) as server:
            gateway.serve(endpoint(replica(server.url)), keys=(key_rule(),))
            with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
                sock.sendall(stream_of(1000))
                read_until(sock, lambda data: data.count(b" word") >= 4)
            gateway.settled()
            line = gateway.usage()[-1]
            assert line.ended is Ended.ABORTED and line.input_tokens > 0
            until(lambda: server.entries()[0]["ended"] == "client gone")
            assert 4 <= line.output_tokens <= len(server.entries()[0]["chunks_ns"]) < 1000

    def test_a_slow_reader_pauses_the_engine_and_is_cut_off(self, gateway: RunningGateway) -> None:
        with golden_server(*FLOOD) as fast:
            gateway.serve(endpoint(replica(fast.url)))
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.connect(("127.0.0.1", gateway.port))
                sock.sendall(stream_of(20_000_000))
                gateway.pulse(lambda pulse: pulse.endpoints[0].in_flight == 1)
                gateway.settled()
            line = gateway.usage()[-1]
            assert line.ended is Ended.ABORTED
            assert line.output_tokens < 10_000_000, "the engine was not read to its end"

    @pytest.mark.parametrize("tls", [False, pytest.param(True, marks=NEEDS_OPENSSL)])
    def test_a_slow_reader_that_takes_something_goes_on(self, tmp_path: Path, tls: bool) -> None:
        cert = certificate(tmp_path) if tls else None
        options = () if cert is None else ("--tls-cert", str(cert))
        with (
            running_gateway(tmp_path, "--client-stall-s", "1", *options) as slow,
            golden_server(*FLOOD) as server,
            socket.socket() as plain,
        ):
            slow.serve(endpoint(replica(server.url)))
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.connect(("127.0.0.1", slow.port))
            sock = plain if cert is None else secured(plain, cert)
            sock.settimeout(PATIENCE_S)
            sock.sendall(stream_of(20_000_000))
            until_s = time.monotonic() + 3.0
            while time.monotonic() < until_s:
                sock.recv(1024)
                time.sleep(0.05)
            assert slow.usage()[-1].ended is Ended.BEGAN, "it was not cut off"
            sock.close()
            slow.settled()
            assert slow.usage()[-1].output_tokens < 10_000_000, "and the engine waited for it"

    @pytest.mark.parametrize(
        "partial", [b"POST /v1/chat/comp", http(b"x" * 10)[:-5]], ids=["header", "body"]
    )
    def test_a_slow_writer_is_408(self, gateway: RunningGateway, partial: bytes) -> None:
        assert gateway.raw(partial).startswith(b"HTTP/1.1 408 ")

    def test_pipelined_requests_are_answered_in_order(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        gateway.serve(endpoint(replica(golden.url)))
        body = b'{"model":"demo","messages":[{"content":"a"}]}'
        requests = [http(body, head=f"X-Request-Id: number-{number}\r\n") for number in range(5)]
        answer = gateway.raw(b"".join(requests) + b"GARBAGE\r\n\r\n")
        places = [answer.index(b"x-request-id: number-%d" % number) for number in range(5)]
        assert places == sorted(places)
        assert answer.count(b"HTTP/1.1 200 ") == 5 and answer.count(b"HTTP/1.1 400 ") == 1

    def test_too_many_pipelined_requests_are_refused_cleanly(self, gateway: RunningGateway) -> None:
        answer = gateway.raw(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
        assert answer.count(b"HTTP/1.1 200 ") == 16 and b"too_many_pipelined" in answer

    @pytest.mark.parametrize(
        "data",
        [
            http(b"")[:-2] + b"X: " + b"a" * 40_000 + b"\r\n\r\n",
            http(b"")[:-2] + b"X: a\r\n" * 200 + b"\r\n",
            http(b"").replace(b"Length: 0", b"Length: 99999999"),
        ],
        ids=["long header", "many headers", "large body"],
    )
    def test_what_is_too_large_is_413(self, gateway: RunningGateway, data: bytes) -> None:
        assert gateway.raw(data).startswith(b"HTTP/1.1 413 ")


class TestProcess:
    def test_a_table_swap_breaks_no_stream(self, gateway: RunningGateway, golden: Golden) -> None:
        """200 streams on one replica end whole while it drains and goes and another comes."""
        with golden_server("--ttft-ms", "2", "--itl-ms", "15", "--model", "golden") as old:
            gateway.serve(endpoint(replica(old.url, "old")))
            old.process.send_signal(
                signal.SIGSTOP
            )  # so that all are in flight, however long it takes
            with ExitStack() as stack:
                sockets = [
                    stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
                    for _ in range(200)
                ]
                for sock in sockets:
                    sock.sendall(stream_of(60))
                gateway.pulse(lambda pulse: pulse.endpoints[0].in_flight == 200)
                new = replica(golden.url, "new")
                gateway.serve(endpoint(replica(old.url, "old", draining=True), new))
                old.process.send_signal(signal.SIGCONT)
                began = read_until(sockets[0], lambda came: b" word" in came)
                gateway.serve(endpoint(new))
                assert gateway.ask().headers["x-paceline-replica"] == "new"
                answers = [began, *[b""] * 199]
                for sock, before in zip(sockets, answers, strict=True):
                    came = before if ended(before) else before + read_until(sock, ended)
                    assert came.count(b" word") == 60 and b"[DONE]" in came

    def test_a_killed_gateway_has_lost_no_usage_and_serves_on_by_its_last_table(
        self, tmp_path: Path, golden: Golden
    ) -> None:
        with running_gateway(tmp_path) as first:
            first.serve(endpoint(replica(golden.url)))
            assert [first.ask().status for _ in range(5)] == [200] * 5
            os.kill(first.process.pid, signal.SIGKILL)
            first.process.wait()
            with pytest.raises(GatewayGone):
                first.pulse(lambda _: False)
        with running_gateway(tmp_path) as second:
            assert second.ask().status == 200
            ended = [line for line in second.usage() if line.ended is Ended.OK]
            assert len(ended) == 6 and {line.output_tokens for line in ended} == {3}
            assert len({line.request_id for line in ended}) == 6

    @pytest.mark.parametrize("after", [1, 17, 40])
    def test_killed_under_load_it_has_written_every_answer_that_anyone_read(
        self, tmp_path: Path, golden: Golden, after: int
    ) -> None:
        answered: set[str] = set()

        def ask(gateway: RunningGateway, stream: bool) -> None:
            with suppress(OSError, HTTPException):
                while True:
                    reply = gateway.ask(stream=stream)
                    if not stream or reply.body.endswith(b"data: [DONE]\n\n"):
                        answered.add(reply.headers["x-request-id"])

        with running_gateway(tmp_path) as gateway:
            gateway.serve(endpoint(replica(golden.url)))
            with ThreadPoolExecutor(8) as threads:
                asking = [threads.submit(ask, gateway, bool(one % 2)) for one in range(8)]
                try:
                    until(lambda: len(answered) >= after)
                finally:  # ends the asking
                    os.kill(gateway.process.pid, signal.SIGKILL)
            for one in asking:
                one.result()
            written = [line.request_id for line in gateway.usage() if line.ended is Ended.OK]
        assert answered <= set(written)
        assert len(written) == len(set(written))

    def test_sigterm_lets_streams_end(self, tmp_path: Path) -> None:
        with (
            golden_server("--ttft-ms", "2", "--itl-ms", "10", "--model", "golden") as server,
            running_gateway(tmp_path) as ending,
        ):
            ending.serve(endpoint(replica(server.url)))
            idle = socket.create_connection(("127.0.0.1", ending.port))
            with socket.create_connection(("127.0.0.1", ending.port)) as sock, idle:
                sock.sendall(stream_of(30))
                came = read_until(sock, lambda data: b" word" in data)
                ending.process.terminate()
                if not ended(came):
                    came += read_until(sock, ended)
                assert b"[DONE]" in came
            assert ending.process.wait(timeout=PATIENCE_S) == 0

    def test_the_connection_cap_is_503(self, tmp_path: Path) -> None:
        with running_gateway(tmp_path, "--max-connections", "2") as narrow:
            held = [socket.create_connection(("127.0.0.1", narrow.port)) for _ in range(2)]
            assert b"too_many_connections" in narrow.raw(b"")
            for sock in held:
                sock.close()

    def test_garbage_on_the_control_socket_harms_nobody(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        gateway.serve(endpoint(replica(golden.url)))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(gateway.state.parent / "c.sock"))
            sock.sendall(b'{"table": {"revision": "x"}}\n')
            while sock.recv(65_536):
                pass
        with GatewayControl.connect(gateway.state.parent / "c.sock") as another:
            assert another.receive(PATIENCE_S) is not None
        assert gateway.ask(**chat_body()).status == 200

    @NEEDS_OPENSSL
    def test_tls_by_option(self, tmp_path: Path, golden: Golden) -> None:
        cert = certificate(tmp_path)
        with running_gateway(tmp_path, "--tls-cert", str(cert), "--tls-key", str(cert)) as secure:
            secure.serve(endpoint(replica(golden.url)))
            with (
                socket.create_connection(("127.0.0.1", secure.port)) as plain,
                secured(plain, cert) as sock,
            ):
                sock.sendall(stream_of(5))
                came = b""
                while not came.endswith(b"0\r\n\r\n"):
                    came += sock.recv(4096)
                assert came.count(b" word") == 5
                sock.sendall(b"BAD\r\n\r\n")
                assert sock.recv(4096).startswith(b"HTTP/1.1 400 ")

    def test_a_second_gateway_in_the_same_folder_is_refused(self, gateway: RunningGateway) -> None:
        argv = [sys.executable, "-m", "paceline.deploy.gateway", "--port", "0"]
        argv += ["--control", str(gateway.state / "other.sock"), "--state", str(gateway.state)]
        second = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert second.returncode == 3 and "[address-in-use]" in second.stderr


class TestBreaker:
    def test_a_dead_replica_is_put_out_and_comes_back(self, gateway: RunningGateway) -> None:
        with held_port() as number, golden_server(*QUICK) as good:
            port = ("--port", str(number))
            with golden_server(*QUICK, *port, "--fault", "500") as bad:
                gateway.serve(endpoint(replica(bad.url, "dead"), replica(good.url, "alive")))
                assert {gateway.ask().status for _ in range(20)} == {200}
                gateway.pulse(lambda pulse: any(one.ejected for one in pulse.replicas))
                assert {gateway.ask().status for _ in range(10)} == {200}
                asked_ns = [entry["received_ns"] for entry in bad.entries()]
                assert len(asked_ns) >= FAILURES_IN_A_ROW
                out_ns = np.diff(asked_ns[FAILURES_IN_A_ROW - 1 :])
                assert (out_ns >= FIRST_EJECTION_S * 1e9).all(), "nothing is sent while it is out"
            with golden_server(*QUICK, *port):
                gateway.pulse(lambda pulse: gateway.ask().headers[REPLICA] == "dead")
                gateway.pulse(lambda pulse: not any(one.ejected for one in pulse.replicas))
