"""The clients that people use, against the gateway: openai here, litellm where it is installed."""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import openai
import pytest
from openai.types.chat import ChatCompletionMessageFunctionToolCall

from paceline.adapters.environments.uv import UvEnvironments
from paceline.app.places import find_places
from paceline.records.launch import EnvironmentSpec
from paceline.testing.gateway import KEY, RunningGateway, endpoint, replica, running_gateway
from paceline.testing.golden_server.launch import golden_server

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

PAGE = Path(__file__).parents[2] / "docs/reference/http.md"
MESSAGES: Any = [{"role": "user", "content": "two words"}]
TOOLS: Any = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
SCHEMA: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
LITELLM_SPEC = EnvironmentSpec(name="litellm", requirements=("litellm==1.106.2",))
LITELLM = """
import json, sys
import litellm
url, key = sys.argv[1:]
asked = dict(
    model="openai/demo", api_base=url, api_key=key, max_tokens=4,
    messages=[{"role": "user", "content": "two words"}],
)
whole = litellm.completion(**asked)
pieces = list(litellm.completion(**asked, stream=True, stream_options={"include_usage": True}))
vectors = litellm.embedding(model="openai/demo", api_base=url, api_key=key, input=["a b"])
print(json.dumps({
    "text": whole.choices[0].message.content,
    "usage": whole.usage.completion_tokens,
    "streamed": "".join(p.choices[0].delta.content or "" for p in pieces if p.choices),
    "vectors": len(vectors.data),
}))
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    options = ("--ttft-ms", "2", "--itl-ms", "1", "--model", "golden")
    with (
        golden_server(*options) as golden,
        running_gateway(tmp_path_factory.mktemp("gateway")) as running,
    ):
        running.serve(endpoint(replica(golden.url)))
        yield running


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as made:
        yield made


class CallingEngine(BaseHTTPRequestHandler):
    """An engine that calls the first tool it is offered, and keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(request)
        call = {"name": request["tools"][0]["function"]["name"], "arguments": '{"of": 1}'}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
        }
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        answer = {"id": "a", "object": "chat.completion", "created": 1, "model": "x"}
        body = json.dumps({**answer, "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


@pytest.fixture
def calling_engine() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), CallingEngine) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_openai_tools_and_a_schema_reach_the_engine_and_its_call_comes_back(
    calling_engine: str, tmp_path: Path
) -> None:
    with running_gateway(tmp_path) as running:
        running.serve(endpoint(replica(calling_engine)))
        with openai.OpenAI(base_url=running.url, api_key=KEY, max_retries=0) as client:
            answer = client.chat.completions.create(
                model="demo", messages=MESSAGES, max_tokens=4, tools=TOOLS, response_format=SCHEMA
            )
    (asked,) = CallingEngine.asked
    assert (asked["tools"], asked["response_format"]) == (TOOLS, SCHEMA)
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls or []
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    assert (call.function.name, call.function.arguments) == ("look_up", '{"of": 1}')


def test_openai_whole(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="demo", messages=MESSAGES, max_tokens=4)
    assert answer.choices[0].message.content == " word" * 4
    assert answer.usage is not None and answer.usage.completion_tokens == 4


def test_openai_streams_with_usage(client: openai.OpenAI) -> None:
    pieces = list(
        client.chat.completions.create(
            model="demo",
            messages=MESSAGES,
            max_tokens=4,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == " word" * 4
    assert pieces[-1].usage is not None and pieces[-1].usage.prompt_tokens == 9


def test_openai_async_streams_many_at_once(gateway: RunningGateway) -> None:
    async def run() -> list[int]:
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as made:

            async def one() -> int:
                stream = await made.chat.completions.create(
                    model="demo", messages=MESSAGES, max_tokens=5, stream=True
                )
                return len([piece async for piece in stream if piece.choices[0].delta.content])

            return await asyncio.gather(*(one() for _ in range(10)))

    assert asyncio.run(run()) == [5] * 10


def test_openai_embeddings_completions_and_models(client: openai.OpenAI) -> None:
    assert client.embeddings.create(model="demo", input=["a b"]).data[0].embedding == [0.1, 0.2]
    assert client.completions.create(model="demo", prompt="a", max_tokens=2).choices[0].text
    assert [model.id for model in client.models.list()] == ["demo"]
    assert client.models.retrieve("demo").owned_by == "main"


def test_openai_reads_refusals(client: openai.OpenAI, gateway: RunningGateway) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="none", messages=MESSAGES)
    with pytest.raises(openai.AuthenticationError) as refused:
        client.with_options(api_key="wrong").models.list()
    assert refused.value.code == "invalid_api_key" and refused.value.request_id


def test_openai_hears_of_a_stream_that_breaks_off(tmp_path: Path) -> None:
    options = ("--ttft-ms", "2", "--itl-ms", "1", "--model", "golden", "--fault", "reset")
    with golden_server(*options) as broken, running_gateway(tmp_path) as running:
        running.serve(endpoint(replica(broken.url)))
        with openai.OpenAI(base_url=running.url, api_key=KEY, max_retries=0) as made:
            stream = made.chat.completions.create(
                model="demo", messages=MESSAGES, max_tokens=9, stream=True
            )
            with pytest.raises(openai.APIError, match="engine failed"):
                list(stream)


def documented(language: str, about: str = "") -> str:
    """The first block of the page in this language that has to do with it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return next(str(block) for block in blocks if about in block)


def as_documented(argv: list[str], gateway: RunningGateway) -> str:
    """What a block of the page prints, on the gateway instead of the usual address."""
    here = [part.replace("http://127.0.0.1:8080/v1", gateway.url) for part in argv]
    env = {**os.environ, "KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    said: str = subprocess.check_output(here, text=True, env=env)
    return said


def test_curl_as_documented(gateway: RunningGateway) -> None:
    said = as_documented(["bash", "-ec", documented("bash").replace("curl", "curl -sf")], gateway)
    assert said.count(" word") == 32, "a whole answer and a stream, of 16 tokens each"
    assert "data: [DONE]" in said
    assert '"embedding"' in said
    assert '"id":"demo"' in said


def test_openai_as_documented(gateway: RunningGateway) -> None:
    argv = [sys.executable, "-c", documented("python", "from openai")]
    assert as_documented(argv, gateway) == " word" * 16


@pytest.mark.more_engines
def test_litellm_as_documented(gateway: RunningGateway) -> None:
    tool = UvEnvironments(find_places().cache).install(LITELLM_SPEC, say=print)
    said = as_documented([tool.python, "-c", documented("python", "import litellm")], gateway)
    assert said.splitlines()[-1] == " word" * 16


@pytest.mark.more_engines
def test_litellm(gateway: RunningGateway) -> None:
    """In an environment of its own, which is kept: it brings fifty packages."""
    tool = UvEnvironments(find_places().cache).install(LITELLM_SPEC, say=print)
    offline = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    argv = [tool.python, "-c", LITELLM, gateway.url, KEY]
    said = subprocess.check_output(argv, text=True, env=offline)
    assert json.loads(said.splitlines()[-1]) == {
        "text": " word" * 4,
        "usage": 4,
        "streamed": " word" * 4,
        "vectors": 1,
    }
