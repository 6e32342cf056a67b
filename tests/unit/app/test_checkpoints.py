"""Who makes which format, and what a plan is told when nobody can."""

from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.quantizers.llmcompressor import LlmCompressor
from paceline.app import checkpoints
from paceline.app.calibration import built_in
from paceline.app.checkpoints import (
    give_artefact,
    make_format,
    makeable,
    needs_quantizer,
    quantizer_for,
    why_none,
)
from paceline.app.places import Places
from paceline.app.registry import load_engine
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import Code, SpecError
from paceline.ports.engine import CanCalibrate
from paceline.records.checkpoint import Calibration
from paceline.records.launch import Artefact, Environment
from paceline.testing.builders import a_model


class Loader(type(load_engine("fake"))):  # type: ignore[misc]  # the class of the fake engine
    """The fake engine, loading checkpoints that others make."""

    def checkpoint_formats(self) -> tuple[str, ...]:
        return ("w8a8", "nvfp4")


class Reader(type(load_engine("fake"))):  # type: ignore[misc]  # the class of the fake engine
    """The fake engine, making int4 from a text that the model reads."""

    def calibrated_formats(self) -> tuple[str, ...]:
        return ("int4",)

    def prepare_calibrated(
        self, model: object, format_: str, *, calibration: Calibration, **_: object
    ) -> Artefact:
        return Artefact(folder="/made", format=format_, sha256=calibration.sha256, size_bytes=1)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())


def test_quantizers_and_engines_together_make_all_of_these() -> None:
    made = makeable()
    assert made["gptq-4"] == made["w8a8"] == "llmcompressor"
    assert made["openvino-int4"] == "openvino"
    assert "int4" not in made  # OpenVINO's, or another's? it must be said
    assert made["gguf-q4_k_m"] == made["llamacpp-gguf-q4_k_m"] == "llamacpp"
    assert not any(maker in ("fake", "transformers", "vllm") for maker in made.values())


def test_a_format_that_nobody_makes_is_refused_with_those_that_are_made(shop: Workshop) -> None:
    assert quantizer_for("nvfp4") is None
    with pytest.raises(SpecError) as caught:
        make_format(a_model(), "nvfp4", shop, calibration=None, say=lambda _: None)
    assert caught.value.code is Code.UNKNOWN_NAME
    assert "gptq-4" in caught.value.why


def test_only_what_an_engine_cannot_make_of_plain_weights_needs_a_quantizer() -> None:
    loader = Loader()
    assert needs_quantizer(loader, a_model(), "w8a8")
    assert not needs_quantizer(loader, a_model(), "bf16")
    assert not needs_quantizer(loader, replace(a_model(), format="int8"), "w8a8")
    assert not needs_quantizer(load_engine("fake"), a_model(), "w8a8")


def test_a_plan_learns_why_there_will_be_no_checkpoint(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PACELINE_ENGINE_LLMCOMPRESSOR", raising=False)
    loader = Loader()
    assert why_none(loader, a_model(), "bf16", shop) is None
    assert why_none(loader, a_model(), "nvfp4", shop) == "no tool here makes nvfp4"
    absent = why_none(loader, a_model(), "w8a8", shop)
    assert absent is not None
    assert "paceline engines install llmcompressor" in absent
    monkeypatch.setattr(LlmCompressor, "refusal", lambda *_: "wider than the group")
    assert why_none(loader, a_model(), "w8a8", shop) == "wider than the group"


def test_what_an_engine_made_from_is_what_it_is_compared_with(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[str, Path]] = []

    def remember(made: Artefact, _model: object, original: Path, **_: object) -> Artefact:
        seen.append((made.format, original))
        return made

    monkeypatch.setattr(checkpoints, "checked_weights", remember)
    base = Artefact(folder=str(tmp_path), format="gguf", sha256="", size_bytes=1)
    maker = load_engine("fake")
    monkeypatch.setattr(type(maker), "original", lambda *_, **__: base, raising=False)
    here = Environment(name="", python="", bin_dir="", lock=(), lock_sha256="")
    for engine in (maker, load_engine("openvino")):
        monkeypatch.setattr(type(engine), "prepare", lambda *_, **__: replace(base, format="int4"))
        give_artefact(engine, a_model(), "int4", shop, environment=here, say=lambda _: None)
    assert seen == [("int4", tmp_path), ("int4", Path(a_model().folder))]


def test_an_engine_gets_the_text_for_the_formats_that_need_one(shop: Workshop) -> None:
    engine, here = Reader(), Environment(name="", python="", bin_dir="", lock=(), lock_sha256="")
    assert isinstance(engine, CanCalibrate)

    def given(format_: str, text: Calibration | None = None) -> Artefact:
        return give_artefact(
            engine,
            a_model(),
            format_,
            shop,
            environment=here,
            calibration=text,
            say=lambda _: None,
        )

    own = Calibration(name="mine", texts=("prompts of mine",))
    assert given("int4", own).sha256 == own.sha256
    assert given("int4").sha256 == built_in().sha256
    assert given("int8", own).folder == a_model().folder
