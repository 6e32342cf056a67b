"""The header of a safetensors file: what it holds, checked against how long it is.

Layout: 8 bytes little-endian length N, N bytes of JSON `name -> dtype, shape, data_offsets`, then
the tensors without gaps (https://github.com/huggingface/safetensors, "Format", read 2026-11). No
weight is read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.adapters.hub.local.json_files import check_file, parse_object, unreadable
from paceline.errors import Code, SpecError

LENGTH_BYTES: Final = 8
MAX_HEADER_BYTES: Final = 100_000_000  # the limit of the reference implementation
METADATA: Final = "__metadata__"
BITS: Final[Mapping[str, int]] = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
"""Bits of one element; names as safetensors 0.8 writes them."""
LFS_POINTER: Final = b"version https://git-lfs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One entry of a header."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        return self.elements * BITS[self.dtype]


def read_header(path: Path) -> tuple[Tensor, ...]:
    """The tensors of `path` in file order; reads the header only.

    Raises SpecError: unreadable, truncated (bytes there and bytes needed), broken or inconsistent.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, 2)
            file.seek(0)
            start = file.read(LENGTH_BYTES + len(LFS_POINTER))
            if start.startswith(LFS_POINTER):
                raise _pointer(path, size_bytes)
            header_bytes = int.from_bytes(start[:LENGTH_BYTES], "little")
            _check_length(path, size_bytes, header_bytes)
            file.seek(LENGTH_BYTES)
            text = file.read(header_bytes)
    except OSError as error:
        raise unreadable(path, error) from error
    header = parse_object(text, path)
    data_bytes = size_bytes - LENGTH_BYTES - header_bytes
    return _checked(path, header, data_bytes=data_bytes, size_bytes=size_bytes)


def _pointer(path: Path, size_bytes: int) -> SpecError:
    return SpecError(
        Code.BAD_MODEL,
        f"{path.name!r} is a Git LFS pointer, not the weights",
        why=f"it is {size_bytes} bytes of text that name the real file",
        fix=f"fetch the weights: git -C {str(path.parent)!r} lfs pull",
    )


def _check_length(path: Path, size_bytes: int, header_bytes: int) -> None:
    if size_bytes < LENGTH_BYTES:
        raise _truncated(path, have=size_bytes, need=LENGTH_BYTES)
    if header_bytes > MAX_HEADER_BYTES:
        raise _inconsistent(
            path, f"its header claims {header_bytes:,} bytes; the limit is {MAX_HEADER_BYTES:,}"
        )
    if size_bytes < LENGTH_BYTES + header_bytes:
        raise _truncated(path, have=size_bytes, need=LENGTH_BYTES + header_bytes)


def _checked(
    path: Path, header: Mapping[str, object], *, data_bytes: int, size_bytes: int
) -> tuple[Tensor, ...]:
    """Entries sorted by place; each range as long as its tensor, none overlapping, no rest."""
    placed = sorted(
        (_entry(path, name, entry) for name, entry in header.items() if name != METADATA),
        key=lambda item: item[1],
    )
    end = 0
    for tensor, begin, after in placed:
        if begin != end or (after - begin) * 8 != tensor.bits:
            raise _inconsistent(
                path,
                f"{tensor.name!r} takes bytes {begin:,} to {after:,}; {tensor.dtype}"
                f" {list(tensor.shape)} needs {tensor.bits / 8:,.0f} bytes from {end:,}",
            )
        end = after
    if end > data_bytes:
        raise _truncated(path, have=size_bytes, need=size_bytes - data_bytes + end)
    if end < data_bytes:
        raise _inconsistent(path, f"{data_bytes - end:,} bytes after the last tensor")
    return tuple(tensor for tensor, _, _ in placed)


def _entry(path: Path, name: str, entry: object) -> tuple[Tensor, int, int]:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(after)]}:
            if dtype in BITS and all(type(n) is int and n >= 0 for n in shape):
                return Tensor(name=name, dtype=dtype, shape=tuple(shape)), begin, after
    raise _inconsistent(
        path, f"the entry of {name!r} is not a known dtype, a shape and two offsets: {entry!r:.120}"
    )


def _truncated(path: Path, *, have: int, need: int) -> SpecError:
    return SpecError(
        Code.BAD_MODEL,
        f"{path.name!r} of the model in {str(path.parent)!r} is truncated",
        why=f"it is {have:,} bytes long; its header needs {need:,}",
        fix=f"fetch {path.name!r} again",
    )


def _inconsistent(path: Path, why: str) -> SpecError:
    return SpecError(
        Code.BAD_MODEL,
        f"{path.name!r} of the model in {str(path.parent)!r} is broken",
        why=why,
        fix=f"fetch {path.name!r} again",
    )
