"""Deals the scales of one layer of a checkpoint out anew among its matrices, in the files.

Scales of one type are dealt among themselves, since their sizes in bytes differ.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from paceline.adapters.weights.gguf.blocks import BLOCKS
from paceline.adapters.weights.gguf.reader import _tensors
from paceline.adapters.weights.openvino.reader import _constants
from paceline.adapters.weights.safetensors.files import DTYPES, tensors_of

Scales = npt.NDArray[Any]
_Q6_K: Final = 14
_BLOCK_SCALE: Final = {_Q6_K: 208}
"""Where a block keeps its scale of two bytes, if not at its beginning."""


def shuffle(folder: Path, layer: int, *, seed: int) -> None:
    """Damage the checkpoint in `folder`, which must be a copy."""
    for found in scales_of(folder, layer).values():
        dealt = np.random.default_rng(seed).permutation(np.concatenate([f.ravel() for f in found]))
        at = 0
        for scales in found:
            scales[...] = dealt[at : at + scales.size].reshape(scales.shape)
            at += scales.size


def scales_of(folder: Path, layer: int) -> dict[object, list[Scales]]:
    """Every array of scales of a layer, writable in place, by type."""
    found: dict[object, list[Scales]] = defaultdict(list)
    gguf = next(folder.glob("*.gguf"), None)
    if gguf is not None:
        with gguf.open("rb") as file:
            tensors = _tensors(file)
        for name, tensor in tensors.items():
            block = BLOCKS.get(tensor.type_)
            if name.startswith(f"blk.{layer}.") and block is not None:
                shape = int(np.prod(tensor.shape)) // block.weights, block.size_bytes
                blocks = np.memmap(gguf, dtype="u1", mode="r+", offset=tensor.offset, shape=shape)
                at = _BLOCK_SCALE.get(tensor.type_, 0)
                found[tensor.type_].append(blocks[:, at : at + 2].view("<u2"))
        return found
    if (folder / "openvino_model.xml").exists():
        for name, constant in _constants(folder / "openvino_model.xml").items():
            if f".layers.{layer}." in name and name.endswith("/scale"):
                path, offset = folder / "openvino_model.bin", constant.offset
                found["f16"].append(
                    np.memmap(path, dtype="<f2", mode="r+", offset=offset, shape=constant.shape)
                )
        return found
    for name, place in tensors_of(folder).items():
        if f".layers.{layer}." in name and name.endswith(".weight_scale"):
            dtype, offset = DTYPES[place.dtype], place.offset
            found[dtype].append(
                np.memmap(place.path, dtype=dtype, mode="r+", offset=offset, shape=place.shape)
            )
    return found
