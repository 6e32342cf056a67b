"""The blocks of GGUF's quantized types as floats, for those that llama-quantize makes here.

Source of the layouts: `ggml/src/ggml-common.h` and `ggml-quants.c` of llama.cpp 0c1e570. In them a
low nibble belongs to the first half of a block and a high one to the second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from paceline.ports.weights import Floats

Bytes = npt.NDArray[np.uint8]
Decode = Callable[[Bytes], Floats]

_UNEVEN: Final = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], dtype=np.float32
)
"""The 16 values of the IQ4 types; at most 24 apart, as in 3.5 even bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """How a type packs weights: `decode` makes `[blocks, weights]` of `[blocks, size_bytes]`."""

    weights: int
    size_bytes: int
    bits: float
    group: int
    decode: Decode


def _half(raw: Bytes) -> Floats:
    return np.ascontiguousarray(raw).view("<f2").astype(np.float32)


def _nibbles(raw: Bytes, run: int) -> Bytes:
    """`run` bytes hold the low nibbles of `run` weights and the high ones of the next."""
    parts: Bytes = raw.reshape(len(raw), -1, 1, run) >> np.array([0, 4], dtype=np.uint8)[:, None]
    return (parts & 15).reshape(len(raw), -1).astype(np.uint8)


def _bits(raw: Bytes) -> Bytes:
    return np.unpackbits(raw, axis=1, bitorder="little")


def _q8_0(raw: Bytes) -> Floats:
    return _half(raw[:, :2]) * raw[:, 2:].view(np.int8)


def _q4_0(raw: Bytes) -> Floats:
    return _half(raw[:, :2]) * (_nibbles(raw[:, 2:], 16).astype(np.float32) - 8)


def _q4_1(raw: Bytes) -> Floats:
    return _half(raw[:, :2]) * _nibbles(raw[:, 4:], 16) + _half(raw[:, 2:4])


def _q5_0(raw: Bytes) -> Floats:
    values = _nibbles(raw[:, 6:], 16) | (_bits(raw[:, 2:6]) << 4)
    return _half(raw[:, :2]) * (values.astype(np.float32) - 16)


def _q5_1(raw: Bytes) -> Floats:
    values = _nibbles(raw[:, 8:], 16) | (_bits(raw[:, 4:8]) << 4)
    return _half(raw[:, :2]) * values + _half(raw[:, 2:4])


def _iq4_nl(raw: Bytes) -> Floats:
    return _half(raw[:, :2]) * _UNEVEN[_nibbles(raw[:, 2:], 16)]


def _iq4_xs(raw: Bytes) -> Floats:
    """Eight groups of 32, each with a scale of 6 bits: 4 in one place and 2 in another."""
    high = np.ascontiguousarray(raw[:, 2:4]).view("<u2") >> np.arange(0, 16, 2, dtype=np.uint16)
    low = raw[:, 4:8, None] >> np.array([0, 4], dtype=np.uint8)
    scales = (low.reshape(len(raw), 8) & 15) | ((high & 3) << 4)
    values = _UNEVEN[_nibbles(raw[:, 8:], 16)].reshape(len(raw), 8, 32)
    return _spread(_half(raw[:, :2]) * (scales.astype(np.float32) - 32), values)


def _q4_k(raw: Bytes) -> Floats:
    return _with_minima(raw, _nibbles(raw[:, 16:], 32))


def _q5_k(raw: Bytes) -> Floats:
    """The fifth bits of group g are bit g of 32 bytes."""
    fifth = (raw[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[:, None]) & 1
    return _with_minima(raw, _nibbles(raw[:, 48:], 32) + fifth.reshape(len(raw), -1) * 16)


def _with_minima(raw: Bytes, values: npt.NDArray[Any]) -> Floats:
    """Eight groups of 32 with a scale and a minimum of 6 bits each, packed into 12 bytes."""
    first, second, both = raw[:, 4:8], raw[:, 8:12], raw[:, 12:16]
    scales = np.hstack([first & 63, (both & 15) | ((first >> 6) << 4)])
    minima = np.hstack([second & 63, (both >> 4) | ((second >> 6) << 4)])
    grouped = values.reshape(len(raw), 8, 32).astype(np.float32)
    lowest = (_half(raw[:, 2:4]) * minima)[:, :, None]
    spread: Floats = grouped * (_half(raw[:, :2]) * scales)[:, :, None] - lowest
    return spread.reshape(len(raw), -1)


def _q6_k(raw: Bytes) -> Floats:
    """Two halves of 128: 64 bytes of lower four bits, 32 of upper two; a scale for each 16."""
    low = raw[:, :128].reshape(-1, 2, 1, 64) >> np.array([0, 4], dtype=np.uint8)[:, None]
    high = raw[:, 128:192].reshape(-1, 2, 1, 32) >> np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    values = (low & 15).reshape(len(raw), -1) | ((high & 3).reshape(len(raw), -1) << 4)
    scales = _half(raw[:, 208:]) * np.ascontiguousarray(raw[:, 192:208]).view(np.int8)
    return _spread(scales, values.astype(np.float32).reshape(len(raw), 16, 16) - 32)


def _spread(scales: Floats, values: npt.NDArray[Any]) -> Floats:
    weights: Floats = (scales[:, :, None] * values).reshape(len(values), -1)
    return weights


def _block(weights: int, size_bytes: int, bits: float, group: int, decode: Decode) -> Block:
    return Block(weights=weights, size_bytes=size_bytes, bits=bits, group=group, decode=decode)


BLOCKS: Final[Mapping[int, Block]] = {
    2: _block(32, 18, 4, 32, _q4_0),
    3: _block(32, 20, 4, 32, _q4_1),
    6: _block(32, 22, 5, 32, _q5_0),
    7: _block(32, 24, 5, 32, _q5_1),
    8: _block(32, 34, 8, 32, _q8_0),
    12: _block(256, 144, 4, 32, _q4_k),
    13: _block(256, 176, 5, 32, _q5_k),
    14: _block(256, 210, 6, 16, _q6_k),
    20: _block(32, 18, 3.5, 32, _iq4_nl),
    23: _block(256, 136, 3.5, 32, _iq4_xs),
}
"""By `ggml_type`, as in ggml.h."""
