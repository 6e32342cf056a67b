"""A GGUF file as weights.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3. Tensors keep
the names that the file has, so the original is the unquantized GGUF that it was made from.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, error
from typing import Any, BinaryIO, Final

import numpy as np

from paceline.adapters.weights.gguf.blocks import BLOCKS
from paceline.ports.weights import Floats, Rows, Weights
from paceline.records.weights import Matrix

_MAGIC: Final = b"GGUF"
_PLAIN: Final[Mapping[int, str]] = {0: "<f4", 1: "<f2", 30: "<u2"}
_BF16: Final = 30
_ALIGNMENT: Final = "general.alignment"
_SUFFIX: Final = ".weight"
_VERSIONS: Final = (2, 3)
_U32, _U64 = Struct("<I"), Struct("<Q")
_STRING, _ARRAY = 8, 9
_VALUES: Final = {number: Struct(f"<{letter}") for number, letter in enumerate("BbHhIif?")} | {
    10: Struct("<Q"),
    11: Struct("<q"),
    12: Struct("<d"),
}
_MOST_DIMENSIONS: Final = 2
_LONGEST_BYTES: Final = 1 << 26
"""A text that claims more is a broken header; chat templates take some kilobytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tensor:
    shape: tuple[int, ...]
    """Rows last, as the file has it."""
    type_: int
    offset: int


class GgufReader:
    """A `WeightReader`."""

    def open(self, folder: Path) -> Weights | None:
        try:
            path = next(iter(folder.glob("*.gguf")))
            with path.open("rb") as file:
                return _Model(path, _tensors(file))
        except (OSError, ValueError, LookupError, StopIteration, error):
            return None


def _tensors(file: BinaryIO) -> dict[str, _Tensor]:
    """Every tensor with its offset in the file. Raises ValueError for what is no such file."""
    if file.read(len(_MAGIC)) != _MAGIC or _read(file, _U32) not in _VERSIONS:
        raise ValueError("not a GGUF file of version 2 or 3")
    count, pairs = _read(file, _U64), _read(file, _U64)
    alignment = 32
    for _ in range(pairs):
        key = _string(file)
        value = _value(file, _read(file, _U32))
        if key == _ALIGNMENT.encode():
            alignment = int(value)
    found: dict[str, _Tensor] = {}
    for _ in range(count):
        name = _string(file).decode()
        shape = tuple(_read(file, _U64) for _ in range(_read(file, _U32)))
        found[name] = _Tensor(shape=shape, type_=_read(file, _U32), offset=_read(file, _U64))
    start = -(-file.tell() // alignment) * alignment
    return {
        name: _Tensor(shape=one.shape, type_=one.type_, offset=start + one.offset)
        for name, one in found.items()
    }


def _read(file: BinaryIO, struct: Struct) -> Any:
    return struct.unpack(file.read(struct.size))[0]


def _string(file: BinaryIO) -> bytes:
    length: int = _read(file, _U64)
    if length > _LONGEST_BYTES:
        raise ValueError(f"a text of {length:,} bytes")
    return file.read(length)


def _value(file: BinaryIO, type_: int) -> Any:
    """A value of the metadata; of an array nothing is kept."""
    if type_ == _STRING:
        return _string(file)
    if type_ != _ARRAY:
        return _read(file, _VALUES[type_])
    inner, count = _read(file, _U32), _read(file, _U64)
    for _ in range(count):
        _value(file, inner)
    return None


class _Model:
    def __init__(self, path: Path, tensors: Mapping[str, _Tensor]) -> None:
        self._path = path
        self._tensors = tensors

    def matrices(self) -> Mapping[str, Matrix]:
        return {
            name.removesuffix(_SUFFIX): matrix
            for name, tensor in self._tensors.items()
            if name.endswith(_SUFFIX) and (matrix := _matrix(tensor)) is not None
        }

    def rows(self, name: str, at: Rows) -> Floats:
        tensor = self._tensors[name + _SUFFIX]
        columns, rows = tensor.shape[0], math.prod(tensor.shape[1:])
        plain = _PLAIN.get(tensor.type_)
        if plain is not None:
            raw = self._map(plain, tensor, (rows, columns))[at]
            if tensor.type_ == _BF16:
                return (raw.astype(np.uint32) << 16).view(np.float32)
            return raw.astype(np.float32)
        block = BLOCKS[tensor.type_]
        blocks = columns // block.weights
        raw = self._map("u1", tensor, (rows, blocks * block.size_bytes))[at]
        return block.decode(raw.reshape(-1, block.size_bytes)).reshape(len(at), columns)

    def _map(self, dtype: str, tensor: _Tensor, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
        return np.memmap(self._path, dtype=dtype, mode="r", offset=tensor.offset, shape=shape)


def _matrix(tensor: _Tensor) -> Matrix | None:
    """`None` for a type that this cannot read, and for experts in one tensor."""
    if not 0 < len(tensor.shape) <= _MOST_DIMENSIONS:
        return None
    columns, rows = tensor.shape[0], math.prod(tensor.shape[1:])
    if tensor.type_ in _PLAIN:
        return Matrix(rows=rows, columns=columns)
    block = BLOCKS.get(tensor.type_)
    if block is None:
        return None
    return Matrix(rows=rows, columns=columns, bits=block.bits, group=block.group)
