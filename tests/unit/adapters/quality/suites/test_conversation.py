import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from paceline.adapters.quality.suites.conversation import converse, plain_prompt
from paceline.records.load import Route, Target
from paceline.records.quality import Item, Message, Reply, Scorer

CHAT = Target(base_url="http://engine/", model="m", api_key="secret")
Handler = Callable[[httpx.Request], httpx.Response]


def item(*contents: str | None) -> Item:
    roles = {None: "assistant"}
    return Item(
        item_id="i",
        category="c",
        messages=tuple(
            Message(role=roles.get(content, "user"), content=content)  # type: ignore[arg-type]
            for content in contents
        ),
        scorer=Scorer.EXACT,
        answer="x",
        max_tokens=9,
    )


def reply(handler: Handler, asked: Item | None = None, target: Target = CHAT) -> Reply:
    async def run() -> Reply:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            return await converse(client, target, asked or item("hello"), seed=5)

    return asyncio.run(run())


def said(text: str | None, reason: str | None = "stop") -> httpx.Response:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return httpx.Response(200, json={"choices": [choice]})


def test_asks_greedily_with_seed_and_key() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return said("hi")

    assert reply(handler) == Reply(text="hi", finish_reason="stop")
    assert str(seen[0].url) == "http://engine/v1/chat/completions"
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert json.loads(seen[0].content) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 9,
        "temperature": 0.0,
        "seed": 5,
        "stream": False,
    }


def test_sends_the_models_own_replies_back() -> None:
    histories: list[list[str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        history = [message["content"] for message in json.loads(request.content)["messages"]]
        histories.append(history)
        return said(f"reply {len(histories)}")

    found = reply(handler, item("one", None, "two"))
    assert histories == [["one"], ["one", "reply 1", "two"]]
    assert (found.text, found.earlier) == ("reply 2", ("reply 1",))


def test_joins_the_answer_of_a_server_that_always_streams() -> None:
    events = [
        {"choices": [{"delta": {"role": "assistant"}, "finish_reason": None}]},
        {"choices": [{"delta": {"content": "a\u2028"}, "finish_reason": None}]},
        {"choices": [{"delta": {"content": "b"}, "finish_reason": "length"}]},
        {"choices": [], "usage": {}},
    ]
    data = [json.dumps(event, ensure_ascii=False) for event in events] + ["[DONE]"]
    text = "".join(f"data: {one}\r\n\r\n" for one in data)
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    found = reply(lambda _: httpx.Response(200, text=text, headers=headers))
    assert found == Reply(text="a\u2028b", finish_reason="length")


def test_completions_route_gets_a_plain_prompt() -> None:
    bodies: list[dict[str, object]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json={"choices": [{"text": "hi", "finish_reason": "stop"}]})

    target = Target(base_url="http://engine", model="m", route=Route.COMPLETIONS)
    assert reply(handler, target=target).text == "hi"
    assert bodies[0]["prompt"] == plain_prompt([Message(role="user", content="hello")])
    assert bodies[0]["prompt"] == "User: hello\n\nAssistant:"


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(400, text="no chat template"), "HTTP 400: no chat template"),
        (httpx.Response(200, text="<html>"), "not an OpenAI-shaped answer: '<html>'"),
        (httpx.Response(200, json=[]), "not an OpenAI-shaped answer"),
        (httpx.Response(200, json={"choices": []}), "not an OpenAI-shaped answer"),
        (httpx.Response(200, json={"choices": [{"message": None}]}), "not an OpenAI-shaped"),
    ],
)
def test_an_unusable_answer_is_an_error_of_the_item(response: httpx.Response, error: str) -> None:
    found = reply(lambda _: response)
    assert found.text == ""
    assert error in (found.error or "")


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (httpx.ReadTimeout("slow"), "no answer in time (ReadTimeout)"),
        (httpx.ConnectError("refused"), "ConnectError: refused"),
        (httpx.RemoteProtocolError("cut"), "RemoteProtocolError: cut"),
    ],
)
def test_a_broken_connection_is_an_error_of_the_item(failure: Exception, error: str) -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise failure

    assert reply(handler).error == error


def test_half_a_character_is_shown_as_undecodable() -> None:
    """A server that cuts an emoji in two; sent back as it is, it could not be encoded."""
    halves = httpx.Response(
        200, text='{"choices": [{"message": {"content": "\\ud83d\\ude00 and \\ud83d"}}]}'
    )
    assert reply(lambda _: halves).text == "\U0001f600 and \ufffd"


def test_a_reply_without_content_is_empty_text() -> None:
    assert reply(lambda _: said(None, None)) == Reply(text="")
