from dataclasses import replace
from pathlib import Path

from paceline.adapters.quantizers.llmcompressor.widths import first_indivisible
from paceline.records.model import FileHash, Model
from paceline.testing.builders import a_model
from paceline.testing.hubs import write_safetensors

SHAPES = {
    "model.embed_tokens.weight": (100, 30),
    "model.norm.weight": (30,),
    "model.layers.0.mlp.gate.weight": (4, 30),
    "model.layers.0.mlp.up_proj.weight": (48, 32),
    "model.layers.0.mlp.down_proj.weight": (32, 48),
    "lm_head.weight": (100, 30),
}


def model(folder: Path) -> Model:
    write_safetensors(folder / "model.safetensors", SHAPES)
    files = (FileHash(path="model.safetensors", sha256="0" * 64, size_bytes=1),)
    return replace(a_model(folder=str(folder)), files=files)


def test_the_first_layer_that_a_group_does_not_divide_is_named(tmp_path: Path) -> None:
    found = first_indivisible(model(tmp_path), 32)
    assert found == ("model.layers.0.mlp.down_proj", 48)


def test_layers_that_stay_as_they_are_may_have_any_width(tmp_path: Path) -> None:
    assert first_indivisible(model(tmp_path), 16) is None
