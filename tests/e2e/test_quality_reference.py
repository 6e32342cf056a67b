"""Damage of real checkpoints of the reference model, told by the real engine's answers.

Rounded to 4 bits in the worst way, or with the scales of a layer shuffled, this model still answers
as many questions rightly as before; its distributions show it.
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.engines.openvino import OpenVino
from paceline.adapters.environments.uv import UvEnvironments
from paceline.adapters.executors.local import LocalExecutor
from paceline.adapters.hub.local import LocalHub
from paceline.adapters.quality.fidelity import LogprobReader
from paceline.adapters.quality.suites import SuiteEvaluator, SuiteShelf
from paceline.app.evaluate import EvalRequest, Evaluation, Examiner
from paceline.app.places import find_places
from paceline.records.fidelity import Fidelity, FidelityReading
from paceline.records.launch import Artefact, Environment, LaunchSpec
from paceline.records.load import Target
from paceline.records.measurement import Verdict
from paceline.records.model import Model
from paceline.records.quality import StopCause
from paceline.records.variant import Variant
from paceline.trial.fidelity import compare_fidelity, divergences, farther_p
from paceline.trial.garbage import broken_distributions

pytestmark = [pytest.mark.e2e, pytest.mark.engines, pytest.mark.enable_socket]

CACHE = find_places().cache
ENGINE = OpenVino()
DAMAGED = {
    "bad-int4": ("bf16", "round"),
    "shuffled-int8": ("int8", "shuffle"),
    "shuffled-int4": ("int4", "shuffle"),
}
FOLDERS = {"bf16": "fp16", "int8": "int8", "int4": "int4"}
"""What OpenVINO's folders are called. The checkpoint is in bf16: fp16 holds its weights unchanged,
and the arithmetic is in bf16."""


@pytest.fixture(scope="module")
def environment() -> Environment:
    spec = ENGINE.environment()
    assert spec is not None
    status = UvEnvironments(CACHE).status(spec)
    assert status.environment is not None, status.detail
    return status.environment


@pytest.fixture(scope="module")
def model() -> Model:
    return LocalHub(CACHE).find("reference")


def damaged(artefact: Artefact, how: str, folder: Path, environment: Environment) -> Artefact:
    script = str(Path(__file__).with_name("damage.py"))
    command = [environment.python, script, artefact.folder, str(folder), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return replace(artefact, folder=str(folder))


@pytest.fixture(scope="module")
def targets(
    environment: Environment, model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Target]]:
    """Sound and damaged checkpoints, each served by a process of its own."""
    root = tmp_path_factory.mktemp("checkpoints")
    artefacts = {
        name: ENGINE.prepare(
            model, folder, environment=environment, cache=CACHE, say=lambda _line: None
        )
        for name, folder in FOLDERS.items()
    }
    for name, (sound, how) in DAMAGED.items():
        artefacts[name] = damaged(artefacts[sound], how, root / name, environment)
    executor = LocalExecutor()
    place = executor.inventory()[0]
    with ExitStack() as serving:
        found = {}
        for name, artefact in artefacts.items():

            def launch(port: int, artefact: Artefact = artefact) -> LaunchSpec:
                variant = Variant(
                    accelerator=place.name, count=1, format=artefact.format, engine=ENGINE.name,
                    knobs=(("inference_precision", "bf16"),),
                )  # fmt: skip
                return ENGINE.launch(
                    variant, artefact, model=model, environment=environment, accelerator=place,
                    port=port,
                )  # fmt: skip

            server = serving.enter_context(executor.start(launch, log_path=root / f"{name}.log"))
            assert server.wait_ready() is None
            found[name] = Target(base_url=server.base_url, model=server.spec.model_name)
        yield found


@pytest.fixture(scope="module")
def readings(targets: Mapping[str, Target]) -> Mapping[str, FidelityReading]:
    """Next-token distributions of each; `again` is the sound bf16 one read a second time."""
    items = SuiteShelf().find("reference").items[::5]
    prompts = [str(item.messages[-1].content) for item in items]
    asked = {**targets, "again": targets["bf16"]}
    return {
        name: LogprobReader().read(target, prompts=prompts, concurrency=4)
        for name, target in asked.items()
    }


@pytest.fixture(scope="module")
def close(readings: Mapping[str, FidelityReading]) -> Mapping[str, Fidelity]:
    """How far each is from the sound bf16 checkpoint."""
    found = {}
    for name, reading in readings.items():
        compared = compare_fidelity(reading, readings["bf16"], readings["again"])
        assert compared is not None, reading.unavailable
        found[name] = compared
    return found


def examined(target: Target, against: Target, *, format_: str, margin: float) -> Evaluation:
    request = EvalRequest(
        target=target,
        suite="reference",
        against=against,
        margin=margin,
        fidelity=True,
        format=format_,
        concurrency=32,
    )
    return Examiner(
        request,
        suites=SuiteShelf(),
        make_evaluator=lambda _path: SuiteEvaluator(),
        reader=LogprobReader(),
        on_progress=lambda _part: lambda _progress: None,
    ).run()


def test_bf16_against_itself_is_a_tie(close: Mapping[str, Fidelity]) -> None:
    assert close["again"].mean_kl_nats < 1e-6
    assert close["again"].p_value == 1.0


def test_divergence_orders_the_precisions(close: Mapping[str, Fidelity]) -> None:
    ordered = [close[name].mean_kl_nats for name in ("again", "int8", "int4", "bad-int4")]
    assert ordered == sorted(set(ordered))


def test_bad_rounding_is_separated_from_bf16_and_from_good_rounding(
    close: Mapping[str, Fidelity], readings: Mapping[str, FidelityReading]
) -> None:
    assert close["bad-int4"].p_value is not None
    assert close["bad-int4"].p_value < 0.01
    bad, good = (divergences(readings[name], readings["bf16"]) for name in ("bad-int4", "int4"))
    assert farther_p(bad, good) < 0.01


def test_int8_passes_and_the_asking_ends_early(targets: Mapping[str, Target]) -> None:
    found = examined(targets["int8"], targets["bf16"], format_="int8", margin=0.05)
    assert found.verdict is not None
    assert found.verdict.verdict is Verdict.PASS
    assert len(found.result.items) <= 0.5 * len(found.suite.items)


@pytest.mark.parametrize(("format_", "bits"), [("int8", "8"), ("int4", "4.125")])
def test_a_layer_of_shuffled_scales_fails_at_the_first_answer(
    targets: Mapping[str, Target], format_: str, bits: str
) -> None:
    broken = targets[f"shuffled-{format_}"]
    found = examined(broken, targets["bf16"], format_=format_, margin=0.05)
    assert found.result.stopped is not None
    assert found.result.stopped.cause is StopCause.GARBAGE
    assert len(found.result.items) == 1
    assert f"{bits} bits per weight" in found.result.stopped.because


def test_sound_int4_is_not_taken_for_broken(close: Mapping[str, Fidelity]) -> None:
    assert broken_distributions(close["int4"], 4.125) is None
    assert broken_distributions(close["bad-int4"], 4.125) is None, "bad, and no damage"
