"""Language models and image models are kept apart, once for every engine."""

from dataclasses import replace

import pytest

from paceline.adapters.engines.diffusers import Diffusers
from paceline.adapters.engines.transformers import Transformers
from paceline.app.registry import engine_names, load_engine
from paceline.ports.engine import MakesImages, why_refused
from paceline.records.hardware import Accelerator
from paceline.records.model import Model
from paceline.testing.builders import a_cpu, a_model

WORDS = a_model()
PICTURES = replace(
    a_model(),
    name="acme/pictures",
    architecture="FluxPipeline",
    has_chat_template=False,
    image_family="flux-schnell",
)


def test_an_engine_is_only_asked_about_models_of_its_kind() -> None:
    assert why_refused(Transformers(), WORDS, a_cpu(), "bf16") is None
    assert why_refused(Diffusers(), PICTURES, a_cpu(), "bf16") is None
    for engine, model in ((Transformers(), PICTURES), (Diffusers(), WORDS)):
        refusal = why_refused(engine, model, a_cpu(), "bf16")
        assert refusal is not None
        assert engine.name in refusal
        assert model.name in refusal


@pytest.mark.parametrize("name", engine_names())
def test_no_installed_engine_serves_both(name: str) -> None:
    engine = load_engine(name)
    refused = [
        "is a language model" in (why_refused(engine, model, a_cpu(), engine.formats()[0]) or "")
        or "makes pictures" in (why_refused(engine, model, a_cpu(), engine.formats()[0]) or "")
        for model in (WORDS, PICTURES)
    ]
    assert refused == ([True, False] if isinstance(engine, MakesImages) else [False, True])


class OnlyFlux(Diffusers):
    """Loads one pipeline, and says nothing else against any model."""

    def pipelines(self) -> tuple[str, ...]:
        return ("FluxPipeline",)

    def unsupported(self, model: Model, accelerator: Accelerator, format_: str) -> str | None:
        return None


def test_a_pipeline_that_an_engine_does_not_load_is_named() -> None:
    sdxl = replace(PICTURES, image_family="sdxl")
    assert why_refused(OnlyFlux(), PICTURES, a_cpu(), "bf16") is None
    refusal = why_refused(OnlyFlux(), sdxl, a_cpu(), "bf16")
    assert refusal == "diffusers loads FluxPipeline, not a StableDiffusionXLPipeline"
