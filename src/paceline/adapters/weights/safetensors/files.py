"""Tensors of safetensors files, some rows at a time.

Layout: 8 bytes little-endian length N, N bytes of JSON `name -> dtype, shape, data_offsets`, then
the tensors (https://github.com/huggingface/safetensors, "Format", read 2026-11).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from paceline.ports.weights import Floats, Rows

_LENGTH_BYTES: Final = 8
_MOST_BYTES: Final = 100_000_000  # of a header: the limit of the reference implementation
DTYPES: Final[Mapping[str, str]] = {
    "BF16": "<u2", "F16": "<f2", "F32": "<f4", "F64": "<f8",
    "F8_E4M3": "u1", "U8": "u1", "I8": "i1", "I32": "<i4", "I64": "<i8",
}  # fmt: skip
"""Names in a header → how numpy reads them; bf16 and fp8 as plain bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a tensor lies."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int


def tensors_of(folder: Path) -> dict[str, Place]:
    """Every tensor of a known dtype in the `*.safetensors` files of a folder.

    Raises OSError, and ValueError or LookupError for a file that is none.
    """
    found: dict[str, Place] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if length > _MOST_BYTES:
                raise ValueError(f"a header of {length:,} bytes")
            header: dict[str, Any] = json.loads(file.read(length))
        found |= {
            name: Place(
                path=path,
                dtype=entry["dtype"],
                shape=tuple(entry["shape"]),
                offset=_LENGTH_BYTES + length + entry["data_offsets"][0],
            )
            for name, entry in header.items()
            if name != "__metadata__" and entry["dtype"] in DTYPES
        }
    return found


def mapped(place: Place) -> npt.NDArray[Any]:
    """The tensor as it lies in the file, `[rows, columns]`; nothing is read yet."""
    columns = place.shape[-1] if place.shape else 1
    return np.memmap(
        place.path,
        dtype=DTYPES[place.dtype],
        mode="r",
        offset=place.offset,
        shape=(math.prod(place.shape) // max(columns, 1), columns),
    )


def floats(place: Place, at: Rows) -> Floats:
    """Rows of a tensor as floats."""
    raw = mapped(place)[at]
    if place.dtype == "BF16":
        raw = (raw.astype(np.uint32) << 16).view(np.float32)
    if place.dtype == "F8_E4M3":
        raw = _E4M3[raw]
    plain: Floats = raw.astype(np.float32)
    return plain


def _e4m3() -> Floats:
    """All 256 values of fp8 E4M3: sign, 4 bits of exponent (bias 7), 3 of fraction, NaN at the top.

    Source: Micikevicius and others, FP8 Formats for Deep Learning (2022), table 1.
    """
    code = np.arange(256)
    exponent, fraction = (code >> 3) & 15, (code & 7) / 8
    size = np.where(exponent > 0, 2.0 ** (exponent - 7) * (1 + fraction), 2.0**-6 * fraction)
    size[[127, 255]] = np.nan
    return np.where(code >> 7, -size, size).astype(np.float32)


_E4M3: Final = _e4m3()
