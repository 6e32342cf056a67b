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
from paceline.adapters.engines.llamacpp import LlamaCpp
from paceline.adapters.engines.llamacpp.checkpoint import FILE
from paceline.adapters.engines.openvino import OpenVino
from paceline.adapters.engines.sglang import Sglang
from paceline.adapters.engines.transformers import Transformers
from paceline.adapters.engines.vllm import Vllm
from paceline.adapters.executors.local import LocalExecutor
from paceline.adapters.hub.local import LocalHub
from paceline.adapters.telemetry.prometheus import Prometheus
from paceline.app.checkpoints import make_checkpoint
from paceline.app.validation import judged
from paceline.app.wiring import Workshop
from paceline.ports.engine import CanDraft, CanValidate, Engine
from paceline.ports.executor import Executor, Server
from paceline.records.checkpoint import Calibration
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.launch import Artefact, Cause, Environment, LaunchSpec
from paceline.records.load import Target
from paceline.records.model import Model
from paceline.records.telemetry import Counter, Gauge, Snapshot, TelemetryGap, Times
from paceline.testing.builders import a_cpu, a_model, a_variant
from paceline.testing.engines import QUESTION, TINY_CONFIG, Bench, Chat, EngineContract, Knobs


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
            # Only what never ends is waited for in vain.
            return replace(spec, ready_timeout_s=0.8) if cause is Cause.TIMED_OUT else spec

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
        status = Workshop().environments.status(spec)
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
        for pattern in ("*.safetensors", "openvino_model.bin", "*.gguf"):
            for weights in broken.glob(pattern):
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
            end = server.wait_ready()
            assert end is None, end.log_tail
            with Chat(server) as chat:
                assert chat.ask().json()["usage"]["completion_tokens"] > 0


@pytest.mark.more_engines
class TestLlamaCpp(Real):
    __test__ = True

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return LlamaCpp()

    @pytest.mark.enable_socket
    def test_refuses_another_models_name(self, chat: Chat) -> None:
        """It has one model and answers with it whatever the request names, and says which."""
        answer = chat.ask(model="no-such-model")
        assert answer.status_code == 200
        listed = chat.client.get("/v1/models").json()["data"]
        assert [model["id"] for model in listed] == [chat.server.spec.model_name]

    @pytest.mark.parametrize("format_", ["gguf-q8_0", "gguf-q4_k_m", "gguf-q4_0"])
    @pytest.mark.enable_socket
    def test_serves_quantized_files(
        self, format_: str, bench: Bench, executor: Executor, tmp_path: Path
    ) -> None:
        artefact = bench.prepare(format_)
        assert artefact.size_bytes < bench.artefact.size_bytes
        with executor.start(
            lambda port: bench.launch(port=port, artefact=artefact),
            log_path=tmp_path / "engine.log",
        ) as server:
            end = server.wait_ready()
            assert end is None, end.log_tail
            with Chat(server) as chat:
                assert chat.ask().json()["usage"]["completion_tokens"] > 0

    def test_an_importance_matrix_gives_other_weights_of_the_same_size(
        self, model: Model, bench: Bench, environment: Environment, tmp_path: Path
    ) -> None:
        engine = LlamaCpp()
        calibration = Calibration(name="words", texts=(" ".join(map(str, range(600))),))
        made = engine.prepare_calibrated(
            model,
            "gguf-q4_k_m-imatrix",
            calibration=calibration,
            environment=environment,
            cache=tmp_path,
            say=lambda _line: None,
        )
        plain = bench.prepare("gguf-q4_k_m")
        assert f"of words {calibration.sha256[:12]}" in (made.recipe or "")
        weights = [(Path(found.folder) / FILE).read_bytes() for found in (made, plain)]
        assert weights[0] != weights[1]
        assert abs(len(weights[0]) - len(weights[1])) < 4096, "but for what is noted in it"
        assert str(tmp_path).encode() not in weights[0]

    def test_a_recipe_says_which_tensors_got_another_type(self, bench: Bench) -> None:
        """The tiny model's rows are 128 long, and blocks of k-quants 256."""
        recipe = bench.prepare("gguf-q4_k_m").recipe or ""
        assert "llama-quantize Q4_K_M" in recipe
        assert "256 does not divide their rows" in recipe

    @pytest.mark.enable_socket
    def test_speculation_is_counted(self, bench: Bench, executor: Executor, tmp_path: Path) -> None:
        with executor.start(
            lambda port: bench.launch(port=port, speculation="ngram"),
            log_path=tmp_path / "engine.log",
        ) as server:
            end = server.wait_ready()
            assert end is None, end.log_tail
            target = Target(base_url=server.base_url, model=server.spec.model_name)
            reader = Prometheus().open(target)
            assert not isinstance(reader, TelemetryGap), reader.because
            with Chat(server) as chat:
                # Made to begin like an earlier answer, whose end is then the guess.
                said = [*QUESTION, {"role": "assistant", "content": "a b c d e f g"}, *QUESTION]
                chat.ask(messages=said, logit_bias={"100": 100})
                chat.ask()  # a request is counted a moment after its answer: at the latest now
                found = reader.read()
            reader.close()
        assert not isinstance(found, TelemetryGap), found.because
        drafted = found.counters[Counter.SPECULATION_TOKENS_DRAFTED]
        assert found.counters[Counter.SPECULATION_DRAFTS] > 0
        assert 0 <= found.counters[Counter.SPECULATION_TOKENS_ACCEPTED] <= drafted


