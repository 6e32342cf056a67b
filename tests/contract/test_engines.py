"""Every engine against the contract; the real ones where their environments are installed.

The real engines load a tiny model with random weights, so that no test waits for computation.
"""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.engines.fake import Fake
from paceline.adapters.engines.openvino import OpenVino
from paceline.adapters.engines.transformers import Transformers
from paceline.adapters.environments.uv import UvEnvironments
from paceline.adapters.executors.local import LocalExecutor
from paceline.adapters.hub.local import LocalHub
from paceline.app.places import find_places
from paceline.ports.engine import Engine
from paceline.ports.executor import Executor
from paceline.records.launch import Cause, Environment, LaunchSpec
from paceline.records.model import Model
from paceline.testing.builders import a_model
from paceline.testing.engines import TINY_CONFIG, Bench, Chat, EngineContract, Knobs


class Local(EngineContract):
    """Runs on this machine."""

    __test__ = False

    @pytest.fixture(scope="class")
    @classmethod
    def executor(cls) -> Executor:
        return LocalExecutor()


class TestFake(Local):
    __test__ = True

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return Fake()

    @pytest.fixture(scope="class")
    @classmethod
    def environment(cls) -> Environment:
        return Environment(name="fake", python=sys.executable, bin_dir="/", lock=(), lock_sha256="")

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, tmp_path_factory: pytest.TempPathFactory) -> Model:
        suite = tmp_path_factory.mktemp("suite") / "suite.jsonl"
        items = [
            {"id": f"i{n}", "messages": [{"role": "user", "content": f"What is {n} + 1?"}],
             "answer": str(n + 1)}
            for n in range(200)
        ]  # fmt: skip
        header = {"suite": "sums", "version": 1}
        suite.write_text("\n".join(json.dumps(line) for line in [header, *items]))
        return replace(a_model(), suite_path=str(suite))

    @pytest.mark.enable_socket
    def test_answers_as_many_questions_rightly_as_it_is_told(self, chat: Chat) -> None:
        right = 0
        for n in range(200):
            question = [{"role": "user", "content": f"What is {n} + 1?"}]
            answer = chat.ask(messages=question).json()["choices"][0]["message"]["content"]
            right += answer == str(n + 1)
        assert 0.85 <= right / 200 <= 0.98

    @pytest.mark.parametrize(
        ("fault", "cause"),
        [
            ("crash-at-start", Cause.CRASHED),
            ("out-of-memory", Cause.OUT_OF_MEMORY),
            ("unsupported", Cause.UNSUPPORTED),
            ("hang-at-start", Cause.TIMED_OUT),
        ],
    )
    @pytest.mark.enable_socket
    def test_fails_as_it_is_told(
        self,
        fault: str,
        cause: Cause,
        bench: Bench,
        executor: Executor,
        tmp_path: Path,
    ) -> None:
        def build(port: int) -> LaunchSpec:
            spec = bench.launch(port=port, knobs=(("fault", fault),))
            return replace(spec, ready_timeout_s=0.8)

        with executor.start(build, log_path=tmp_path / "engine.log") as server:
            end = server.wait_ready()
        assert end is not None
        assert bench.engine.classify(end) is cause


class Real(Local):
    """An engine in its own environment, with a tiny model of random weights."""

    @pytest.fixture(scope="class")
    @classmethod
    def environment(cls, engine: Engine) -> Environment:
        spec = engine.environment()
        assert spec is not None
        status = UvEnvironments(find_places().cache).status(spec)
        assert status.environment is not None, status.detail
        return status.environment

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, tmp_path_factory: pytest.TempPathFactory) -> Model:
        folder = tmp_path_factory.mktemp("model")
        (folder / "config.json").write_text(json.dumps(TINY_CONFIG))
        hub = LocalHub(folder / "cache")
        return hub.synthesize(str(folder), folder / "tiny", dtype="bf16", seed=1)

    @pytest.mark.enable_socket
    def test_a_truncated_checkpoint_is_told_apart(
        self, bench: Bench, executor: Executor, tmp_path: Path
    ) -> None:
        broken = tmp_path / "broken"
        shutil.copytree(bench.artefact.folder, broken)
        for weights in (*broken.glob("*.safetensors"), *broken.glob("openvino_model.bin")):
            weights.write_bytes(weights.read_bytes()[:1000])
        damaged = replace(bench.artefact, folder=str(broken))
        with executor.start(
            lambda port: bench.launch(port=port, artefact=damaged),
            log_path=tmp_path / "engine.log",
        ) as server:
            end = server.wait_ready()
        assert end is not None
        assert bench.engine.classify(end) is Cause.BAD_CHECKPOINT, end.log_tail


@pytest.mark.engines
class TestTransformers(Real):
    __test__ = True

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return Transformers()


@pytest.mark.engines
class TestTransformersContinuousBatching(TestTransformers):
    """The same program with its other scheduler, which has limits of its own."""

    @pytest.fixture(scope="class")
    @classmethod
    def knobs(cls) -> Knobs:
        return (("continuous_batching", True),)


@pytest.mark.engines
class TestOpenVino(Real):
    __test__ = True

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return OpenVino()

    @pytest.mark.parametrize("format_", ["int8", "int4"])
    @pytest.mark.enable_socket
    def test_serves_quantized_exports(
        self, format_: str, bench: Bench, executor: Executor, tmp_path: Path
    ) -> None:
        artefact = bench.prepare(format_)
        assert format_ in (artefact.recipe or "")
        with executor.start(
            lambda port: bench.launch(port=port, artefact=artefact),
            log_path=tmp_path / "engine.log",
        ) as server:
            assert server.wait_ready() is None
            with Chat(server) as chat:
                assert chat.ask().json()["usage"]["completion_tokens"] > 0
