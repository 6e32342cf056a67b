"""The command line of `transformers serve`, and paths it cannot read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.engines.transformers import Transformers
from paceline.errors import CandidateError
from paceline.records.hardware import AcceleratorKind
from paceline.records.launch import Artefact, Environment, LaunchSpec
from paceline.records.model import Model
from paceline.records.variant import Scalar
from paceline.testing.builders import a_cpu, a_model, a_variant

ENVIRONMENT = Environment(
    name="transformers", python="/e/bin/python", bin_dir="/e/bin", lock=(), lock_sha256=""
)


def model_in(folder: Path, **config: object) -> Model:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return a_model(folder=str(folder))


def prepare(model: Model, cache: Path) -> Artefact:
    return Transformers().prepare(
        model, "bf16", environment=ENVIRONMENT, cache=cache, say=lambda _line: None
    )


def launch(model: Model, cache: Path, *, knobs: tuple[tuple[str, Scalar], ...] = ()) -> LaunchSpec:
    return Transformers().launch(
        a_variant("transformers", knobs=knobs),
        prepare(model, cache),
        model=model,
        environment=ENVIRONMENT,
        accelerator=a_cpu(cores=3),
        port=20_001,
    )


def test_serves_the_folder_offline_on_the_loopback(tmp_path: Path) -> None:
    spec = launch(model_in(tmp_path / "m"), tmp_path)
    assert spec.argv[:3] == ("/e/bin/transformers", "serve", str(tmp_path / "m"))
    assert spec.model_name == str(tmp_path / "m")
    assert "127.0.0.1" in spec.argv
    assert spec.env["HF_HUB_OFFLINE"] == "1"
    assert spec.env["OMP_NUM_THREADS"] == "3"


def test_the_naive_server_is_the_default(tmp_path: Path) -> None:
    model = model_in(tmp_path / "m")
    assert "--continuous-batching" not in launch(model, tmp_path).argv
    for value in (True, False):
        spec = launch(model, tmp_path, knobs=(("continuous_batching", value),))
        assert ("--continuous-batching" in spec.argv) is value


def test_exact_lengths_keep_the_models_padding(tmp_path: Path) -> None:
    for config, padding in (({"pad_token_id": 7}, 7), ({"pad_token_id": None}, 0), ({}, 0)):
        spec = launch(model_in(tmp_path / "m", **config), tmp_path)
        fields = json.loads(str(dict(spec.exact_output)["generation_config"]))
        assert (fields["eos_token_id"], fields["pad_token_id"]) == (-1, padding)


def test_a_larger_model_gets_more_time_to_start(tmp_path: Path) -> None:
    model = model_in(tmp_path / "m")
    small = launch(model, tmp_path)
    artefact = replace(prepare(model, tmp_path), size_bytes=10 * 2**30)
    large = Transformers().launch(
        a_variant("transformers"),
        artefact,
        model=model,
        environment=ENVIRONMENT,
        accelerator=a_cpu(),
        port=20_001,
    )
    assert large.ready_timeout_s > small.ready_timeout_s + 100


def test_a_path_with_an_at_sign_goes_by_a_link(tmp_path: Path) -> None:
    model = model_in(tmp_path / "me@home")
    for _ in range(2):
        folder = Path(prepare(model, tmp_path / "cache").folder)
        assert "@" not in str(folder)
        assert folder.resolve() == tmp_path / "me@home"


def test_an_at_sign_everywhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="contains '@'"):
        prepare(model_in(tmp_path / "me@home"), tmp_path / "c@che")


def test_says_what_it_cannot_run() -> None:
    engine = Transformers()
    gpu = replace(a_cpu(), kind=AcceleratorKind.GPU)
    assert engine.unsupported(a_model(), a_cpu(), "bf16") is None
    assert "not int8" in (engine.unsupported(a_model(), a_cpu(), "int8") or "")
    assert "gpu" in (engine.unsupported(a_model(), gpu, "bf16") or "")
    silent = replace(a_model(), has_chat_template=False)
    assert "chat template" in (engine.unsupported(silent, a_cpu(), "bf16") or "")
