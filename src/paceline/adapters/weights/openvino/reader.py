"""The constants of an OpenVINO model as weights.

The .xml names each constant with its type, shape and place in the .bin. NNCF 3.4 keeps integers, a
zero point and a scale as `NAME`, `NAME/zero_point` and `NAME/scale`; a dimension more than a matrix
has splits rows into groups.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as Xml

import numpy as np
import numpy.typing as npt

from paceline.ports.weights import Floats, Rows, Weights
from paceline.records.weights import Matrix

_MODEL: Final = "openvino_model"
_FLOATS: Final = {"f16": "<f2", "f32": "<f4", "bf16": "<u2"}
_INTEGERS: Final = {"u8": 8, "i8": 8, "u4": 4, "i4": 4}
_NIBBLES: Final = ("u4", "i4")
_PREFIX: Final = "self."
_SUFFIXES: Final = ("._openvino_orig_weight", ".weight")
_GROUPED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Constant:
    type_: str
    shape: tuple[int, ...]
    offset: int


class OpenVinoReader:
    """A `WeightReader`."""

    def open(self, folder: Path) -> Weights | None:
        try:
            constants = _constants(folder / f"{_MODEL}.xml")
        except (OSError, ValueError, LookupError, Xml.ParseError):
            return None
        return _Model(folder / f"{_MODEL}.bin", constants)


def _constants(path: Path) -> dict[str, _Constant]:
    """Name → constant, layer by layer: the file can be larger than what is kept of it."""
    found: dict[str, _Constant] = {}
    for _, layer in Xml.iterparse(path):  # noqa: S314 - made here, by the exporter
        if layer.tag != "layer":
            continue
        data = layer.find("data")
        if layer.get("type") == "Const" and data is not None and data.get("shape"):
            shape = tuple(int(size) for size in data.attrib["shape"].split(","))
            found[layer.attrib["name"]] = _Constant(
                type_=data.attrib["element_type"],
                shape=shape if len(shape) > 1 else (1, *shape),
                offset=int(data.attrib["offset"]),
            )
        layer.clear()
    return found


class _Model:
    def __init__(self, path: Path, constants: Mapping[str, _Constant]) -> None:
        self._path = path
        self._constants = constants
        self._names = {module: name for name in constants if (module := _module(name)) is not None}

    def matrices(self) -> Mapping[str, Matrix]:
        found = {module: self._matrix(name) for module, name in self._names.items()}
        return {module: matrix for module, matrix in found.items() if matrix is not None}

    def rows(self, name: str, at: Rows) -> Floats:
        full = self._names[name]
        values = self._read(full, at)
        if self._constants[full].type_ not in _INTEGERS:
            return values
        scales = self._read(f"{full}/scale", at)[:, :, None]
        per_scale = values.reshape(len(at), scales.shape[1], -1)
        if f"{full}/zero_point" in self._constants:
            per_scale = per_scale - self._read(f"{full}/zero_point", at)[:, :, None]
        return (per_scale * scales).reshape(values.shape)

    def _matrix(self, name: str) -> Matrix | None:
        constant = self._constants[name]
        shape, bits = constant.shape, _INTEGERS.get(constant.type_)
        columns = math.prod(shape[1:])
        if bits is None:
            known = constant.type_ in _FLOATS and len(shape) < _GROUPED
            return Matrix(rows=shape[0], columns=columns) if known else None
        scale = self._constants.get(f"{name}/scale")
        if scale is None or scale.shape[0] != shape[0] or len(shape) > _GROUPED:
            return None
        group = columns // math.prod(scale.shape[1:])
        return Matrix(rows=shape[0], columns=columns, bits=bits, group=group)

    def _read(self, name: str, at: Rows) -> Floats:
        """Rows of a constant as floats; nibbles lie lower one first, without gaps between rows."""
        constant = self._constants[name]
        type_, rows = constant.type_, constant.shape[0]
        columns = math.prod(constant.shape[1:])
        if type_ in _NIBBLES:
            size = (rows * columns + 1) // 2
            packed = self._map("u1", constant.offset, size)
            return _nibbles(
                packed, at[:, None] * columns + np.arange(columns), signed=type_ == "i4"
            )
        dtype = _FLOATS.get(type_) or {"u8": "u1", "i8": "i1"}[type_]
        raw = self._map(dtype, constant.offset, rows * columns).reshape(rows, columns)[at]
        if type_ == "bf16":
            return (raw.astype(np.uint32) << 16).view(np.float32)
        return raw.astype(np.float32)

    def _map(self, dtype: str, offset: int, size: int) -> npt.NDArray[Any]:
        return np.memmap(self._path, dtype=dtype, mode="r", offset=offset, shape=(size,))


def _module(name: str) -> str | None:
    """`model.layers.0.mlp.up_proj` of `self.model.layers.0.mlp.up_proj.weight`."""
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix).removeprefix(_PREFIX)
    return None


def _nibbles(packed: npt.NDArray[Any], which: Rows, *, signed: bool) -> Floats:
    four = (packed[which // 2] >> (which % 2 * 4).astype(np.uint8)) & 15
    values = four.astype(np.int8)
    return (np.where(values > 7, values - 16, values) if signed else values).astype(np.float32)  # noqa: PLR2004
