"""The widths of a model's linear layers, from the headers of its safetensors files.

The model was checked before (`Hub.find`), so the headers can be trusted here.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from paceline.records.model import Model

_LENGTH_BYTES: Final = 8
_LINEAR_DIMENSIONS: Final = 2
_LEFT_ALONE: Final = re.compile(r"embed|lm_head|wte|wpe|[.]gate[.]weight$|router|norm")


def first_indivisible(model: Model, group_size: int) -> tuple[str, int] | None:
    """The first linear layer whose input width `group_size` does not divide, with that width."""
    for name, width in _linear_layers(model):
        if width % group_size:
            return name, width
    return None


def _linear_layers(model: Model) -> Iterator[tuple[str, int]]:
    for file in model.files:
        if not file.path.endswith(".safetensors"):
            continue
        for name, entry in sorted(_header(Path(model.folder) / file.path).items()):
            if name.endswith(".weight") and not _LEFT_ALONE.search(name):
                shape = entry["shape"]
                if len(shape) == _LINEAR_DIMENSIONS:
                    yield name.removesuffix(".weight"), shape[-1]


def _header(path: Path) -> dict[str, dict[str, list[int]]]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        header: dict[str, dict[str, list[int]]] = json.loads(file.read(length))
    return header
