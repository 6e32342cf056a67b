"""Answers are read the same wherever their bytes are split."""

import socket
from collections.abc import Iterator

import orjson
import pytest

from paceline.adapters.load.openai_http.answer import Answer
from paceline.adapters.load.openai_http.connection import Broken, Connection
from paceline.records.load import Route
from paceline.records.samples import Outcome


def event(text: str | None, *, finish: str | None = None, **more: object) -> bytes:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"choices": [choice], **more}) + b"\n\n"


USAGE = (
    b"data: "
    + orjson.dumps({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}})
    + b"\n\n"
)
DONE = b"data: [DONE]\n\n"
STREAM = event("") + event("a") + event("b") + event("c\u2028d", finish="stop") + USAGE + DONE
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


class Reader:
    """Feeds bytes to a connection that has no peer."""

    def __init__(self, route: Route = Route.CHAT, *, keep_text: bool = True) -> None:
        self.here, self.there = socket.socketpair()
        self.outcome: Outcome | None = None
        self.kept_alive: bool | None = None
        self.answer = Answer(route, keep_text=keep_text)
        self.connection = Connection(self.here, finished=self._finished)
        self.connection.answer = self.answer

    def _finished(self, connection: Connection) -> None:
        self.outcome = self.answer.complete(connection.at_s)
        self.kept_alive = connection.keeps_alive

    def read(self, *pieces: bytes) -> "Reader":
        for number, piece in enumerate(pieces):
            self.connection.feed(piece, float(number))
        return self

    def close(self) -> None:
        self.connection.close()
        self.there.close()


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.close()


def whole(body: bytes, content_type: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        content_type,
        len(body),
        body,
    )


def test_a_stream_is_read(reader: Reader) -> None:
    reader.read(HEAD + chunked(STREAM))
    answer = reader.answer
    assert reader.outcome is Outcome.OK
    assert "".join(answer.text or []) == "abc\u2028d"
    assert (answer.input_tokens, answer.output_tokens) == (9, 3)
    assert answer.stamps == [0.0, 0.0, 0.0]  # the role without text is no output


def test_a_stream_may_be_split_at_every_byte() -> None:
    data = HEAD + chunked(STREAM[:20], STREAM[20:21], STREAM[21:])
    for cut in range(1, len(data)):
        reader = Reader().read(data[:cut], data[cut:])
        assert reader.outcome is Outcome.OK, cut
        assert "".join(reader.answer.text or []) == "abc\u2028d", cut
        assert reader.answer.output_tokens == 3, cut
        reader.close()


def test_a_stream_may_come_byte_by_byte(reader: Reader) -> None:
    data = HEAD + chunked(STREAM)
    reader.read(*(data[place : place + 1] for place in range(len(data))))
    assert reader.outcome is Outcome.OK
    assert len(reader.answer.stamps) == 3
    # Each output has the time of the byte that completed its event.
    ends = [data.index(part) + len(part) - 1 for part in (event("a"), event("b"))]
    assert reader.answer.stamps[:2] == [float(end) for end in ends]


@pytest.mark.parametrize(
    "stream",
    [
        STREAM.replace(b"\n", b"\r\n"),
        STREAM.replace(b"data: ", b"data:"),
        b": keep-alive\n\n" + STREAM,
        STREAM.replace(b"data:", b"event: message\nid: 7\ndata:"),
        STREAM.removesuffix(b"\n"),  # no blank line at the end
        STREAM.replace(b'"choices":', b'\ndata: "choices":'),  # one event in two data lines
    ],
)
def test_every_legal_form_of_events_is_read(reader: Reader, stream: bytes) -> None:
    reader.read(HEAD + chunked(stream))
    assert reader.outcome is Outcome.OK
    assert len(reader.answer.stamps) == 3


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (event("a"), Outcome.TRUNCATED),
        (event(None, finish="stop") + DONE, Outcome.EMPTY),
        (event("a") + b"data: {oops\n\n" + DONE, Outcome.GARBAGE),
        (b"data: 5\n\n" + DONE, Outcome.GARBAGE),
        (b'{"choices": []}\n', Outcome.GARBAGE),
        (event("a") + b'data: {"error": {"message": "boom"}}\n\n' + DONE, Outcome.STREAM_ERROR),
        (event("a", finish="length"), Outcome.OK),
        (event("a") + DONE, Outcome.OK),
    ],
)
def test_how_a_stream_ended_is_told(reader: Reader, body: bytes, outcome: Outcome) -> None:
    reader.read(HEAD + chunked(body))
    assert reader.outcome is outcome
    assert (reader.answer.detail is None) == (outcome is Outcome.OK)


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x"},
        {"reasoning_content": "x"},
        {"reasoning": "x"},
        {"tool_calls": [{"function": {"arguments": "x"}}]},
    ],
)
def test_output_counts_in_whatever_field_it_comes(reader: Reader, delta: dict[str, object]) -> None:
    data = b"data: " + orjson.dumps({"choices": [{"delta": delta}]}) + b"\n\n" + DONE
    reader.read(HEAD + chunked(data))
    assert len(reader.answer.stamps) == 1


