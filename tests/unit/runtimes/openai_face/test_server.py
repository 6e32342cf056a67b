"""Routing, admission, relaying and draining, with an engine that does what the test says."""

import asyncio
import base64
import json
import struct
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from paceline.runtimes.fake_server.answers import WordCodec
from paceline.runtimes.openai_face.generation import Delta, Embedder, Generation, Scorer, TokenScore
from paceline.runtimes.openai_face.metrics import ServerMetrics
from paceline.runtimes.openai_face.protocol import HttpRequest, Reply
from paceline.runtimes.openai_face.server import ServeOptions, Server


class Pipe:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.out = b""

    def write(self, data: bytes) -> None:
        self.out += data

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    @property
    def status(self) -> int:
        return int(self.out.split(b" ")[1])

    @property
    def body(self) -> bytes:
        return self.out.partition(b"\r\n\r\n")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class StillEngine:
    """Keeps what is submitted; the test hands out tokens."""

    def __init__(self) -> None:
        self.alive = True
        self.got: list[Generation] = []
        self.cancelled: list[Generation] = []
        self.stopped = False

    def submit(self, generation: Generation) -> None:
        self.got.append(generation)

    def cancel(self, generation: Generation) -> None:
        self.cancelled.append(generation)

    def stop(self) -> None:
        self.stopped = True

    def join(self, timeout: float | None = None) -> None:
        del timeout


class TableScorer:
    """Finds every token as likely as every other one, or fails."""

    def __init__(self, error: str | None = None) -> None:
        self._error = error

    def score(self, ids: Sequence[int], *, top: int) -> Sequence[TokenScore]:
        if self._error:
            raise RuntimeError(self._error)
        best = tuple((token, -0.25 - token) for token in range(top))
        return [
            TokenScore(logprob=None, top=()),
            *(TokenScore(logprob=-1.0, top=best),) * len(ids),
        ][: len(ids)]


