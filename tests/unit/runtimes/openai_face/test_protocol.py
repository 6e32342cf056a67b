"""HTTP as bytes in and bytes out, without a socket."""

import asyncio
from typing import cast

import pytest

from paceline.runtimes.openai_face import protocol
from paceline.runtimes.openai_face.protocol import HttpProtocol, HttpRequest, Reply


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.out = b""
        self.closed = False
        self.unread = 0

    def write(self, data: bytes) -> None:
        self.out += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unread


class Connection:
    """One client's connection and what the handler saw."""

    def __init__(self) -> None:
        self.seen: list[HttpRequest] = []
        self.replies: list[Reply] = []
        self.wire = Wire()
        self.open: set[HttpProtocol] = set()
        self.http = HttpProtocol(self.handle, self.open)
        self.http.connection_made(cast("asyncio.Transport", self.wire))

    def handle(self, request: HttpRequest, reply: Reply) -> None:
        self.seen.append(request)
        self.replies.append(reply)

    def send(self, data: bytes) -> None:
        self.http.data_received(data)


@pytest.fixture
def client() -> Connection:
    return Connection()


def get(path: bytes = b"/health", headers: bytes = b"") -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n"


def test_reads_a_request_that_arrives_byte_by_byte(client: Connection) -> None:
    body = b'{"a": 1}'
    data = b"POST /v1/x?y=1 HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n" + body
    for index in range(len(data)):
        client.send(data[index : index + 1])
    assert client.seen == [HttpRequest(method="POST", path="/v1/x", body=body)]


def test_reads_a_chunked_body(client: Connection) -> None:
    client.send(b"POST /x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    client.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert client.seen[0].body == b"abcde"


def test_keeps_the_connection_for_the_next_request(client: Connection) -> None:
    client.send(get())
    client.replies[0].send(200, b"{}")
    client.send(get(b"/metrics"))
    assert [request.path for request in client.seen] == ["/health", "/metrics"]
    assert b"connection: keep-alive" in client.wire.out
    assert not client.wire.closed


def test_closes_when_the_client_asks_for_it(client: Connection) -> None:
    client.send(get(headers=b"connection: close\r\n"))
    client.replies[0].send(200, b"{}")
    assert client.wire.closed


def test_streams_in_chunks_with_an_end(client: Connection) -> None:
    client.send(get())
    reply = client.replies[0]
    reply.start()
    reply.write(b"hello")
    reply.end()
    head, _, body = client.wire.out.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"5\r\nhello\r\n0\r\n\r\n"


def test_a_lost_client_is_reported_once_and_only_before_the_end(client: Connection) -> None:
    lost: list[int] = []
    client.send(get())
    client.replies[0].on_gone = lambda: lost.append(1)
    client.http.connection_lost(None)
    client.http.connection_lost(None)
    assert lost == [1]
    other = Connection()
    other.send(get())
    other.replies[0].on_gone = lambda: lost.append(2)
    other.replies[0].send(200, b"{}")
    other.http.connection_lost(None)
    assert lost == [1]


def test_a_client_that_does_not_read_is_cut_off(client: Connection) -> None:
    client.send(get())
    client.replies[0].start()
    client.wire.unread = protocol.MAX_UNREAD_BYTES + 1
    client.replies[0].write(b"x")
    assert client.wire.closed


def test_garbage_gets_400_and_a_close(client: Connection) -> None:
    client.send(b"\x16\x03\x01 not http at all\r\n\r\n")
    assert client.wire.out.startswith(b"HTTP/1.1 400")
    assert client.wire.closed


def test_an_endless_head_is_refused(client: Connection) -> None:
    client.send(b"GET / HTTP/1.1\r\nx: ")
    for _ in range(5):
        client.send(b"a" * (protocol.MAX_HEAD_BYTES // 4))
    assert client.wire.out.startswith(b"HTTP/1.1 431")


def test_an_oversized_body_is_refused(client: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_BODY_BYTES", 10)
    client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n" + b"a" * 20)
    assert client.wire.out.startswith(b"HTTP/1.1 413")
    assert client.seen == []


def test_a_second_request_before_the_answer_is_not_answered(client: Connection) -> None:
    client.send(get() + get(b"/metrics"))
    client.replies[0].send(200, b"{}")
    assert len(client.seen) == 1
    assert client.wire.closed


def test_draining_closes_idle_connections_now_and_busy_ones_after_their_answer() -> None:
    idle, busy = Connection(), Connection()
    busy.send(get())
    idle.http.close_when_idle()
    busy.http.close_when_idle()
    assert idle.wire.closed
    assert not busy.wire.closed
    busy.replies[0].send(200, b"{}")
    assert busy.wire.closed


def test_closed_connections_are_forgotten(client: Connection) -> None:
    assert client.open == {client.http}
    client.http.connection_lost(None)
    assert client.open == set()
