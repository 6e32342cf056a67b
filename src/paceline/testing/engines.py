"""What every engine must do. Subclass `EngineContract` and give it an engine and a place to run.

The first half asks the adapter alone; the second talks to the real program. A class shares one
server, since some take a minute to start; the test that ends it needs no other for that. Nothing
here is about speed. Engines that make pictures: `image_engines`.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import httpx
import pytest

from paceline.adapters.quality.fidelity import LogprobReader
from paceline.ports.embeddings import CanEmbed
from paceline.ports.engine import CanSpeculate, Engine, GivesDistributions, TakesBatches
from paceline.ports.executor import Executor, Server
from paceline.records.fidelity import Reading
from paceline.records.hardware import Accelerator
from paceline.records.launch import Artefact, Cause, Environment, LaunchSpec, ProcessEnd
from paceline.records.load import Target
from paceline.records.model import Model
from paceline.records.variant import Scalar, Variant
from paceline.testing.builders import a_cpu, a_variant

ANSWER_TIMEOUT_S: Final = 120.0
POLL_S: Final = 0.02
TINY_CONFIG: Final = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 64,
    "vocab_size": 512,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "eos_token_id": 2,
}
"""The smallest decoder that every real engine loads and every format fits."""

Knobs = tuple[tuple[str, Scalar], ...]

QUESTION: Final = [{"role": "user", "content": "What is one and one?"}]


def ended(exit_code: int | None, log: str = "", *, ready: bool = False) -> ProcessEnd:
    """A process end with this exit code and log."""
    return ProcessEnd(exit_code=exit_code, ready=ready, waited_s=1.0, log_tail=log)


class Chat:
    """Asks one server, greedily unless told otherwise.

    Every question has a connection of its own: llama.cpp closes the one that carried a streamed
    answer without having said so, and the next question would at times cross with that.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = httpx.Client(
            base_url=server.base_url,
            timeout=ANSWER_TIMEOUT_S,
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    def __enter__(self) -> "Chat":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def ask(self, *, tokens: int = 8, **fields: Any) -> httpx.Response:
        """One answer, whole."""
        return self.client.post("/v1/chat/completions", json=self.body(tokens, fields))

    def stream(self, *, tokens: int = 8, **fields: Any) -> list[Mapping[str, Any]]:
        """The events of one streamed answer, without the end mark."""
        body = self.body(tokens, {"stream": True, **fields})
        body["stream_options"] = {"include_usage": True}
        with self.client.stream("POST", "/v1/chat/completions", json=body) as response:
            assert response.status_code == 200, response.read()
            lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    def body(self, tokens: int, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A request body."""
        return {
            "model": self.server.spec.model_name,
            "messages": QUESTION,
            "max_tokens": tokens,
            "temperature": 0,
            **fields,
        }


class Bench:
    """One engine with one prepared model, ready to be launched in any way."""

    def __init__(
        self,
        engine: Engine,
        model: Model,
        environment: Environment,
        cache: Path,
        *,
        knobs: Knobs,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.engine = engine
        self._model = model
        self._environment = environment
        self._cache = cache
        self._knobs = knobs
        self._accelerator = accelerator or a_cpu(cores=1)
        self.artefact = self.prepare(engine.formats()[0])

    def prepare(self, format_: str) -> Artefact:
        """The artefact of one format."""
        return self.engine.prepare(
            self._model,
            format_,
            environment=self._environment,
            cache=self._cache,
            say=lambda _line: None,
        )

    def launch(
        self,
        *,
        port: int = 20_001,
        knobs: Knobs | None = None,
        artefact: Artefact | None = None,
        speculation: str | None = None,
    ) -> LaunchSpec:
        """The launch of one variant."""
        loaded = artefact or self.artefact
        variant = Variant(
            accelerator=self._accelerator.name,
            count=1,
            format=loaded.format,
            engine=self.engine.name,
            knobs=self._knobs if knobs is None else knobs,
            speculation=speculation,
        )
        return self.engine.launch(
            variant,
            loaded,
            model=self._model,
            environment=self._environment,
            accelerator=self._accelerator,
            port=port,
        )


Client = TypeVar("Client", bound=AbstractContextManager[Any])


class Kept(Generic[Client]):
    """The server of a class of tests: started for the first that asks, and again after its end."""

    def __init__(
        self, bench: Bench, executor: Executor, folder: Path, connect: Callable[[Server], Client]
    ) -> None:
        self._bench = bench
        self._executor = executor
        self._log = folder / "engine.log"
        self._connect = connect
        self._open = ExitStack()
        self._client: Client | None = None

    def client(self) -> Client:
        """A client of the server, which is ready."""
        if self._client is None:
            server = self._open.enter_context(
                self._executor.start(lambda port: self._bench.launch(port=port), log_path=self._log)
            )
            end = server.wait_ready()
            assert end is None, end.log_tail
            self._client = self._open.enter_context(self._connect(server))
        return self._client

    def stop(self) -> None:
        """Close the client and end the server, as the executor does it."""
        self._client = None
        self._open.close()


def ended_by_itself(server: Server) -> ProcessEnd:
    """How a server ended that cannot start; asked once, without the executor's second attempt."""
    deadline_s = time.monotonic() + server.spec.ready_timeout_s
    while True:
        end = server.poll()
        if end is not None:
            return end
        assert time.monotonic() < deadline_s, "it runs"
        time.sleep(POLL_S)


def text_of(events: list[Mapping[str, Any]]) -> str:
    """The text of a streamed answer."""
    deltas = [choice["delta"] for event in events for choice in event.get("choices", [])]
    return "".join(delta.get("content") or "" for delta in deltas)


class EngineDeclarations:
    """What holds for every engine, whether it writes or draws."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        """The engine under test."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def environment(cls) -> Environment:
        """Its installed environment."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def executor(cls) -> Executor:
        """Where it runs."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> Model:
        """A model it can load."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def cache(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Where artefacts are kept."""
        return tmp_path_factory.mktemp("cache")

    @pytest.fixture(scope="class")
    @classmethod
    def knobs(cls) -> Knobs:
        """What every launch of this suite changes; the engine's defaults unless overridden."""
        return ()

    @pytest.fixture(scope="class")
    @classmethod
    def accelerator(cls) -> Accelerator:
        """What it runs on; one core of this machine's processor unless overridden."""
        return a_cpu(cores=1)

    @pytest.fixture(scope="class")
    @classmethod
    def bench(
        cls,
        *,
        engine: Engine,
        model: Model,
        environment: Environment,
        cache: Path,
        knobs: Knobs,
        accelerator: Accelerator,
    ) -> Bench:
        """The engine with its model, prepared."""
        return Bench(engine, model, environment, cache, knobs=knobs, accelerator=accelerator)

    # The adapter alone

    def test_declares_a_name_a_version_and_formats(self, engine: Engine) -> None:
        assert engine.name.strip() == engine.name != ""
        assert engine.version
        assert len(set(engine.formats())) == len(engine.formats()) > 0

    def test_its_environment_is_pinned_and_named_like_it(self, engine: Engine) -> None:
        spec = engine.environment()
        if spec is not None:
            assert spec.name == engine.name
            assert all("==" in requirement for requirement in spec.requirements)

    def test_each_knob_has_distinct_values_and_says_when_it_matters(self, engine: Engine) -> None:
        names = [knob.name for knob in engine.knobs()]
        assert len(set(names)) == len(names)
        for knob in engine.knobs():
            assert len({repr(value) for value in knob.values}) == len(knob.values) >= 2
            assert knob.when

    def test_refuses_a_format_it_does_not_know(
        self, engine: Engine, model: Model, accelerator: Accelerator
    ) -> None:
        assert engine.unsupported(model, accelerator, "no-such-format")
        assert engine.unsupported(model, accelerator, engine.formats()[0]) is None

    def test_every_value_of_a_knob_gives_another_launch(self, bench: Bench) -> None:
        for knob in bench.engine.knobs():
            launches = [bench.launch(knobs=((knob.name, value),)) for value in knob.values]
            told = {(spec.argv, tuple(sorted(spec.env.items()))) for spec in launches}
            assert len(told) == len(knob.values)

    def test_every_kind_of_speculation_gives_another_launch(self, bench: Bench) -> None:
        engine = bench.engine
        kinds = engine.speculations() if isinstance(engine, CanSpeculate) else ()
        launches = [bench.launch(speculation=kind) for kind in (None, *kinds)]
        assert len({spec.argv for spec in launches}) == len(kinds) + 1

    def test_it_takes_at_least_one_request_at_a_time(self, engine: Engine) -> None:
        if isinstance(engine, TakesBatches):
            for knob in engine.knobs():
                for value in knob.values:
                    assert engine.places(a_variant(engine.name, knobs=((knob.name, value),))) >= 1

    def test_a_launch_is_complete(self, bench: Bench) -> None:
        spec = bench.launch(port=20_123)
        assert spec.port == 20_123
        assert any("20123" in part for part in spec.argv)
        assert Path(spec.argv[0]).is_absolute()
        assert spec.grace_s > 0
        assert spec.ready_timeout_s > 0

    def test_a_second_preparation_finds_the_first(self, bench: Bench) -> None:
        again = bench.prepare(bench.artefact.format)
        assert again.prepared_s is None
        assert (again.folder, again.sha256) == (bench.artefact.folder, bench.artefact.sha256)

    def test_classifies_by_exit_code_where_the_log_says_nothing(self, engine: Engine) -> None:
        assert engine.classify(ended(None)) is Cause.TIMED_OUT
        assert engine.classify(ended(-9)) is Cause.OUT_OF_MEMORY
        assert engine.classify(ended(127)) is Cause.MISSING_DEPENDENCY
        assert engine.classify(ended(-11)) is Cause.CRASHED
        assert engine.classify(ended(1, ready=True)) is Cause.CRASHED

    @pytest.mark.enable_socket
    def test_a_taken_port_is_told_apart(
        self, bench: Bench, executor: Executor, tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
            with executor.start(
                lambda _port: bench.launch(port=number), log_path=tmp_path / "engine.log"
            ) as server:
                end = ended_by_itself(server)
        assert bench.engine.classify(end) is Cause.PORT_IN_USE, end.log_tail


class EngineContract(EngineDeclarations):
    """An engine that generates text: its declarations and its program."""

    @pytest.fixture(scope="class")
    @classmethod
    def kept(
        cls, bench: Bench, executor: Executor, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Kept[Chat]]:
        """The server that the class shares."""
        kept = Kept(bench, executor, tmp_path_factory.mktemp("logs"), Chat)
        yield kept
        kept.stop()

    @pytest.fixture
    def chat(self, kept: Kept[Chat]) -> Chat:
        """A running server, shared by the class."""
        return kept.client()

    @pytest.mark.enable_socket
    def test_answers_with_text_and_usage(self, chat: Chat) -> None:
        answer = chat.ask().json()
        assert isinstance(answer["choices"][0]["message"]["content"], str)
        assert answer["choices"][0]["finish_reason"] in ("stop", "length")
        usage = answer["usage"]
        assert usage["prompt_tokens"] > 0
        assert 0 < usage["completion_tokens"] <= 8

    @pytest.mark.enable_socket
    def test_embeds_texts_when_it_says_so(self, chat: Chat, model: Model, engine: Engine) -> None:
        if not isinstance(engine, CanEmbed) or not engine.embeds(model):
            return
        asked = {"model": chat.server.spec.model_name, "input": ["a b c", "d e", "a b c"]}
        answer = chat.client.post("/v1/embeddings", json=asked).json()
        vectors = [one["embedding"] for one in answer["data"]]
        assert vectors[0] == pytest.approx(vectors[2])
        assert vectors[0] != pytest.approx(vectors[1])
        assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] >= 8

    @pytest.mark.enable_socket
    def test_shows_its_distributions_in_the_ways_that_it_declares(
        self, chat: Chat, engine: Engine
    ) -> None:
        declared = engine.readings() if isinstance(engine, GivesDistributions) else ()
        assert len(set(declared)) == len(declared)
        target = Target(base_url=chat.server.base_url, model=chat.server.spec.model_name)
        for way in Reading:
            found = LogprobReader().read(
                target, prompts=("Good morning to all of you.",), concurrency=2, reading=way
            )
            assert (found.reading is way) is (way in declared), found.unavailable
            listed = [len(token.top) for text in found.texts for token in text.tokens]
            assert way not in declared or min(listed) >= 2

    @pytest.mark.enable_socket
    def test_a_stream_ends_with_a_reason_and_usage(self, chat: Chat) -> None:
        events = chat.stream()
        reasons = [
            choice.get("finish_reason")
            for event in events
            for choice in event.get("choices", [])
            if choice.get("finish_reason")
        ]
        assert len(reasons) == 1
        usages = [event["usage"] for event in events if event.get("usage")]
        assert len(usages) == 1
        assert 0 < usages[0]["completion_tokens"] <= 8

    @pytest.mark.enable_socket
    def test_greedy_answers_repeat_streamed_or_not(self, chat: Chat) -> None:
        whole = chat.ask(tokens=12).json()["choices"][0]["message"]["content"]
        assert text_of(chat.stream(tokens=12)) == whole
        assert text_of(chat.stream(tokens=12)) == whole

    @pytest.mark.enable_socket
    def test_gives_an_exact_number_of_tokens_on_demand(self, chat: Chat) -> None:
        wanted = dict(chat.server.spec.exact_output)
        for tokens in (1, 33):
            usage = chat.ask(tokens=tokens, **wanted).json()["usage"]
            assert usage["completion_tokens"] == tokens

    @pytest.mark.enable_socket
    def test_tokens_arrive_one_after_the_other(self, chat: Chat) -> None:
        # Many, as a server on a busy machine may send what has come meanwhile in one event.
        events = chat.stream(tokens=200, **dict(chat.server.spec.exact_output))
        with_text = [event for event in events if text_of([event])]
        assert len(with_text) > 4

    @pytest.mark.enable_socket
    def test_many_at_once_are_all_answered_alike(self, chat: Chat) -> None:
        alone = text_of(chat.stream())
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: text_of(chat.stream()), range(6)))
        assert all(isinstance(answer, str) for answer in answers)
        assert answers.count(alone) >= 1  # sums in another order may flip a close call

    @pytest.mark.enable_socket
    def test_refuses_another_models_name(self, chat: Chat) -> None:
        assert 400 <= chat.ask(model="no-such-model").status_code < 500
        assert chat.ask().status_code == 200

    @pytest.mark.enable_socket
    def test_a_client_that_leaves_does_no_harm(self, chat: Chat) -> None:
        body = chat.body(200, {"stream": True, **dict(chat.server.spec.exact_output)})
        with chat.client.stream("POST", "/v1/chat/completions", json=body) as response:
            next(response.iter_raw())
        assert chat.ask().status_code == 200

    @pytest.mark.enable_socket
    def test_sigterm_lets_what_is_in_flight_finish(self, chat: Chat, kept: Kept[Chat]) -> None:
        lines: list[str] = []
        started = threading.Event()

        def read() -> None:
            body = chat.body(40, {"stream": True, **dict(chat.server.spec.exact_output)})
            with (
                Chat(chat.server) as own,
                own.client.stream("POST", "/v1/chat/completions", json=body) as response,
            ):
                for line in response.iter_lines():
                    started.set()
                    lines.append(line)

        reader = threading.Thread(target=read)
        reader.start()
        assert started.wait(ANSWER_TIMEOUT_S)
        kept.stop()
        reader.join()
        assert sum('"finish_reason":"length"' in line.replace(" ", "") for line in lines) == 1
