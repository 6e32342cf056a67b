"""Shapes of well-known open models, by name: read from the config.json facts beside this module.

A name is only a key to a config; nothing about speed hangs on it. Checkpoints made from a model
(`-AWQ`, `-FP8`, `-Instruct` …) share its shape and are found by dropping such suffixes.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from paceline.plan.shapes import Shape, read_shape

# How checkpoints are named after what was done to them; none of it changes the shape.
_MADE_FROM: Final = re.compile(
    r"[-_.](awq|gptq|fp8|fp4|nvfp4|mxfp4|int[348]|w4a16|w8a8|w8a16|gguf|bnb|[348]bits?|dynamic|"
    r"block|hf|it|instruct|chat|base|thinking|quantized|marlin|bf16|fp16|v0\.[1-3]|\d{4})$"
)


@cache
def known_shapes() -> Mapping[str, Shape]:
    """Every shipped model and its aliases, by name. Parsed once, a few milliseconds."""
    shapes: dict[str, Shape] = {}
    text = files("paceline.plan.facts").joinpath("models.jsonl").read_text(encoding="utf-8")
    for line in text.splitlines():
        row = json.loads(line)
        shape = read_shape(row["config"])
        shapes[row["name"]] = shape
        shapes |= dict.fromkeys(row["aliases"], shape)
    return shapes


class ShapeFinder:
    """Finds shapes by the name of a model, or of a checkpoint made from it."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._exact = shapes
        # the shortest name is the model itself, the others were made from it
        longest_first = sorted(shapes, key=len, reverse=True)
        self._stems = {_stem(name): shapes[name] for name in longest_first}

    def find(self, *names: str) -> Shape | None:
        """The first of `names` that is known, exactly or by its stripped name."""
        for name in names:
            if name in self._exact:
                return self._exact[name]
        for name in names:
            if name and (shape := self._stems.get(_stem(name))) is not None:
                return shape
        return None


def _stem(name: str) -> str:
    tail = name.lower().rpartition("/")[2].replace("meta-llama", "llama").replace("_", "-")
    while (shorter := _MADE_FROM.sub("", tail)) != tail:
        tail = shorter
    return tail
