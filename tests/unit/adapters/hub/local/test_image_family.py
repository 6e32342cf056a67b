from pathlib import Path

import pytest

from paceline.adapters.hub.local import LocalHub
from paceline.errors import Code, SpecError
from paceline.testing.pipelines import Configs, write_pipeline

ANCESTRAL = {"_class_name": "EulerAncestralDiscreteScheduler"}
EULER = {"_class_name": "EulerDiscreteScheduler"}
TRAILING = {"timestep_spacing": "trailing"}


def family(folder: Path) -> str | None:
    return LocalHub(folder.parent / "cache").find(str(folder)).image_family


@pytest.mark.parametrize(
    ("class_name", "configs", "expected"),
    [
        ("FluxPipeline", {}, "flux-schnell"),
        ("FluxPipeline", {"transformer": {"guidance_embeds": False}}, "flux-schnell"),
        ("FluxPipeline", {"transformer": {"guidance_embeds": True}}, "flux-dev"),
        ("StableDiffusion3Pipeline", {}, "sd3.5-large"),
        ("StableDiffusionXLPipeline", {"scheduler": EULER}, "sdxl"),
        ("StableDiffusionXLPipeline", {"scheduler": ANCESTRAL | TRAILING}, "sdxl-turbo"),
        ("StableDiffusionXLPipeline", {"scheduler": EULER | TRAILING}, "sdxl-lightning"),
        ("StableDiffusionXLPipeline", {"scheduler": TRAILING}, "sdxl"),
    ],
)
def test_the_folder_shows_its_family(
    tmp_path: Path, class_name: str, configs: Configs, expected: str
) -> None:
    assert family(write_pipeline(tmp_path / "model", class_name, configs=configs)) == expected


def test_a_stated_family_wins(tmp_path: Path) -> None:
    folder = write_pipeline(
        tmp_path / "model", "StableDiffusion3Pipeline", paceline_family="reference-image"
    )
    assert family(folder) == "reference-image"


@pytest.mark.parametrize(
    ("stated", "why"), [("flux-9", "known families: flux-schnell"), ("sdxl", "the class is Flux")]
)
def test_a_stated_family_that_cannot_be(tmp_path: Path, stated: str, why: str) -> None:
    folder = write_pipeline(tmp_path / "model", paceline_family=stated)
    with pytest.raises(SpecError) as caught:
        family(folder)
    assert caught.value.code is Code.BAD_MODEL
    assert why in caught.value.why


def test_an_unknown_pipeline_can_be_told_its_family(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path / "model", _class_name="KandinskyPipeline")
    with pytest.raises(SpecError) as caught:
        family(folder)
    assert caught.value.code is Code.UNSUPPORTED
    assert "paceline_family" in caught.value.fix
