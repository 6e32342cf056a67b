"""Malformed and smuggled requests: refused, and never seen by an engine.

The cases are data: `send` in Latin-1 with KEY for a valid key, and the status of each answer
before the gateway closes. Nearly all carry a chat that an engine would answer, were it reached.
"""

import json
import random
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from paceline.testing.gateway import (
    KEY,
    PATIENCE_S,
    RunningGateway,
    chat_body,
    endpoint,
    replica,
    running_gateway,
)
from paceline.testing.golden_server.launch import Golden, golden_server

pytestmark = pytest.mark.enable_socket

CORPUS = Path(__file__).parents[1] / "golden/gateway/malformed.jsonl"
CASES: list[dict[str, Any]] = [json.loads(line) for line in CORPUS.read_text().splitlines()]
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
FUZZED, FUZZED_LONG = 500, 10_000


@pytest.fixture(scope="module")
def golden() -> Iterator[Golden]:
    with golden_server("--ttft-ms", "0", "--itl-ms", "0", "--model", "golden") as server:
        yield server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, golden: Golden) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("gateway")
    short = ("--header-timeout-s", "0.3", "--body-timeout-s", "0.3", "--keep-alive-s", "1")
    with running_gateway(folder, *short) as running:
        running.serve(endpoint(replica(golden.url)))
        yield running


def test_the_corpus_is_large() -> None:
    assert len(CASES) >= 150


def test_no_malformed_request_reaches_an_engine(gateway: RunningGateway, golden: Golden) -> None:
    """All at once: those that leave the gateway waiting for more take their time-out."""
    golden.clear()

    def statuses(case: dict[str, Any]) -> list[int]:
        sent = case["send"].replace("KEY", KEY).encode("latin-1")
        return [int(status) for status in STATUS.findall(gateway.raw(sent))]

    with ThreadPoolExecutor(16) as threads:
        answered = list(threads.map(statuses, CASES))
    wrong = [
        (case["name"], case["answers"], seen)
        for case, seen in zip(CASES, answered, strict=True)
        if seen not in (case["answers"], [408])
    ]
    assert not wrong, "\n".join(str(case) for case in wrong)
    assert golden.entries() == []
    assert gateway.ask().status == 200


def test_nor_does_one_behind_a_good_request_whose_head_is_known(
    gateway: RunningGateway, golden: Golden
) -> None:
    golden.clear()
    body = json.dumps(chat_body()).encode()
    good = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body

    asked: list[bytes] = []

    def attempt(sent: bytes) -> bytes:
        """What came behind the good answer; nothing where the gateway took us for idle."""
        asked.append(sent)
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S) as sock:
            sock.sendall(good)
            came = b""
            while not came.endswith(b"}"):
                data = sock.recv(65_536)
                assert data, came
                came += data
            assert b" 200 OK" in came
            behind = b""
            with suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(sent)
                while data := sock.recv(65_536):
                    behind += data
            return behind

    def statuses(case: dict[str, Any]) -> list[int]:
        sent = case["send"].replace("KEY", KEY).encode("latin-1")
        behind = next((came for came in (attempt(sent) for _ in range(5)) if came), b"")
        return [int(status) for status in STATUS.findall(behind)]

    with ThreadPoolExecutor(16) as threads:
        answered = list(threads.map(statuses, CASES))
    wrong = [
        (case["name"], case["answers"], seen)
        for case, seen in zip(CASES, answered, strict=True)
        if seen not in (case["answers"], [408])
    ]
    assert not wrong, "\n".join(str(case) for case in wrong)
    assert len(golden.entries()) == len(asked), "the good ones"


def fuzzed(rng: random.Random) -> bytes:
    """A good request with some bytes, headers or fields gone wrong."""
    body = json.dumps(chat_body(**{_name(rng): _value(rng) for _ in range(rng.randrange(3))}))
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        "Host: a",
        f"Authorization: Bearer {KEY}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    for _ in range(rng.randrange(3)):
        at = rng.randrange(1, len(head))
        head[at:at] = (
            [rng.choice(head)] if rng.random() < 0.5 else [f"X-{_name(rng)}: {_name(rng)}"]
        )
    data = bytearray(("\r\n".join(head) + "\r\n\r\n" + body).encode())
    for _ in range(rng.choice((0, 0, 0, 1, 1, 8))):
        at = rng.randrange(len(data))
        match rng.randrange(3):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randrange(1, 9)]
            case _:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(data[: rng.randrange(len(data))] if rng.random() < 0.05 else data)


def _name(rng: random.Random) -> str:
    known = ("model", "messages", "stream", "n", "max_tokens", "stream_options", "tools", "x")
    return rng.choice(known)


def _value(rng: random.Random, depth: int = 0) -> Any:
    if depth < 3 and rng.random() < 0.3:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(3))]
    return rng.choice((None, True, False, 0, -1, 99, 1e308, "", "demo", "\ud800", {}, []))


@pytest.mark.parametrize("count", [FUZZED, pytest.param(FUZZED_LONG, marks=pytest.mark.long)])
def test_fuzzed_requests_meet_no_fault_of_ours_and_leave_nothing(
    gateway: RunningGateway, count: int
) -> None:
    process = psutil.Process(gateway.process.pid)
    gateway.ask()
    before_bytes, before_fds = process.memory_info().rss, process.num_fds()

    def statuses(seed: int) -> list[int]:
        answer = gateway.raw(fuzzed(random.Random(seed)), half_close=seed % 8 == 0)
        return [int(status) for status in STATUS.findall(answer)]

    with ThreadPoolExecutor(16) as threads:
        seen = [status for found in threads.map(statuses, range(count)) for status in found]
    assert {status for status in seen if status >= 500} == set()
    assert seen.count(200) > count / 20 and seen.count(400) > count / 20
    page = gateway.settled()
    assert "paceline_gateway_buffered_bytes 0" in page
    deadline_s = time.monotonic() + PATIENCE_S
    while process.num_fds() > before_fds + 4 and time.monotonic() < deadline_s:
        time.sleep(0.02)  # until it has heard of the last that hung up
    assert process.num_fds() <= before_fds + 4
    assert process.memory_info().rss < before_bytes + 32 * 2**20


def test_a_connection_that_says_nothing_costs_only_its_socket(gateway: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)):
        gateway.settled()
        assert gateway.ask().status == 200
