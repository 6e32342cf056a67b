"""The shipped image model is whole, and its suite is what the script makes."""

import json
import struct
from typing import Any

from paceline_reference import reference_image
from train_image.shapes import COLOURS, SHAPES
from train_image.suite import make_items, render

_MODEL = reference_image().model_path


def _header(path: str) -> dict[str, Any]:
    with (_MODEL / path).open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header


def test_the_suite_is_what_the_script_makes() -> None:
    assert reference_image().suite_path.read_text() == render(make_items())


def test_the_suite_asks_for_every_colour_with_every_shape_in_both_splits() -> None:
    everything = {f"{colour} {shape}" for colour in COLOURS for shape in SHAPES}
    for split in ("main", "report"):
        assert {item.shows for item in make_items() if item.split == split} == everything
    assert len({item.seed for item in make_items()}) == len(make_items())


def test_the_folder_is_a_pipeline_that_says_its_family() -> None:
    index = json.loads((_MODEL / "model_index.json").read_text())
    assert index["paceline_family"] == "reference-image"
    for name, value in index.items():
        if isinstance(value, list) and value[0] is not None:
            assert (_MODEL / name).is_dir()


def test_the_weights_are_bf16_and_small_enough_to_ship() -> None:
    files = list(_MODEL.rglob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) <= 30_000_000
    for file in files:
        kinds = {one["dtype"] for one in _header(str(file.relative_to(_MODEL))).values()}
        assert kinds <= {"BF16", "I64"}, file