class Stand:
    """A server without a socket."""

    def __init__(
        self,
        *,
        max_in_flight: int = 2,
        scorer: Scorer | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self.engine = StillEngine()
        self.codec = WordCodec()
        options = ServeOptions(
            host="127.0.0.1",
            port=0,
            model_name="m",
            context_tokens=20,
            max_in_flight=max_in_flight,
            grace_s=1.0,
        )
        self.server = Server(
            options,
            engine=self.engine,
            codec=self.codec,
            metrics=ServerMetrics("test"),
            scorer=scorer,
            embedder=embedder,
        )

    def call(self, path: str, body: object = None, *, method: str | None = None) -> Pipe:
        return self.open(path, body, method=method)[0]

    def open(
        self, path: str, body: object = None, *, method: str | None = None
    ) -> tuple[Pipe, Reply]:
        pipe = Pipe()
        reply = Reply(cast("asyncio.Transport", pipe), keep_alive=True)
        data = b"" if body is None else json.dumps(body).encode()
        verb = method or ("GET" if body is None else "POST")
        self.server.handle(HttpRequest(method=verb, path=path, body=data), reply)
        return pipe, reply

    def complete(self, **fields: object) -> Pipe:
        return self.call("/v1/completions", {"prompt": "one two", **fields})

    def emit(self, *words: str, finish: str | None = None, at: int = -1) -> None:
        generation = self.engine.got[at]
        ids = [self.codec.encode(word, special=False)[0] for word in words]
        generation.on_delta(generation.feed(ids, [-0.5] * len(ids), finish))


class LengthEmbedder:
    """One number: how many tokens there are."""

    def embed(self, ids: Sequence[int]) -> Sequence[float]:
        return [float(len(ids))]


@pytest.mark.parametrize(
    ("given", "lengths"),
    [("one two", [2.0]), (["a", "b c"], [1.0, 2.0]), ([7, 7, 7], [3.0]), ([[7], [7, 7]], [1, 2])],
)
def test_texts_and_token_ids_are_embedded_in_order(given: object, lengths: list[float]) -> None:
    stand = Stand(embedder=LengthEmbedder())
    whole = stand.call("/v1/embeddings", {"model": "m", "input": given}).json
    assert [one["embedding"] for one in whole["data"]] == [[one] for one in lengths]
    assert [one["index"] for one in whole["data"]] == list(range(len(lengths)))
    assert whole["usage"] == {"prompt_tokens": sum(lengths), "total_tokens": sum(lengths)}
    packed = stand.call("/v1/embeddings", {"input": given, "encoding_format": "base64"}).json
    floats = [struct.unpack("<f", base64.b64decode(one["embedding"])) for one in packed["data"]]
    assert floats == [(one,) for one in lengths]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": ""}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": ["a", ""]}, 400, "input"),
        ({"input": {"a": 1}}, 400, "input"),
        ({"input": [True]}, 400, "input"),
        ({"input": "w " * 21}, 400, "input"),
        ({"input": "a", "dimensions": 4}, 400, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, 400, "encoding_format"),
        ({"input": "a", "model": "other"}, 404, "model"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_name(
    body: dict[str, object], status: int, param: str
) -> None:
    pipe = Stand(embedder=LengthEmbedder()).call("/v1/embeddings", body)
    assert (pipe.status, pipe.json["error"]["param"]) == (status, param)


def test_without_an_embedder_there_is_no_such_route() -> None:
    assert Stand().call("/v1/embeddings", {"input": "a"}).status == 404


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_answers_whole_with_usage(stand: Stand) -> None:
    pipe = stand.complete(max_tokens=3)
    stand.emit(" a")
    assert pipe.out == b""
    stand.emit(" b", finish="length")
    assert pipe.json["choices"][0]["text"] == " a b"
    assert pipe.json["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}


def test_streams_each_delta_as_it_comes(stand: Stand) -> None:
    pipe = stand.complete(stream=True, stream_options={"include_usage": True})
    assert pipe.out == b""
    stand.emit(" a")
    assert pipe.body.count(b"data: ") == 1
    stand.emit(" b", finish="stop")
    assert pipe.body.count(b"data: ") == 5  # two texts, reason, usage, end
    assert b'"completion_tokens": 2' in pipe.body
    assert pipe.body.endswith(b"0\r\n\r\n")


def test_a_stop_string_ends_the_answer_and_is_not_in_it(stand: Stand) -> None:
    pipe = stand.complete(stop=[" END"])
    stand.emit(" a", " END")
    assert pipe.json["choices"][0] == {
        "index": 0,
        "finish_reason": "stop",
        "logprobs": None,
        "text": " a",
    }


def test_logprobs_come_only_when_asked_for(stand: Stand) -> None:
    pipe = stand.complete(logprobs=1)
    stand.emit(" a", finish="stop")
    assert pipe.json["choices"][0]["logprobs"]["token_logprobs"] == [-0.5]
    plain = stand.complete()
    stand.emit(" a", finish="stop")
    assert plain.json["choices"][0]["logprobs"] is None


def test_an_engine_failure_before_the_first_token_keeps_its_status(stand: Stand) -> None:
    for stream in (False, True):
        pipe = stand.complete(stream=stream)
        generation = stand.engine.got[-1]
        generation.on_delta(generation.failed("cache full"))
        assert pipe.status == 503
        assert "cache full" in pipe.json["error"]["message"]


def test_an_engine_failure_in_a_stream_is_an_event(stand: Stand) -> None:
    pipe = stand.complete(stream=True)
    stand.emit(" a")
    generation = stand.engine.got[-1]
    generation.on_delta(generation.failed("cache full"))
    assert b"cache full" in pipe.body
    assert pipe.body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        (lambda s: s.call("/nope"), 404, None),
        (lambda s: s.call("/v1/completions"), 405, None),
        (lambda s: s.call("/health", method="POST"), 405, None),
        (lambda s: s.complete(model="other"), 404, "model_not_found"),
        (lambda s: s.complete(max_tokens=19), 400, "context_length_exceeded"),
        (lambda s: s.complete(prompt="w " * 20), 400, "context_length_exceeded"),
        (lambda s: s.complete(prompt=""), 400, None),
    ],
)
def test_refuses(call: Callable[[Stand], Pipe], status: int, code: str | None) -> None:
    stand = Stand()
    pipe = call(stand)
    assert (pipe.status, pipe.json["error"]["code"]) == (status, code)
    assert stand.engine.got == []


