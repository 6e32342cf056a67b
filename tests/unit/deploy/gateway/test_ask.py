import json
from typing import Any

import pytest

from paceline.deploy.gateway.ask import Ask, apply_policy, engine_body, understand, write_rest
from paceline.deploy.gateway.problems import Problem
from paceline.deploy.gateway.routes import CHAT, EMBEDDINGS, IMAGES, ROUTES
from paceline.records.gateway import UnknownParameters
from paceline.testing.gateway import chat_body


def ask(**fields: Any) -> Ask:
    understood = understand(CHAT, json.dumps(chat_body(**fields)).encode())
    assert isinstance(understood, Ask)
    return understood


def engine_gets(asked: Ask) -> Any:
    assert write_rest(asked) is None
    return json.loads(engine_body(asked, b'"engine-name"'))


def test_the_engine_gets_its_own_name_and_is_asked_for_usage() -> None:
    body = engine_gets(ask(stream=True))
    assert body["model"] == "engine-name"
    assert body["stream_options"] == {"include_usage": True}
    assert "stream_options" not in engine_gets(ask())


def test_options_of_the_stream_are_kept() -> None:
    options = {"include_usage": False, "continuous_usage_stats": True}
    asked = ask(stream=True, stream_options=options)
    assert not asked.wants_usage
    assert engine_gets(asked)["stream_options"] == {
        "include_usage": True,
        "continuous_usage_stats": True,
    }


def test_the_most_output_is_that_of_all_choices() -> None:
    assert ask(max_tokens=5, n=3).output_tokens == 15
    assert ask(max_tokens=5, max_completion_tokens=2).output_tokens == 2
    assert ask(max_tokens=None).output_tokens == 0


def test_images_are_counted() -> None:
    body = b'{"model":"m","prompt":"cat","n":4}'
    understood = understand(IMAGES, body)
    assert isinstance(understood, Ask) and understood.images == 4


def test_a_stream_means_nothing_for_embeddings() -> None:
    understood = understand(EMBEDDINGS, b'{"model":"m","input":["a"],"stream":true}')
    assert isinstance(understood, Ask) and not understood.stream


@pytest.mark.parametrize("depth", [250, 260, 1_000, 2_000])
def test_nesting_is_refused_before_it_cannot_be_written(depth: int) -> None:
    body = b'{"model":"m","messages":[{}],"x":' + b"[" * depth + b"]" * depth + b"}"
    understood = understand(CHAT, body)
    if depth == 2_000:  # nor can it be read
        assert isinstance(understood, Problem) and understood.code == "invalid_json"
        return
    assert isinstance(understood, Ask)
    problem = write_rest(understood)
    assert (problem is None) if depth == 250 else (problem and problem.code == "invalid_json")


def test_policies_for_what_the_api_does_not_know() -> None:
    asked = ask(guided_json={}, temperature=0)
    assert apply_policy(asked, CHAT, UnknownParameters.PASS) is None
    strict = apply_policy(asked, CHAT, UnknownParameters.STRICT)
    assert isinstance(strict, Problem) and strict.param == "guided_json"
    assert apply_policy(asked, CHAT, UnknownParameters.DROP) is None
    assert asked.document.keys() == {"model", "max_tokens", "messages", "temperature"}


def test_every_route_knows_its_own_fields() -> None:
    for route in ROUTES.values():
        assert {"model", route.input_field} <= route.parameters
        assert ("stream" in route.parameters) or not route.streams
