"""What comes in is checked, what goes out has OpenAI's shape."""

import json
from typing import Any

import pytest

from paceline.runtimes.openai_face.api import (
    ApiError,
    Scoring,
    TokenLogprob,
    Usage,
    Wire,
    read_call,
)


def chat(**fields: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "hi"}], **fields}).encode()


def wire(*, is_chat: bool = True) -> Wire:
    return Wire(request_id="r", model="m", created_s=1, chat=is_chat)


def events(data: bytes) -> list[Any]:
    lines = [line.removeprefix(b"data: ") for line in data.split(b"\n\n") if line]
    return [line if line == b"[DONE]" else json.loads(line) for line in lines]


def test_leaves_unset_what_is_not_given() -> None:
    call = read_call(chat(), chat=True)
    assert call.sampling.max_tokens is None
    assert call.sampling.temperature is None
    assert not call.stream
    assert call.stop == ()


def test_joins_text_parts_of_a_message() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    call = read_call(chat(messages=[{"role": "user", "content": parts}]), chat=True)
    assert call.messages is not None
    assert call.messages[0]["content"] == "ab"


def test_prefers_the_newer_name_of_the_limit() -> None:
    call = read_call(chat(max_tokens=5, max_completion_tokens=7), chat=True)
    assert call.sampling.max_tokens == 7


@pytest.mark.parametrize("prompt", ["text", [1, 2, 3], ["text"], [[1, 2]]])
def test_takes_a_prompt_as_text_or_ids(prompt: object) -> None:
    call = read_call(json.dumps({"prompt": prompt}).encode(), chat=False)
    assert call.prompt in ("text", (1, 2, 3), (1, 2))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"content": "hi"}]}, "messages"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"n": 2}, "n"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 1}, "stream_options"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"model": 7}, "model"),
        ({"logprobs": 1}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 3, "stream": True}, "stream"),
        ({"echo": True}, "echo"),
    ],
)
def test_refuses_and_names_the_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as error:
        read_call(chat(**fields), chat=True)
    assert (error.value.status, error.value.param) == (400, param)


@pytest.mark.parametrize("prompt", [None, "", [], ["a", "b"], [1, "a"], 5])
def test_refuses_what_is_no_prompt(prompt: object) -> None:
    body = json.dumps({"prompt": prompt}).encode()
    if prompt == "":
        assert read_call(body, chat=False).prompt == ""  # refused later, when it has no tokens
        return
    with pytest.raises(ApiError):
        read_call(body, chat=False)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_refuses_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(ApiError) as error:
        read_call(body, chat=True)
    assert error.value.status == 400


def test_ignores_unknown_fields_and_empty_refused_ones() -> None:
    read_call(chat(user="me", tools=[], response_format=None, something={"a": 1}), chat=True)


def test_an_error_has_openais_shape() -> None:
    body = json.loads(ApiError(404, "no", code="model_not_found", param="model").body())
    assert body["error"] == {
        "message": "no",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    assert json.loads(ApiError(503, "busy").body())["error"]["type"] == "server_error"


def test_a_text_chunk_survives_quotes_and_newlines() -> None:
    text = 'say "hi"\n\ttab \\ 😀'
    for is_chat in (True, False):
        (event,) = events(wire(is_chat=is_chat).text(text, ()))
        choice = event["choices"][0]
        assert (choice["delta"]["content"] if is_chat else choice["text"]) == text
        assert choice["finish_reason"] is None
        assert event["model"] == "m"


def test_a_closing_carries_usage_only_on_demand() -> None:
    usage = Usage(prompt_tokens=3, completion_tokens=2)
    reason, counts, end = events(wire().closing("stop", usage))
    assert reason["choices"][0]["finish_reason"] == "stop"
    assert counts["choices"] == []
    assert counts["usage"]["total_tokens"] == 5
    assert end == b"[DONE]"
    assert len(events(wire().closing("stop", None))) == 2


def test_logprobs_go_into_chunks_and_wholes() -> None:
    items = [TokenLogprob(token="a", logprob=-0.5)]  # noqa: S106 - a token of text
    (event,) = events(wire().text("a", items))
    assert event["choices"][0]["logprobs"]["content"][0]["logprob"] == -0.5
    usage = Usage(prompt_tokens=1, completion_tokens=1)
    whole = json.loads(wire(is_chat=False).whole("a", "stop", usage, items))
    assert whole["choices"][0]["logprobs"]["token_logprobs"] == [-0.5]


def test_alternatives_are_asked_for_in_the_words_of_each_route() -> None:
    body = json.dumps({"prompt": "a", "echo": True, "logprobs": 5, "max_tokens": 0}).encode()
    call = read_call(body, chat=False)
    assert call.scoring == Scoring(top=5, echo=True)
    assert call.sampling.max_tokens == 0
    asked = read_call(chat(logprobs=True, top_logprobs=2), chat=True)
    assert asked.scoring == Scoring(top=2, echo=False)
    assert read_call(chat(logprobs=True), chat=True).scoring is None


def test_alternatives_are_listed_in_the_words_of_each_route() -> None:
    item = TokenLogprob(token="a", logprob=-0.5, top=(("a", -0.5), ("b", -1.5)))  # noqa: S106
    first = TokenLogprob(token="x", logprob=None)  # noqa: S106 - a token of text
    usage = Usage(prompt_tokens=1, completion_tokens=1)
    told = json.loads(wire().whole("a", "stop", usage, [item]))
    (at,) = told["choices"][0]["logprobs"]["content"]
    assert [one["token"] for one in at["top_logprobs"]] == ["a", "b"]
    plain = json.loads(wire(is_chat=False).whole("xa", "stop", usage, [first, item]))
    listed = plain["choices"][0]["logprobs"]
    assert listed["token_logprobs"] == [None, -0.5]
    assert listed["top_logprobs"] == [None, {"a": -0.5, "b": -1.5}]
