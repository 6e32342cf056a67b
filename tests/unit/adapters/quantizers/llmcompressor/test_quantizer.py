"""With a stand-in for the environment's Python; the real one runs in the contract tests."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.hub.local import LocalHub
from paceline.adapters.quantizers.llmcompressor import LlmCompressor
from paceline.errors import CandidateError
from paceline.records.checkpoint import Calibration
from paceline.records.launch import Artefact, Environment
from paceline.records.model import Model
from paceline.testing.hubs import write_model

TEXT = Calibration(name="t", texts=("one", "two"))
STAND_IN = """
import json, pathlib, sys
job = json.loads(pathlib.Path(sys.argv[3]).read_text())
out = pathlib.Path(job["out"])
(out / "model.safetensors").write_text(json.dumps(job["texts"]))
(out / "config.json").write_text(job["scheme"])
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Its Python runs `STAND_IN` on the job, whatever program it is told to run."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    python.chmod(0o755)
    lock = ("llmcompressor==1", "numpy==2", "torch==3")
    return Environment(
        name="llmcompressor", python=str(python), bin_dir="/bin", lock=lock, lock_sha256=""
    )


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return LocalHub(tmp_path / "hashes").find(str(write_model(tmp_path / "chat")))


def make(
    model: Model, format_: str, environment: Environment, calibration: Calibration = TEXT
) -> Artefact:
    return LlmCompressor().make(
        model,
        format_,
        calibration=calibration,
        environment=environment,
        cache=Path(model.folder).parent / "cache",
        say=lambda _: None,
    )


def test_an_artefact_says_how_it_was_made(model: Model, environment: Environment) -> None:
    made = make(model, "w8a8", environment)
    assert made.prepared_s is not None
    receipt = json.loads((Path(made.folder) / "paceline.json").read_text())
    assert receipt["model_sha256"] == model.sha256
    assert receipt["calibration"] == {"name": "t", "sha256": TEXT.sha256, "texts": 2}
    assert "gptq W8A8" in receipt["recipe"]
    assert receipt["recipe"].endswith("# llmcompressor==1 torch==3")
    names = [file["path"] for file in receipt["files"]]
    assert names == ["config.json", "model.safetensors", "tokenizer.json"]
    original = (Path(model.folder) / "tokenizer.json").read_bytes()
    assert (Path(made.folder) / "tokenizer.json").read_bytes() == original


def test_the_second_time_it_is_found(model: Model, environment: Environment) -> None:
    first = make(model, "w8a8", environment)
    assert replace(first, prepared_s=None) == make(model, "w8a8", environment)


def test_other_text_other_versions_other_model_are_other_artefacts(
    model: Model, environment: Environment
) -> None:
    other_text = replace(TEXT, texts=("three",))
    other_tools = replace(environment, lock=("llmcompressor==2",))
    made = [
        make(model, "w8a8", environment),
        make(model, "w8a8", environment, other_text),
        make(model, "w8a8", other_tools),
        make(replace(model, files=model.files[:-1]), "w8a8", environment),
    ]
    assert len({one.sha256 for one in made}) == len({one.folder for one in made}) == 4


def test_text_makes_no_difference_where_nothing_reads_it(
    model: Model, environment: Environment
) -> None:
    first = make(model, "fp8", environment)
    assert make(model, "fp8", environment, replace(TEXT, texts=("x",))).sha256 == first.sha256
    assert (Path(first.folder) / "model.safetensors").read_text() == "[]"


def test_a_group_that_does_not_divide_is_refused_before_anything_starts(
    model: Model, environment: Environment
) -> None:
    with pytest.raises(CandidateError) as caught:
        make(model, "gptq-4", environment)
    assert "128 weights" in caught.value.why
    assert "the 32 inputs of 'model.layers.0.mlp.down_proj'" in caught.value.why


def test_only_unquantized_models_can_be_quantized(model: Model) -> None:
    refusal = LlmCompressor().refusal(replace(model, format="fp8"), "w8a8")
    assert refusal is not None
    assert "in fp8 already" in refusal
    assert LlmCompressor().refusal(model, "w8a8") is None
    assert "not q4" in (LlmCompressor().refusal(model, "q4") or "")
