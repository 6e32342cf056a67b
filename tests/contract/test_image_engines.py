"""The engine that makes pictures against the contract, and its server in everything else it says.

Pipelines of the real classes with random weights: their pictures mean nothing, and none is waited
for long.
"""

import base64
import json
import os
import re
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import openai
import psutil
import pytest
from tests.contract.image_processes import kill, resident_mib, server_process

from paceline.adapters.engines.diffusers import Diffusers
from paceline.adapters.environments.uv import UvEnvironments
from paceline.adapters.executors.local import LocalExecutor
from paceline.adapters.hub.local import LocalHub
from paceline.adapters.telemetry.prometheus import Prometheus
from paceline.app.places import find_places
from paceline.ports.engine import Engine
from paceline.ports.executor import Executor
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.launch import Cause, Environment, EnvironmentSpec, LaunchSpec
from paceline.records.load import Target
from paceline.records.model import Model
from paceline.records.telemetry import Counter, Gauge, Snapshot, TelemetryGap, Times
from paceline.testing.engines import Bench
from paceline.testing.image_engines import (
    ANSWER_TIMEOUT_S,
    Easel,
    ImageEngineContract,
    read_png,
)

pytestmark = pytest.mark.more_engines
SCHEMATHESIS = EnvironmentSpec(name="schemathesis", requirements=("schemathesis==4.32.5",))
FLAT_MIB = 64
START_S = 1200.0
MOST_WAITING = 40
LONG: Final[dict[str, Any]] = {"n": 4, "num_inference_steps": 50, "size": "256x256"}
"""Takes a hundred times as long as to ask for it, whatever the machine: both are computation."""
ABORTED = 'image_server_requests_finished_total{reason="abort"}'
KERNELS = ".main.cpp"
"""What inductor calls the sources of its kernels; others try what the processor can."""


@pytest.fixture(scope="module")
def installed() -> Environment:
    spec = Diffusers().environment()
    assert spec is not None
    return UvEnvironments(find_places().cache).install(spec, say=print)