class OnVllm(Real):
    """Not compiled: that takes half of a start, and changes nothing that is asked here."""

    __test__ = False

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return Vllm()

    @pytest.fixture(scope="class")
    @classmethod
    def knobs(cls) -> Knobs:
        return (("enforce_eager", True),)

    def test_its_own_parser_judges_command_lines(
        self, bench: Bench, engine: Engine, environment: Environment
    ) -> None:
        assert isinstance(engine, CanValidate)
        plain = bench.launch().argv
        cases = {
            (): None,
            ("--tensor-parallel-size", "3"): "attention heads (2) must be divisible",
            ("--no-such-flag",): "unrecognized arguments: --no-such-flag",
            ("--max-num-seqs", "64", "--max-num-batched-tokens", "32"): "greater than or equal to",
        }
        knobs = [
            bench.launch(knobs=((knob.name, value),)).argv
            for knob in engine.knobs()
            for value in knob.values
        ]
        launches = [*((*plain, *more) for more in cases), *knobs]
        answers = judged(engine.validator(environment), launches, say=pytest.fail)
        assert answers[len(cases) :] == [None] * len(knobs)
        for answer, words in zip(answers, cases.values(), strict=False):
            assert answer is None if words is None else words in (answer or "")

    @pytest.mark.enable_socket
    def test_its_metrics_are_read_and_speculation_is_counted(
        self, bench: Bench, executor: Executor, tmp_path: Path
    ) -> None:
        with executor.start(
            lambda port: bench.launch(port=port, speculation="ngram"),
            log_path=tmp_path / "engine.log",
        ) as server:
            end = server.wait_ready()
            assert end is None, end.log_tail
            with Chat(server) as chat:
                chat.ask(tokens=200, **dict(server.spec.exact_output))
                chat.ask()  # a request is counted a moment after its answer: at the latest now
                found = read_metrics(server)
        assert found.counters[Counter.GENERATION_TOKENS] > 0
        assert found.counters[Counter.REQUESTS_FINISHED] > 0
        assert set(found.gauges) >= {Gauge.REQUESTS_RUNNING, Gauge.KV_CACHE_USAGE}
        assert set(found.histograms) >= {Times.TTFT, Times.E2E, Times.QUEUE}
        drafted = found.counters[Counter.SPECULATION_TOKENS_DRAFTED]
        assert 0 <= found.counters[Counter.SPECULATION_TOKENS_ACCEPTED] <= drafted

    @pytest.mark.enable_socket
    def test_a_draft_is_believed_when_it_is_right(
        self, bench: Bench, engine: Engine, executor: Executor, tmp_path: Path
    ) -> None:
        """The model is its own draft here, so greedily it guesses what it will say."""
        assert isinstance(engine, CanDraft)

        def build(port: int) -> LaunchSpec:
            return engine.with_draft(
                bench.launch(port=port, speculation="draft itself"), bench.artefact
            )

        with executor.start(build, log_path=tmp_path / "engine.log") as server:
            end = server.wait_ready()
            assert end is None, end.log_tail
            with Chat(server) as chat:
                chat.ask(tokens=100, **dict(server.spec.exact_output))
                found = read_metrics(server)
        drafted = found.counters[Counter.SPECULATION_TOKENS_DRAFTED]
        assert drafted > 0
        assert found.counters[Counter.SPECULATION_TOKENS_ACCEPTED] > 0.5 * drafted

    @pytest.mark.parametrize("format_", ["w8a8", "gptq-4"])
    @pytest.mark.enable_socket
    def test_serves_what_a_quantizer_made(
        self, format_: str, model: Model, bench: Bench, executor: Executor, tmp_path: Path
    ) -> None:
        artefact = make_checkpoint(
            model, format_, Workshop(), calibration=None, say=lambda _line: None
        )
        assert artefact.size_bytes < bench.artefact.size_bytes
        with executor.start(
            lambda port: bench.launch(port=port, artefact=artefact),
            log_path=tmp_path / "engine.log",
        ) as server:
            end = server.wait_ready()
            assert end is None, end.log_tail
            with Chat(server) as chat:
                assert chat.ask().json()["usage"]["completion_tokens"] > 0


