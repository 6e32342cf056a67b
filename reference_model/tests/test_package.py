"""The shipped files are whole and agree with each other and with the scripts."""

import json
import math
import struct
from pathlib import Path
from typing import Any

from paceline_reference import reference
from train.suite import make_items, render

_MODEL = reference().model_path


def _json(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_MODEL / name).read_text())
    return found


def _tensors() -> dict[str, Any]:
    """The header of model.safetensors: name -> dtype, shape, offsets."""
    with (_MODEL / "model.safetensors").open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header


def test_the_suite_is_what_the_script_makes() -> None:
    assert reference().suite_path.read_text() == render(make_items())


def test_every_matrix_splits_into_groups_of_128_and_is_bf16() -> None:
    for name, tensor in _tensors().items():
        assert tensor["dtype"] == "BF16", name
        assert all(size % 128 == 0 for size in tensor["shape"]), name


def test_the_weights_are_small_enough_to_ship() -> None:
    parameters = sum(math.prod(tensor["shape"]) for tensor in _tensors().values())
    assert 2 * parameters <= 40_000_000
    assert (_MODEL / "model.safetensors").stat().st_size >= 2 * parameters


def test_the_end_of_turn_is_the_same_in_every_file() -> None:
    tokens = {token["content"]: token["id"] for token in _json("tokenizer.json")["added_tokens"]}
    end = tokens[_json("tokenizer_config.json")["eos_token"]]
    assert _json("config.json")["eos_token_id"] == end
    assert _json("generation_config.json")["eos_token_id"] == end


def test_the_chat_template_is_the_same_in_both_places() -> None:
    beside = (_MODEL / "chat_template.jinja").read_text().removesuffix("\n")
    assert _json("tokenizer_config.json")["chat_template"] == beside


def test_nothing_but_the_folder_and_the_suite_is_shipped() -> None:
    package = Path(reference().suite_path).parent
    shipped = {path.name for path in package.iterdir() if path.name != "__pycache__"}
    models = {"model", "suite.jsonl", "image_model", "image_suite.jsonl"}
    assert shipped == {"__init__.py", "py.typed", *models}