def test_an_error_answer_is_quoted(reader: Reader) -> None:
    body = orjson.dumps({"error": {"message": "the queue is full"}})
    reader.read(whole(body, b"application/json", b"503 Busy"))
    assert reader.outcome is Outcome.HTTP_ERROR
    assert reader.answer.detail == "HTTP 503: the queue is full"


def test_of_an_error_page_the_words_are_quoted_on_one_line(reader: Reader) -> None:
    head = b"<!DOCTYPE HTML>\n<html><head><title>Error</title><style>p {}</style></head>\n"
    page = head + b"<body> <p>Bad\n gateway"
    reader.read(whole(page, b"text/html", b"502 Bad Gateway"))
    assert reader.answer.detail == "HTTP 502: Bad gateway"


def test_a_huge_error_answer_is_not_kept(reader: Reader) -> None:
    reader.read(whole(b"x" * 5_000_000, b"text/plain", b"500 No"))
    assert reader.outcome is Outcome.HTTP_ERROR
    assert len(reader.answer.detail or "") <= 300


@pytest.mark.parametrize(
    ("route", "document"),
    [
        (Route.EMBEDDINGS, {"data": [{"embedding": [1.0]}], "usage": {"prompt_tokens": 4}}),
        (Route.IMAGES, {"data": [{"b64_json": "AAAA"}]}),
        (Route.CHAT, {"choices": [{"message": {"content": "hello"}}]}),
        (Route.COMPLETIONS, {"choices": [{"text": "hello"}]}),
    ],
)
def test_whole_documents_are_one_output(route: Route, document: dict[str, object]) -> None:
    reader = Reader(route).read(whole(orjson.dumps(document), b"application/json"))
    assert reader.outcome is Outcome.OK
    assert len(reader.answer.stamps) == 1
    reader.close()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": "no"}'])
def test_other_documents_are_garbage(reader: Reader, body: bytes) -> None:
    reader.read(whole(body, b"text/html"))
    assert reader.outcome is Outcome.GARBAGE


def test_answers_follow_each_other_on_one_connection(reader: Reader) -> None:
    reader.read(HEAD + chunked(STREAM))
    assert reader.kept_alive
    reader.connection.answer = reader.answer = Answer(Route.CHAT)
    reader.read(HEAD + chunked(STREAM))
    assert reader.connection.served == 2
    assert len(reader.answer.stamps) == 3


def test_a_server_may_want_its_connection_back(reader: Reader) -> None:
    head = HEAD.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n"
    reader.read(head + chunked(STREAM))
    assert reader.kept_alive is False


@pytest.mark.parametrize("data", [b"\x00\x01garbage\r\n\r\n", b"SSH-2.0-OpenSSH\r\n"])
def test_what_is_no_http_breaks_the_connection(reader: Reader, data: bytes) -> None:
    with pytest.raises(Broken, match="not HTTP"):
        reader.read(data)


def test_bytes_that_nobody_asked_for_break_the_connection(reader: Reader) -> None:
    reader.connection.answer = None
    with pytest.raises(Broken, match="nobody asked"):
        reader.read(b"HTTP/1.1 408 Timeout\r\n\r\n")
