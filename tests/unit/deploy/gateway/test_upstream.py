"""An answer means the same however its bytes are cut, and however the last one was framed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from paceline.deploy.gateway.transport import Transport
from paceline.deploy.gateway.upstream import Consumer, UpstreamConnection

EVENT = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


@dataclass
class Wire(Transport):
    aborted: bool = False

    def write(self, data: bytes) -> None: ...
    def hold_at_most(self, high_bytes: int) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def half_close(self) -> None: ...
    def close(self) -> None: ...
    def taken_bytes(self) -> None: ...
    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


@dataclass
class Reader(Consumer):
    """Takes all there is at once."""

    body: bytes = b""
    alone: int = 0
    ended: bool = False
    broken: str = ""
    statuses: list[int | None] = field(default_factory=list)

    def progressed(self, upstream: UpstreamConnection) -> None:
        self.body += upstream.take()
        self.ended = upstream.complete
        self.statuses.append(upstream.status)

    def streamed(self, upstream: UpstreamConnection, piece: bytes) -> None:
        self.body += piece
        self.alone += 1

    def broke(self, upstream: UpstreamConnection, reason: str) -> None:
        self.broken = reason


@pytest.fixture
def upstream() -> Iterator[UpstreamConnection]:
    made = UpstreamConnection()
    made.connection_made(Wire())
    yield made
    made.connection_lost(None)


def asked(upstream: UpstreamConnection, *pieces: bytes) -> Reader:
    consumer = Reader()
    upstream.ask(consumer, b"")
    for piece in pieces:
        upstream.data_received(piece)
    return consumer


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def answer(body: bytes, head: bytes = b"content-type: application/json\r\n") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n%b" % (len(body), head, body)


def test_chunks_that_come_alone_are_passed_on_without_the_parser(
    upstream: UpstreamConnection,
) -> None:
    consumer = asked(upstream, STREAM_HEAD, *[chunk(EVENT)] * 5, b"0\r\n\r\n")
    assert (consumer.body, consumer.alone, consumer.ended) == (EVENT * 5, 4, True)
    assert upstream.reusable


def test_any_cut_of_a_stream_gives_the_same_body(upstream: UpstreamConnection) -> None:
    rng = random.Random(3)
    for _ in range(400):
        events = [rng.choice((EVENT, b"\r\n", b"0\r\n\r\n", b"x" * 300)) for _ in range(8)]
        whole = STREAM_HEAD + b"".join(map(chunk, events)) + b"0\r\n\r\n"
        ends = [len(STREAM_HEAD)]
        for event in events:
            ends.append(ends[-1] + len(chunk(event)))
        cuts = sorted({*rng.sample(ends, 5), *rng.sample(range(1, len(whole)), rng.randrange(4))})
        pieces = [whole[at:to] for at, to in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        consumer = asked(upstream, *pieces)
        assert consumer.body == b"".join(events) and consumer.ended, pieces


@pytest.mark.parametrize("size", [b"+2f", b"0x2f", b"2f;a=b", b"02f", b"2F", b" 2f", b"2_f", b"30"])
def test_a_size_in_any_other_form_is_for_the_parser(
    upstream: UpstreamConnection, size: bytes
) -> None:
    piece = EVENT.ljust(0x2F)
    consumer = asked(upstream, STREAM_HEAD, chunk(EVENT), size + b"\r\n" + piece + b"\r\n")
    assert consumer.alone == 0


def test_an_answer_that_begins_like_the_last_one_is_whole_at_once(
    upstream: UpstreamConnection,
) -> None:
    for body in (b"first", b"", b"x" * 5_000, b"HTTP/1.1 500"):
        consumer = asked(upstream, answer(body))
        assert (consumer.body, consumer.ended, consumer.statuses) == (body, True, [200])
        assert upstream.content_type == b"application/json" and upstream.reusable
    consumer = asked(upstream, answer(b"other", b"content-type: text/plain\r\n"))
    assert consumer.body == b"other" and upstream.content_type == b"text/plain"


def test_answers_in_pieces_and_of_every_framing_follow_each_other(
    upstream: UpstreamConnection,
) -> None:
    rng = random.Random(5)
    for _ in range(300):
        body = rng.randbytes(rng.randrange(1, 300))
        whole = rng.choice(
            (answer(body), answer(body, b"x: y\r\n"), STREAM_HEAD + chunk(body) + b"0\r\n\r\n")
        )
        cuts = sorted(rng.sample(range(1, len(whole)), rng.randrange(3)))
        pieces = [whole[at:to] for at, to in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        consumer = asked(upstream, *pieces)
        assert (consumer.body, consumer.ended) == (body, True), pieces


def test_a_last_answer_is_no_example(upstream: UpstreamConnection) -> None:
    asked(upstream, answer(b"one"))
    asked(upstream, answer(b"two", b"connection: close\r\n"))
    assert not upstream.reusable
    consumer = asked(upstream, answer(b"three"))
    assert consumer.broken, "the parser takes nothing behind it"
