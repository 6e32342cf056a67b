import json
import math
from typing import Any

import httpx
import pytest

from paceline.adapters.quality.fidelity.reader import LEAST, LogprobReader, fixed_texts
from paceline.records.fidelity import FidelityReading, NextToken, Reading
from paceline.records.load import Target
from paceline.trial.fidelity import compare_fidelity

TARGET = Target(base_url="http://engine/", model="m", api_key="secret")


class Engine:
    """Says `a b` over and over; `ways` are those that it offers."""

    def __init__(self, *ways: Reading, echo: bool = True) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._ways = ways
        self._echo = echo

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.asked.append((request.url.path, body))
        chat = request.url.path.endswith("chat/completions")
        if (Reading.GREEDY if chat else Reading.FORCED) not in self._ways:
            return httpx.Response(200, json={"choices": [{"logprobs": None}]})
        return httpx.Response(200, json={"choices": [{"logprobs": self._listed(chat)}]})

    def _listed(self, chat: bool) -> dict[str, Any]:
        if chat:
            top = [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -2.5}]
            return {"content": [{"token": "a", "logprob": -0.1, "top_logprobs": top}]}
        tokens = ["The", " a", " b", "!"] if self._echo else ["!"]
        return {
            "tokens": tokens,
            "token_logprobs": [None, -0.2, -0.3, -1.0][: len(tokens)],
            "top_logprobs": [None, {" a": -0.2}, {" c": -0.1}, {"!": -1.0}][: len(tokens)],
        }


def read(engine: Engine, *prompts: str, reading: Reading | None = None) -> FidelityReading:
    reader = LogprobReader(transport=httpx.MockTransport(engine))
    return reader.read(TARGET, prompts=prompts, concurrency=2, reading=reading)


def test_reads_the_tokens_of_the_texts_themselves_where_it_can() -> None:
    engine = Engine(*Reading)
    found = read(engine, "mine")
    assert found.reading is Reading.FORCED
    assert [text.text_id for text in found.texts][-1] == "prompt-0"
    assert len(found.texts) == len(fixed_texts()) + 1
    assert found.texts[0].tokens == (
        NextToken(text=" a", logprob=-0.2, top={" a": -0.2}),
        NextToken(text=" b", logprob=-0.3, top={" c": -0.1}),
    )
    path, body = engine.asked[0]
    assert path == "/v1/completions"
    assert body["echo"] is True
    assert body["logprobs"] == 20


@pytest.mark.parametrize("engine", [Engine(Reading.GREEDY), Engine(*Reading, echo=False)])
def test_reads_the_continuation_where_the_endpoint_does_not_echo(engine: Engine) -> None:
    found = read(engine)
    assert found.reading is Reading.GREEDY
    assert found.texts[0].tokens[0].top == {"a": -0.1, "b": -2.5}
    assert engine.asked[-1][1]["messages"][0]["content"].startswith("Continue this text:")


def test_reads_in_the_way_that_is_asked_for() -> None:
    assert read(Engine(*Reading), reading=Reading.GREEDY).reading is Reading.GREEDY
    assert read(Engine(Reading.GREEDY), reading=Reading.FORCED).reading is None


def test_an_endpoint_without_log_probabilities_is_told_and_is_no_error() -> None:
    found = read(Engine())
    assert found.reading is None
    assert found.unavailable == (
        "forced: the answer has no `logprobs` with alternatives; "
        "greedy: the answer has no `logprobs` with alternatives"
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(400, text="logprobs not supported"), "HTTP 400: logprobs not supported"),
        (httpx.Response(200, text="<html>"), "no `logprobs`"),
        (httpx.Response(200, json={"choices": [{"logprobs": {"content": [1]}}]}), "no `logprobs`"),
    ],
)
def test_every_refusal_has_its_reason(answer: httpx.Response, why: str) -> None:
    reader = LogprobReader(transport=httpx.MockTransport(lambda _: answer))
    found = reader.read(TARGET, prompts=(), concurrency=1)
    assert found.unavailable is not None
    assert why in found.unavailable


