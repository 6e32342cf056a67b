"""Checkpoints as the real tools make them, each layer's scales shuffled in turn: none is missed,
and none of the sound ones is taken for damaged.
"""

import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.e2e.shuffle import shuffle

from paceline.adapters.weights.gguf.blocks import BLOCKS
from paceline.app.checkpoints import make_format, makeable
from paceline.app.registry import load_engine
from paceline.app.soundness import compared_weights
from paceline.app.wiring import Workshop
from paceline.ports.engine import HasOriginal
from paceline.records.launch import Artefact
from paceline.records.model import Model

pytestmark = [pytest.mark.e2e]

LAYERS = 6
QUANTIZED = (
    *("gptq-4", "awq-4", "w8a8"),
    *sorted(name for name in makeable() if name.startswith("gguf-")),
)
"""One of each layout; `benchmarks/weights.py` goes through all formats."""


@pytest.fixture(scope="module")
def shop() -> Workshop:
    return Workshop()


@pytest.fixture(scope="module")
def model(shop: Workshop) -> Model:
    return shop.hub.find("reference")


def silent(_line: str) -> None: ...


def original_of(format_: str, model: Model, shop: Workshop) -> Path:
    if not format_.startswith("gguf-"):
        return Path(model.folder)
    engine = load_engine("llamacpp")
    spec = engine.environment()
    assert spec is not None
    assert isinstance(engine, HasOriginal)
    environment = shop.environments.install(spec, say=silent)
    cache = shop.places.cache
    return Path(engine.original(model, environment=environment, cache=cache, say=silent).folder)


def layers_found(made: Artefact, original: Path, copy: Path) -> list[int]:
    """Of all layers, shuffled one at a time, those whose scales are said to be wrong."""
    found = []
    for layer in range(LAYERS):
        shutil.copytree(made.folder, copy)
        shuffle(copy, layer, seed=layer)
        damage = compared_weights(copy, original, silent)
        if damage is not None and damage.part == "scales" and f".{layer}." in damage.name:
            found.append(layer)
        shutil.rmtree(copy)
    return found


@pytest.mark.engines
@pytest.mark.parametrize("format_", ["openvino-int8", "openvino-int4"])
def test_a_shuffle_in_any_layer_of_openvinos_checkpoints_is_found(
    format_: str, model: Model, shop: Workshop, tmp_path: Path
) -> None:
    made = make_format(model, format_, shop, calibration=None, say=silent)
    original = Path(model.folder)
    assert compared_weights(Path(made.folder), original, silent) is None
    assert layers_found(made, original, tmp_path / "copy") == list(range(LAYERS))


@pytest.mark.more_engines
@pytest.mark.parametrize("format_", QUANTIZED)
def test_a_shuffle_in_any_layer_of_what_the_quantizers_make_is_found(
    format_: str, model: Model, shop: Workshop, tmp_path: Path
) -> None:
    made = make_format(model, format_, shop, calibration=None, say=silent)
    original = original_of(format_, model, shop)
    if format_ == "gguf-bf16":
        assert Path(made.folder) == original
        return
    assert compared_weights(Path(made.folder), original, silent) is None
    assert layers_found(made, original, tmp_path / "copy") == list(range(LAYERS))


@pytest.fixture
def gguf_py(shop: Workshop) -> Iterator[Any]:
    """llama.cpp's own reader of its blocks."""
    spec = load_engine("llamacpp").environment()
    assert spec is not None
    source = shop.environments.install(spec, say=silent).source_dir
    assert source is not None
    sys.path.insert(0, str(Path(source) / "gguf-py"))
    try:
        yield import_module("gguf")
    finally:
        sys.path.pop(0)


@pytest.mark.more_engines
@pytest.mark.parametrize("type_", sorted(BLOCKS))
def test_blocks_mean_what_llama_cpp_says(type_: int, gguf_py: Any) -> None:
    size_bytes = BLOCKS[type_].size_bytes
    raw = np.random.default_rng(type_).integers(0, 256, (400, size_bytes)).astype(np.uint8)
    with np.errstate(invalid="ignore", over="ignore"):
        mine = BLOCKS[type_].decode(raw)
        theirs = gguf_py.quants.dequantize(raw, gguf_py.GGMLQuantizationType(type_))
    np.testing.assert_array_equal(mine, theirs)
