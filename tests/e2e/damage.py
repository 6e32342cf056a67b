"""Damages an exported OpenVINO model: `python damage.py SOURCE TARGET round|shuffle`.

Runs in the engine's environment. `round`: every matrix to the nearest of 16 values in groups of
128, symmetric, embeddings and output layer included, which no sound recipe does. `shuffle`: the
scales of the first layer's quantized matrices, dealt out anew among them.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import op

GROUP = 128
TOP = 7  # of a signed 4-bit number
LAYER = ".layers.0."


def main() -> None:
    source, target, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    model = ov.Core().read_model(source / "openvino_model.xml")
    constants = {
        node.get_friendly_name(): node
        for node in model.get_ops()
        if node.get_type_name() == "Constant"
    }
    for name, values in {"round": rounded, "shuffle": shuffled}[how](constants).items():
        damaged = op.Constant(np.ascontiguousarray(values))
        damaged.set_friendly_name(name)
        constants[name].output(0).replace(damaged.output(0))
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("openvino_model.*"))
    ov.save_model(model, target / "openvino_model.xml", compress_to_fp16=False)


def rounded(constants: Mapping[str, Any]) -> Mapping[str, Any]:
    found = {}
    for name, node in constants.items():
        if name.endswith("weight") and len(node.output(0).shape) > 1:
            weights = node.data.astype(np.float32)
            groups = weights.reshape(-1, GROUP)
            step = np.maximum(np.abs(groups).max(axis=1, keepdims=True), 1e-8) / TOP
            nearest = np.clip(np.round(groups / step), -TOP - 1, TOP) * step
            found[name] = nearest.reshape(weights.shape).astype(np.float16)
    return found


def shuffled(constants: Mapping[str, Any]) -> Mapping[str, Any]:
    scales = {
        name: node.data
        for name, node in constants.items()
        if LAYER in name and name.endswith("/scale")
    }
    dealt = np.random.default_rng(0).permutation(
        np.concatenate([values.reshape(-1) for values in scales.values()])
    )
    found, taken = {}, 0
    for name, values in scales.items():
        found[name] = dealt[taken : taken + values.size].reshape(values.shape)
        taken += values.size
    return found


if __name__ == "__main__":
    main()
