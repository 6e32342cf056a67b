"""Small pipelines: what is told when they cannot be written."""

from pathlib import Path

import pytest

from paceline.adapters.engines.diffusers.small import SHAPES, write_pipeline
from paceline.errors import Code, SetupError
from paceline.records.launch import Environment


def environment(tmp_path: Path, script: str) -> Environment:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return Environment(name="d", python=str(python), bin_dir=str(tmp_path), lock=(), lock_sha256="")


def test_the_script_is_told_shape_folder_and_seed(tmp_path: Path) -> None:
    told = tmp_path / "told"
    write_pipeline(
        "tiny-sd3",
        tmp_path / "out",
        seed=7,
        environment=environment(tmp_path, f'echo "$@" > {told}'),
    )
    assert told.read_text().split()[1:] == [
        *("image_synth", "tiny-sd3", str(tmp_path / "out"), "--seed", "7"),
    ]


@pytest.mark.parametrize(
    ("script", "words"), [("echo no space; exit 3", "no space"), ("exit 3", "ended with 3")]
)
def test_a_failure_is_told_in_the_scripts_words(script: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        write_pipeline("tiny-sd3", tmp_path, seed=0, environment=environment(tmp_path, script))
    assert caught.value.code is Code.ENGINE_FAILED
    assert words in caught.value.why


def test_small_ones_are_small() -> None:
    assert all(plan.weight_bytes < 20e6 for plan in SHAPES)
    assert len({plan.shape for plan in SHAPES}) == len(SHAPES)