@pytest.fixture(scope="module")
def pipelines(installed: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three small pipelines in it."""
    out = tmp_path_factory.mktemp("pipelines")
    for plan in Diffusers().shapes():
        Diffusers().write(plan.shape, out / plan.shape, seed=0, environment=installed)
        model = LocalHub(out / "hashes").find(str(out / plan.shape))
        assert (model.parameters, model.architecture) == (plan.parameters, plan.architecture)
        assert model.weight_bytes < 20e6
    return out


def bench_of(name: str, pipelines: Path, environment: Environment, cache: Path) -> Bench:
    model = LocalHub(cache).find(str(pipelines / name))
    return Bench(Diffusers(), model, environment, cache, knobs=())


def launch_with(bench: Bench, *flags: str, format_: str = "bf16") -> Callable[[int], LaunchSpec]:
    artefact = replace(bench.artefact, format=format_)

    def build(port: int) -> LaunchSpec:
        spec = bench.launch(port=port, artefact=artefact)
        return replace(spec, argv=(*spec.argv, *flags), ready_timeout_s=START_S)

    return build


@contextmanager
def serving(
    bench: Bench, log: Path, *flags: str, format_: str = "bf16", at: str = "64x64"
) -> Iterator[Easel]:
    """A server with these flags besides its own."""
    build = launch_with(bench, *flags, "--warmup-size", at, format_=format_)
    with LocalExecutor().start(build, log_path=log) as server:
        end = server.wait_ready()
        assert end is None, end.log_tail
        with Easel(server) as easel:
            yield easel


class TestDiffusers(ImageEngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return Diffusers()

    @pytest.fixture(scope="class")
    @classmethod
    def environment(cls, installed: Environment) -> Environment:
        return installed

    @pytest.fixture(scope="class")
    @classmethod
    def executor(cls) -> Executor:
        return LocalExecutor()

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, pipelines: Path, cache: Path) -> Model:
        return LocalHub(cache).find(str(pipelines / "tiny-flux"))

    def test_random_weights_are_known_as_such(self, model: Model) -> None:
        assert not model.trained
        assert model.image_family == "flux-schnell"

    @pytest.mark.enable_socket
    def test_a_missing_component_is_told_apart(
        self, bench: Bench, executor: Executor, tmp_path: Path
    ) -> None:
        """Other damage: tests/golden/engines."""
        broken = tmp_path / "broken"
        shutil.copytree(bench.artefact.folder, broken)
        shutil.rmtree(broken / "scheduler")
        artefact = replace(bench.artefact, folder=str(broken))
        with executor.start(
            lambda port: bench.launch(port=port, artefact=artefact),
            log_path=tmp_path / "engine.log",
        ) as server:
            end = server.wait_ready()
        assert end is not None
        assert bench.engine.classify(end) is Cause.BAD_CHECKPOINT, end.log_tail

    @pytest.mark.enable_socket
    def test_health_tells_the_phase_until_it_is_ready(
        self, bench: Bench, executor: Executor, tmp_path: Path
    ) -> None:
        with executor.start(
            lambda port: bench.launch(port=port), log_path=tmp_path / "engine.log"
        ) as server:
            early = wait_for_answer(f"{server.base_url}/health")
            with Easel(server) as easel:
                refused = easel.ask()
        assert early.status_code == 503
        assert early.json()["phase"] in ("import", None)
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert refused.json()["error"]["code"] == "starting"

    @pytest.mark.enable_socket
    def test_the_openai_client_gets_its_picture(self, easel: Easel) -> None:
        with openai.OpenAI(base_url=f"{easel.server.base_url}/v1", api_key="none") as client:
            answer = client.images.generate(
                model=easel.server.spec.model_name, prompt="a red circle", size="auto", n=1
            )
        assert answer.data
        assert answer.data[0].b64_json
        head = base64.b64decode(answer.data[0].b64_json)[:24]
        assert struct.unpack(">II", head[16:]) == (1024, 1024)

    @pytest.mark.enable_socket
    def test_an_address_gives_the_same_file_and_cannot_be_changed(self, easel: Easel) -> None:
        data = base64.b64decode(easel.ask().json()["data"][0]["b64_json"])
        (item,) = easel.ask(response_format="url").json()["data"]
        assert set(item) == {"url"}
        assert easel.client.get(item["url"]).content == data
        expires = parse_qs(urlsplit(item["url"]).query)["expires"][0]
        later = item["url"].replace(expires, str(int(expires) + 1))
        assert easel.client.get(later).status_code == 404

    @pytest.mark.enable_socket
    def test_its_metrics_are_read(self, easel: Easel) -> None:
        target = Target(base_url=easel.server.base_url, model=easel.server.spec.model_name)
        reader = Prometheus().open(target)
        assert not isinstance(reader, TelemetryGap), reader.because
        # A request is counted beside its answer, not before it: when the server is idle, all are.
        wait_until(lambda: idle(easel))
        before = reader.read()
        assert easel.ask(n=2).status_code == 200
        wait_until(lambda: idle(easel))
        after = reader.read()
        reader.close()
        assert isinstance(before, Snapshot) and isinstance(after, Snapshot)
        grown = {name: after.counters[name] - before.counters[name] for name in after.counters}
        assert grown[Counter.REQUESTS_FINISHED] == 1
        assert grown[Counter.IMAGES] == 2
        assert 1 <= grown[Counter.BATCHES] <= 2
        assert set(after.gauges) == {Gauge.REQUESTS_RUNNING, Gauge.REQUESTS_WAITING}
        assert set(after.histograms) == {Times.E2E, Times.QUEUE, Times.INFERENCE}

    @pytest.mark.enable_socket
    def test_metadata_and_latents_come_when_asked_for(self, easel: Easel) -> None:
        item = easel.ask(prompt="ein Kreis 🟥", metadata=True, latents=True).json()["data"][0]
        (note,) = read_png(base64.b64decode(item["b64_json"])).notes
        told = json.loads(note.split(b"\0")[-1])
        assert (told["prompt"], told["seed"], told["steps"]) == ("ein Kreis 🟥", 5, 4)
        latents = np.frombuffer(base64.b64decode(item["latents"]), dtype="<f2")
        assert latents.size == np.prod(item["latents_shape"]) > 0
        assert np.isfinite(latents).all()

    @pytest.mark.parametrize("prompt", ["🟥⭕️" * 50, "bell\x07 nul\x00 tab\t", "x" * 32_000, " "])
    @pytest.mark.enable_socket
    def test_any_text_is_painted(self, prompt: str, easel: Easel) -> None:
        assert easel.ask(prompt=prompt).status_code == 200

    @pytest.mark.enable_socket
    def test_bodies_that_are_none_of_ours_get_an_answer(self, easel: Easel) -> None:
        for body, status in ((b"", 400), (b"\xff" * 9, 400), (b" " * 2**21, 413)):
            assert easel.client.post("/v1/images/generations", content=body).status_code == status
        long = easel.ask(prompt="x" * 100_000)
        assert long.status_code == 422
        assert "a text of 100000 characters" in long.json()["error"]["message"]
        assert easel.client.get("/v1/images/generations").headers["allow"] == "POST"
        assert easel.client.get("/nowhere").json()["error"]["code"] == "no_such_route"


@pytest.fixture(scope="module")
def sdxl(
    pipelines: Path, installed: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Easel]:
    folder = tmp_path_factory.mktemp("sdxl")
    bench = bench_of("tiny-sdxl", pipelines, installed, folder)
    flags = ("--batch", "4", "--max-waiting", str(MOST_WAITING), "--max-side-px", "256")
    with serving(bench, folder / "engine.log", *flags) as easel:
        yield easel


@pytest.mark.enable_socket
def test_every_scheduler_of_the_family_paints_and_is_the_one_that_ran(sdxl: Easel) -> None:
    ran = {
        "dpm++": "DPMSolverMultistepScheduler",
        "euler-a": "EulerAncestralDiscreteScheduler",
        "euler": "EulerDiscreteScheduler",
        "heun": "HeunDiscreteScheduler",
        "ddim": "DDIMScheduler",
    }
    pictures = set()
    for name, kind in ran.items():
        (picture,) = sdxl.paint(scheduler=name, num_inference_steps=3, guidance_scale=4.5)
        pictures.add(picture.pixels.tobytes())
        facts = sdxl.facts()
        assert (facts["scheduler"], facts["steps"], facts["guidance"]) == (kind, 3, 4.5)
    assert len(pictures) == len(ran)


@pytest.mark.enable_socket
def test_a_picture_in_a_batch_is_the_picture_alone(sdxl: Easel) -> None:
    """Its noise is its own; sums in another order move values by a step or two of 255."""
    asked = [{"seed": seed, "prompt": f"number {seed}"} for seed in range(4)]
    alone = [sdxl.paint(num_inference_steps=4, **one)[0] for one in asked]
    before = sdxl.number("image_server_batches_total")
    with ThreadPoolExecutor(4) as pool:
        with busy(sdxl):
            told = pool.map(lambda one: sdxl.paint(num_inference_steps=4, **one)[0], asked)
            wait_until(lambda: sdxl.number("image_server_images_waiting") == len(asked))
        together_told = list(told)
    assert sdxl.number("image_server_batches_total") - before == 2, "what it was busy with, and all"
    for single, together in zip(alone, together_told, strict=True):
        apart = np.abs(single.pixels.astype(int) - together.pixels.astype(int))
        assert apart.mean() < 2.0


@pytest.mark.enable_socket
def test_a_client_that_leaves_stops_the_work_between_steps(sdxl: Easel) -> None:
    steps = sdxl.number("image_server_steps_total")
    aborted = sdxl.number(ABORTED)
    with busy(sdxl):
        wait_until(lambda: sdxl.number("image_server_steps_total") > steps)
    wait_until(lambda: sdxl.number(ABORTED) > aborted and idle(sdxl))
    assert sdxl.number("image_server_steps_total") - steps < LONG["num_inference_steps"]
    assert sdxl.number(ABORTED) == aborted + 1


@pytest.mark.enable_socket
def test_a_full_queue_refuses_with_its_numbers(sdxl: Easel) -> None:
    with busy(sdxl), ExitStack() as waiting:
        for _ in range(MOST_WAITING // LONG["n"]):
            waiting.enter_context(sdxl.asking(**LONG))
        wait_until(lambda: sdxl.number("image_server_images_waiting") == MOST_WAITING)
        refused = sdxl.ask()
    assert refused.status_code == 503
    error = refused.json()["error"]
    assert error["code"] == "queue_full"
    assert (error["waiting"], error["most_waiting"]) == (MOST_WAITING, MOST_WAITING)
    assert refused.headers["retry-after"]
    wait_until(lambda: idle(sdxl))
    assert sdxl.ask().status_code == 200


@pytest.mark.enable_socket
def test_a_hundred_mixed_requests_with_leavers_leave_nothing_behind(sdxl: Easel) -> None:
    def one(index: int) -> int:
        asked = {
            "seed": index,
            "size": ("64x64", "128x64", "64x128")[index % 3],
            "num_inference_steps": 1 + index % 4,
            "n": 1 + index % 2,
            "scheduler": ("dpm++", "euler-a")[index % 2],
        }
        if index % 5 == 0:
            sdxl.leave(0.02 * (index % 4), **asked)
            return 0
        return sdxl.ask(**({"size": "1x1"} if index % 7 == 0 else asked)).status_code

    def round_() -> list[int]:
        with ThreadPoolExecutor(6) as pool:
            return list(pool.map(one, range(100)))

    round_()  # every shape has been seen once: from here on nothing new is kept
    wait_until(lambda: idle(sdxl))
    before_mib = resident_mib()
    codes = round_()
    wait_until(lambda: idle(sdxl))
    assert set(codes) == {0, 200, 422}
    assert resident_mib() - before_mib < FLAT_MIB
    assert sdxl.number("image_server_images_waiting") == 0
    assert sdxl.ask().status_code == 200


@pytest.mark.enable_socket
def test_no_memory_is_a_503_with_numbers_and_the_next_is_served(sdxl: Easel) -> None:
    process = server_process()
    _, hard = process.rlimit(psutil.RLIMIT_AS)
    room = process.memory_info().vms + 8 * 2**20
    process.rlimit(psutil.RLIMIT_AS, (room, hard))
    try:
        answer = sdxl.ask(size="256x256", n=4, num_inference_steps=2)
    finally:
        process.rlimit(psutil.RLIMIT_AS, (hard, hard))
    assert answer.status_code == 503, answer.text
    error = answer.json()["error"]
    assert error["code"] == "out_of_memory"
    assert "256x256" in error["message"]
    assert re.search(r"[0-9.]+ GiB of [0-9.]+ GiB addresses allowed", error["message"])
    assert sdxl.ask().status_code == 200


@pytest.mark.enable_socket
def test_the_second_start_finds_compiled_code(
    pipelines: Path, installed: Environment, tmp_path: Path
) -> None:
    """Twice with one folder for compiled code; that it ran is seen by what was counted, and that
    nothing was compiled again by the files of the first start, which are all there still."""
    bench = bench_of("tiny-sd3", pipelines, installed, tmp_path)
    code = tmp_path / "compiled"
    flags = ("--compile", "--compile-cache", str(code))
    libraries = []
    for start in range(2):
        with serving(bench, tmp_path / f"{start}.log", *flags) as easel:
            easel.paint(size="64x64")
            facts = easel.facts()
        assert facts["compile_cache"] == ("miss", "hit")[start]
        assert facts["compiled_calls"] > 0
        assert facts["eager_calls"] == 0
        libraries.append({path: path.stat().st_mtime_ns for path in code.rglob("*.so")})
    assert libraries[0] == libraries[1] != {}


@pytest.mark.enable_socket
def test_a_start_killed_while_it_compiles_leaves_the_next_one_whole(
    pipelines: Path, installed: Environment, tmp_path: Path
) -> None:
    """The kill is real. That it comes in the middle of a file is left to no chance: a library too
    short to be one, as the linker leaves it, is laid beside every source that was to become one.
    """
    bench, code = bench_of("tiny-sd3", pipelines, installed, tmp_path), tmp_path / "compiled"
    flags = ("--compile", "--compile-cache", str(code))
    build = launch_with(bench, *flags, "--warmup-size", "64x64")
    with LocalExecutor().start(build, log_path=tmp_path / "killed.log") as server:
        wait_until(
            lambda: any(code.glob("compiling-*")) and any(sources_in(code)), within_s=START_S
        )
        kill(server.spec.port)
    sources = sources_in(code)
    assert sources and any(code.glob("compiling-*"))
    for source in sources:
        source.with_suffix(".so").write_bytes(b"")
    with serving(bench, tmp_path / "next.log", *flags) as easel:
        assert easel.paint()
        facts = easel.facts()
    assert "killed while it compiled" in (tmp_path / "next.log").read_text()
    assert (facts["compile_cache"], facts["eager_calls"]) == ("miss", 0)
    assert facts["compiled_calls"] > 0
    assert not any(code.glob("compiling-*"))


@pytest.mark.enable_socket
def test_int8_is_counted_layer_by_layer(
    pipelines: Path, installed: Environment, tmp_path: Path
) -> None:
    bench = bench_of("tiny-sd3", pipelines, installed, tmp_path)
    with serving(bench, tmp_path / "engine.log", format_="int8") as easel:
        assert easel.paint(num_inference_steps=2)
        facts = easel.facts()
    assert facts["weights"] == "bfloat16"
    assert 0 < facts["quantized"]["int8 dynamic"] < facts["linears"]
    assert (facts["compiled_calls"], facts["compile_cache"]) == (0, "none")


@pytest.mark.enable_socket
def test_schemathesis_finds_nothing(
    pipelines: Path, installed: Environment, tmp_path: Path
) -> None:
    tool = UvEnvironments(find_places().cache).install(SCHEMATHESIS, say=print)
    bench = bench_of("tiny-flux", pipelines, installed, tmp_path)
    quick = replace(IMAGE_FAMILIES["flux-schnell"], steps=1, most_steps=1)
    flags = ("--max-side-px", "64", "--family", json.dumps(asdict(quick)))
    with serving(bench, tmp_path / "engine.log", *flags) as easel:
        command = [
            *(f"{tool.bin_dir}/schemathesis", "run", f"{easel.server.base_url}/openapi.json"),
            *("--max-examples", "5", "--seed", "1", "--checks", "all", "--no-color"),
            *("--phases", "examples,coverage,fuzzing"),
            # Nothing here is about speed, and a machine may be slow.
            *("--request-timeout", str(ANSWER_TIMEOUT_S), "--suppress-health-check", "too_slow"),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=600
        )
        assert done.returncode == 0, done.stdout[-5000:]
        assert easel.ask(size="64x64").status_code == 200


def idle(easel: Easel) -> bool:
    names = ("image_server_images_waiting", "image_server_images_running")
    return not any(easel.number(name) for name in names)


@contextmanager
def busy(easel: Easel) -> Iterator[None]:
    """The server is at work for a client who leaves at the end."""
    with easel.asking(**LONG):
        wait_until(lambda: easel.number("image_server_images_running") == LONG["n"])
        yield


def wait_until(holds: Callable[[], bool], within_s: float = ANSWER_TIMEOUT_S) -> None:
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def wait_for_answer(url: str, within_s: float = ANSWER_TIMEOUT_S) -> httpx.Response:
    end_s = time.monotonic() + within_s
    while True:
        try:
            return httpx.get(url, timeout=within_s)
        except httpx.TransportError:
            assert time.monotonic() < end_s
            time.sleep(0.02)


def sources_in(code: Path) -> list[Path]:
    """Kernels to compile. Folders that vanish meanwhile are passed over, which a glob does not."""
    return [
        Path(folder) / name
        for folder, _, names in os.walk(code)
        for name in names
        if name.endswith(KERNELS)
    ]