def test_the_fixed_texts_are_long_enough_to_say_something() -> None:
    assert len(fixed_texts()) == 6
    assert sum(len(text.split()) for text in fixed_texts()) > 300


# As llama-server 0c1e570 answered for the reference model, 2026-11-21; timings left out.
LLAMA_CPP_TEXT = {
    "text": "",
    "index": 0,
    "logprobs": {
        "content": [
            {
                "id": 2,
                "token": "",
                "bytes": [],
                "logprob": -1.1920928955078125e-07,
                "top_logprobs": [
                    {"id": 2, "token": "", "bytes": [], "logprob": -1.1920928955078125e-07},
                    {"id": 281, "token": " b", "bytes": [32, 98], "logprob": -15.677969932556152},
                ],
            }
        ]
    },
    "finish_reason": "stop",
}
LLAMA_CPP_CHAT = {
    "finish_reason": "length",
    "index": 0,
    "message": {"role": "assistant", "content": "G"},
    "logprobs": {
        "content": [
            {
                "id": 41,
                "token": "G",
                "bytes": [71],
                "logprob": -0.04236945882439613,
                "top_logprobs": [
                    {"id": 41, "token": "G", "bytes": [71], "logprob": -0.04236945882439613},
                    {"id": 54, "token": "T", "bytes": [84], "logprob": -3.76678729057312},
                ],
            },
            *LLAMA_CPP_TEXT["logprobs"]["content"],  # type: ignore[index]
        ]
    },
}


def test_llama_cpp_ignores_echo_and_is_read_by_the_chat_route() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        chat = request.url.path.endswith("chat/completions")
        return httpx.Response(200, json={"choices": [LLAMA_CPP_CHAT if chat else LLAMA_CPP_TEXT]})

    reader = LogprobReader(transport=httpx.MockTransport(answer))
    found = reader.read(TARGET, prompts=(), concurrency=1)
    assert found.reading is Reading.GREEDY
    first, end = found.texts[0].tokens
    assert first.top == {
        "G": pytest.approx(-0.0424, abs=1e-3),
        "T": pytest.approx(-3.767, abs=1e-3),
    }
    assert end.text == "token 2"
    assert set(end.top) == {"token 2", " b"}


def test_positions_that_a_server_leaves_out_are_left_out() -> None:
    listed = {
        "text_offset": [0, 3, 5, 7, 9],
        "tokens": ["The", " a", " b", " c", "!"],
        "token_logprobs": [None, -0.2, None, -0.4, -1.0],
        "top_logprobs": [None, {" a": -0.2, " z": -9999.0}, None, {" c": -0.4}, {"!": -1.0}],
    }
    reader = LogprobReader(
        transport=httpx.MockTransport(
            lambda _: httpx.Response(200, json={"choices": [{"logprobs": listed}]})
        )
    )
    found = reader.read(TARGET, prompts=(), concurrency=1)
    assert found.reading is Reading.FORCED
    assert [token.text for token in found.texts[0].tokens] == [" a", " c"]


@pytest.mark.parametrize("impossible", ["-Infinity", "-9999.0", "NaN", "null"])
def test_what_is_no_logarithm_of_a_probability_is_as_good_as_impossible(impossible: str) -> None:
    """A model whose arithmetic broke down: compared, it is far away, and nothing overflows."""
    listed = (
        '{"tokens": ["The", " a", "!"], "token_logprobs": [null, -9999.0, -1.0],'
        f' "top_logprobs": [null, {{" b": 0.0, " c": {impossible}}}, null]}}'
    )
    answer = httpx.Response(200, text=f'{{"choices": [{{"logprobs": {listed}}}]}}')
    reader = LogprobReader(transport=httpx.MockTransport(lambda _request: answer))
    broken = reader.read(TARGET, prompts=(), concurrency=1)
    assert broken.texts[0].tokens == (
        NextToken(text=" a", logprob=LEAST, top={" b": 0.0, " c": LEAST}),
    )
    found = compare_fidelity(broken, read(Engine(*Reading)))
    assert found is not None
    assert 5 < found.mean_kl_nats < 50
    assert math.isfinite(found.perplexity_ratio)