def test_an_unset_limit_is_the_rest_of_the_context(stand: Stand) -> None:
    stand.complete()
    assert stand.engine.got[0].sampling.max_tokens == 18


def test_refuses_more_than_fits_and_says_when_to_come_back(stand: Stand) -> None:
    stand.complete()
    stand.complete()
    pipe = stand.complete()
    assert (pipe.status, pipe.json["error"]["code"]) == (503, "queue_full")
    assert b"retry-after: 1" in pipe.out
    stand.emit(finish="stop", at=0)
    assert stand.complete().out == b""


def test_a_client_that_leaves_frees_its_place() -> None:
    stand = Stand(max_in_flight=1)
    _, reply = stand.open("/v1/completions", {"prompt": "one"})
    reply.lost()
    assert stand.engine.cancelled == stand.engine.got
    assert stand.complete().out == b""


def test_health_tells_ready_from_dead(stand: Stand) -> None:
    assert stand.call("/health").status == 200
    stand.engine.alive = False
    assert stand.call("/health").status == 503
    assert stand.complete().status == 503


def test_lists_its_model_and_its_metrics(stand: Stand) -> None:
    assert [model["id"] for model in stand.call("/v1/models").json["data"]] == ["m"]
    assert b"test_requests_running" in stand.call("/metrics").body


def test_deltas_count_tokens_whose_text_is_held_back() -> None:
    stand = Stand()
    pipe = stand.complete(stream=True, stop=[" bc"])
    stand.emit(" b")
    assert pipe.body == b"" or b'"text":" b"' not in pipe.body
    stand.emit(" x", finish="length")
    assert b" b x" in pipe.body
    assert isinstance(stand.engine.got[0].failed("x"), Delta)


async def scored(body: dict[str, object], *, chat: bool = False, error: str | None = None) -> Pipe:
    """One answer with alternatives; ` done` is generated where something is to be."""
    stand = Stand(scorer=TableScorer(error))
    asked: dict[str, object] = (
        {"messages": [{"role": "user", "content": "hi"}]} if chat else {"prompt": "one two"}
    )
    route = "/v1/chat/completions" if chat else "/v1/completions"
    pipe = stand.call(route, {**asked, **body})
    if stand.engine.got:
        stand.emit(" done", finish="stop")
    async with asyncio.timeout(60):
        while not pipe.out:
            await asyncio.sleep(0.001)
    return pipe


def test_a_prompt_alone_is_scored_without_generating_anything() -> None:
    pipe = asyncio.run(scored({"echo": True, "logprobs": 2, "max_tokens": 0}))
    choice = pipe.json["choices"][0]
    assert choice["text"] == "one two"
    assert choice["logprobs"]["tokens"] == ["one", " two"]
    assert choice["logprobs"]["token_logprobs"] == [None, -1.0]
    assert choice["logprobs"]["top_logprobs"] == [None, {"one": -0.25, " two": -1.25}]
    assert pipe.json["usage"]["completion_tokens"] == 0


def test_an_echo_covers_prompt_and_answer_and_chat_the_answer_only() -> None:
    echoed = asyncio.run(scored({"echo": True, "logprobs": 1, "max_tokens": 1}))
    assert echoed.json["choices"][0]["logprobs"]["tokens"] == ["one", " two", " done"]
    answered = asyncio.run(scored({"logprobs": True, "top_logprobs": 1}, chat=True))
    (at,) = answered.json["choices"][0]["logprobs"]["content"]
    assert at["token"] == " done"  # noqa: S105 - a token of text
    assert len(at["top_logprobs"]) == 1


def test_scores_that_cannot_be_computed_are_an_error_of_the_server() -> None:
    pipe = asyncio.run(scored({"echo": True, "logprobs": 1, "max_tokens": 0}, error="no memory"))
    assert pipe.status == 503
    assert "no memory" in pipe.json["error"]["message"]


def test_an_engine_that_cannot_score_says_so(stand: Stand) -> None:
    pipe = stand.complete(echo=True, logprobs=1)
    assert pipe.status == 400
    assert pipe.json["error"]["param"] == "echo"