@pytest.mark.more_engines
class TestVllm(OnVllm):
    """On this machine's processor."""

    __test__ = True


@pytest.mark.gpu
class TestVllmOnAGpu(OnVllm):
    """The same on this machine's first card."""

    __test__ = True

    @pytest.fixture(scope="class")
    @classmethod
    def accelerator(cls) -> Accelerator:
        return first_card()

    @pytest.fixture(scope="class")
    @classmethod
    def knobs(cls) -> Knobs:
        """Several servers are on the card at once here, each of which would take nearly all of it.
        Random weights answer by close calls, which a prefix from the cache may turn over."""
        share = ("gpu_memory_utilization", 0.2)
        return (("enforce_eager", True), share, ("prefix_caching", False))

    @pytest.mark.enable_socket
    def test_fp8_is_made_while_loading_and_weights_may_be_random(
        self, bench: Bench, executor: Executor, tmp_path: Path
    ) -> None:
        artefact = replace(bench.artefact, format="fp8", size_bytes=0)
        with executor.start(
            lambda port: bench.launch(port=port, artefact=artefact),
            log_path=tmp_path / "engine.log",
        ) as server:
            end = server.wait_ready()
            assert end is None, end.log_tail
            assert {"dummy", "fp8"} <= set(server.spec.argv)
            with Chat(server) as chat:
                assert chat.ask().json()["usage"]["completion_tokens"] > 0


@pytest.mark.more_engines
def test_sglangs_own_parser_judges_command_lines() -> None:
    """It needs no card for that, and nothing of SGLang's kernels."""
    engine, model = Sglang(), a_model()
    spec = engine.environment()
    assert spec is not None
    status = Workshop().environments.status(spec)
    assert status.environment is not None, status.detail
    environment = status.environment
    place = replace(a_cpu(), name="H200", kind=AcceleratorKind.GPU, compute_capability=9.0)

    def launch(knobs: Knobs = (), speculation: str | None = None) -> tuple[str, ...]:
        variant = replace(a_variant("sglang", knobs=knobs), accelerator="H200", count=2)
        artefact = Artefact(folder=model.folder, format="bf16", sha256="0", size_bytes=0)
        return engine.launch(
            replace(variant, speculation=speculation),
            artefact,
            model=model,
            environment=environment,
            accelerator=place,
            port=20_001,
        ).argv

    fine = [launch(((knob.name, value),)) for knob in engine.knobs() for value in knob.values]
    fine += [launch(speculation=method) for method in engine.speculations()]
    fine += [launch((("expert_parallel", True), ("parallelism", "pipeline")))]
    wrong = [(*launch(), "--no-such-flag"), launch((("schedule_policy", "best"),))]
    answers = judged(engine.validator(environment), [*fine, *wrong], say=pytest.fail)
    assert answers[: len(fine)] == [None] * len(fine)
    assert "unrecognized arguments: --no-such-flag" in (answers[-2] or "")
    assert "invalid choice: 'best'" in (answers[-1] or "")


@pytest.mark.gpu
class TestSglangOnAGpu(Real):
    """Runs on cards only."""

    __test__ = True

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return Sglang()

    @pytest.fixture(scope="class")
    @classmethod
    def knobs(cls) -> Knobs:
        """As for vLLM."""
        return (("mem_fraction_static", 0.2), ("radix_cache", False))

    @pytest.fixture(scope="class")
    @classmethod
    def accelerator(cls) -> Accelerator:
        return first_card()


def read_metrics(server: Server) -> Snapshot:
    """One reading of the server's own metrics."""
    reader = Prometheus().open(Target(base_url=server.base_url, model=server.spec.model_name))
    assert not isinstance(reader, TelemetryGap), reader.because
    found = reader.read()
    reader.close()
    assert not isinstance(found, TelemetryGap), found.because
    return found


def first_card() -> Accelerator:
    """The first card of this machine."""
    return next(a for a in LocalExecutor().inventory() if a.kind is AcceleratorKind.GPU)
