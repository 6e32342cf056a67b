"""A folder of safetensors as weights: plain floats, and the layouts of compressed-tensors.

`pack-quantized` (integers of 2 to 8 bits in 32-bit words), `int-quantized` and `float-quantized`
(one byte each), as compressed-tensors 0.19 writes them for llmcompressor. Not the layouts of
AutoGPTQ and AutoAWQ (`qweight`), and not fp4.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from paceline.adapters.weights.safetensors.files import Place, floats, mapped, tensors_of
from paceline.ports.weights import Floats, Rows, Weights
from paceline.records.weights import Matrix

_PLAIN: Final = ("BF16", "F16", "F32", "F64")
_WORD_BITS: Final = 32
_E4M3_BITS: Final = 4.8
"""The coarsest steps of E4M3, between 256 and 448, are 32: 28 of them from end to end."""
_MATRIX_DIMENSIONS: Final = 2

Integers = npt.NDArray[np.int64]


class SafetensorsReader:
    """A `WeightReader`."""

    def open(self, folder: Path) -> Weights | None:
        try:
            tensors = tensors_of(folder)
            bits = _integer_bits(folder)
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return _Folder(tensors, bits) if tensors else None


def _integer_bits(folder: Path) -> int | None:
    """Of the one scheme in config.json; `None` without one, or with several."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    groups = (config.get("quantization_config") or {}).get("config_groups") or {}
    found = {group["weights"]["num_bits"] for group in groups.values()}
    return int(found.pop()) if len(found) == 1 else None


class _Folder:
    """`bits` are those of the packed integers."""

    def __init__(self, tensors: Mapping[str, Place], bits: int | None) -> None:
        self._tensors = tensors
        self._bits = bits
        self._found: dict[str, Matrix] = {}
        for name, place in tensors.items():
            module, _, kind = name.rpartition(".")
            matrix = self._matrix(module, place) if kind in ("weight", "weight_packed") else None
            if matrix is not None:
                self._found[module] = matrix

    def matrices(self) -> Mapping[str, Matrix]:
        return self._found

    def rows(self, name: str, at: Rows) -> Floats:
        plain = self._tensors.get(f"{name}.weight")
        if plain is not None and plain.dtype in _PLAIN:
            return floats(plain, at)
        values = self._packed(name, at) if plain is None else floats(plain, at)
        scale = self._tensors[f"{name}.weight_scale"]
        scales = floats(scale, at * 0 if _is_single(scale) else at)
        zeros = self._zeros(name, at)
        per_scale = values.reshape(len(at), scales.shape[1], -1)
        shifted = per_scale if zeros is None else per_scale - zeros[:, :, None]
        weights: Floats = (shifted * scales[:, :, None]).reshape(values.shape).astype(np.float32)
        return weights

    def _matrix(self, module: str, place: Place) -> Matrix | None:
        """`None` for what this cannot read: other layouts, more dimensions, a sorted order."""
        if not 0 < len(place.shape) <= _MATRIX_DIMENSIONS:
            return None
        if place.dtype in _PLAIN:
            return Matrix(rows=math.prod(place.shape[:-1]), columns=place.shape[-1])
        scale = self._tensors.get(f"{module}.weight_scale")
        ordered = f"{module}.weight_g_idx" in self._tensors
        bits = {"I8": self._bits, "I32": self._bits, "F8_E4M3": _E4M3_BITS}.get(place.dtype)
        if scale is None or ordered or bits is None or len(place.shape) != _MATRIX_DIMENSIONS:
            return None
        rows, columns = place.shape
        if place.dtype == "I32":
            words, columns = columns, self._unpacked(module, int(columns * _WORD_BITS // bits))
            if words != math.ceil(columns * bits / _WORD_BITS):
                return None  # as earlier versions packed 3 bits: with gaps
        return _scaled(scale, Matrix(rows=rows, columns=columns, bits=bits))

    def _unpacked(self, module: str, at_most: int) -> int:
        """Columns before packing: the last word may be filled up."""
        shape = self._tensors.get(f"{module}.weight_shape")
        return at_most if shape is None else int(mapped(shape).reshape(-1)[-1])

    def _packed(self, name: str, at: Rows) -> Floats:
        words = mapped(self._tensors[f"{name}.weight_packed"])[at]
        columns = self._found[name].columns
        return (_unpack(words, self._bits or 0)[:, :columns]).astype(np.float32)

    def _zeros(self, name: str, at: Rows) -> Floats | None:
        """Zero points are packed along the rows, so that a column of words holds many rows."""
        place = self._tensors.get(f"{name}.weight_zero_point")
        if place is None:
            return None
        if place.dtype != "I32":
            return floats(place, at)
        return _unpack(mapped(place).T, self._bits or 0).T[at].astype(np.float32)


def _scaled(scale: Place, matrix: Matrix) -> Matrix | None:
    """The matrix with its groups; `None` where blocks of rows share a scale."""
    if _is_single(scale):
        return replace(matrix, group=matrix.columns)
    if scale.shape[0] != matrix.rows or matrix.columns % scale.shape[-1]:
        return None
    return replace(matrix, group=matrix.columns // scale.shape[-1])


def _is_single(scale: Place) -> bool:
    """Whether it belongs to the whole matrix."""
    return math.prod(scale.shape) == 1


def _unpack(words: npt.NDArray[Any], bits: int) -> Integers:
    """Dense little-endian fields of `bits` in rows of 32-bit words, 2^(bits − 1) below each."""
    rows = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), -1)
    fields = np.unpackbits(rows, axis=1, bitorder="little")
    whole = fields.shape[1] // bits
    digits = fields[:, : whole * bits].reshape(len(words), whole, bits)
    return digits @ (1 << np.arange(bits)) - (1 << (bits - 1))
