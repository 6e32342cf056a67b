"""Models that an engine's environment writes."""

from pathlib import Path

import pytest

from paceline.adapters.engines.diffusers import Diffusers
from paceline.app.models import plan_synth, synthesize
from paceline.app.synth import writer_of
from paceline.errors import Code, SetupError, SpecError


def silent(_line: str) -> None:
    """Says nothing."""


def test_who_names_a_shape_writes_it() -> None:
    writer = writer_of("tiny-sdxl", dtype="bf16")
    assert writer is not None
    assert isinstance(writer.engine, Diffusers)
    assert plan_synth("tiny-sdxl", dtype="bf16", say=silent) == writer.plan
    assert writer_of("medium", dtype="bf16") is None
    assert plan_synth("medium", dtype="bf16", say=silent).architecture == "LlamaForCausalLM"


def test_another_type_of_numbers_is_refused_with_both_sides() -> None:
    with pytest.raises(SpecError) as caught:
        writer_of("tiny-flux", dtype="fp16")
    assert "asked for fp16, it is bf16" in str(caught.value)


def test_a_folder_with_something_in_it_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SpecError) as caught:
        synthesize("tiny-flux", tmp_path, dtype="bf16", seed=0, say=silent)
    assert caught.value.code is Code.BAD_OPTION
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_its_engine_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SetupError) as caught:
        synthesize("tiny-flux", tmp_path / "out", dtype="bf16", seed=0, say=silent)
    assert caught.value.code is Code.ENGINE_NOT_INSTALLED
    assert "paceline engines install diffusers" in str(caught.value)
    assert not (tmp_path / "out").exists()
