"""Random weights as safetensors, written tensor by tensor in bounded memory.

Initialized as GPT-2 was (Radford et al. 2019, section 2.3): normal with a deviation of 0.02, the
projections that add to the residual stream divided by the square root of their number. Logits then
have a deviation of about 0.02 x sqrt(hidden size), so that nothing overflows in 16 bits.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paceline.adapters.hub.local.dense import DenseTensor, Role
from paceline.adapters.hub.local.weights import INDEX, WEIGHTS
from paceline.ports.engine import Say

DEVIATION: Final = 0.02
MAX_SHARD_BYTES: Final = 2_000_000_000
CHUNK_ELEMENTS: Final = 1 << 22  # 16 MiB of float32 at a time
DTYPES: Final[Mapping[str, str]] = {"bf16": "BF16", "fp16": "F16", "fp32": "F32"}
"""Format as in `--dtype` → name in the header."""
ELEMENT_BYTES: Final[Mapping[str, int]] = {"bf16": 2, "fp16": 2, "fp32": 4}
ALIGNMENT_BYTES: Final = 8  # of the header, as the reference implementation pads it

Floats = NDArray[np.float32]
Shard = Sequence[tuple[int, DenseTensor]]
"""Tensors with their place in the model, which seeds them."""


def write_weights(
    folder: Path,
    tensors: Sequence[DenseTensor],
    *,
    dtype: str,
    seed: int,
    silent_tokens: int,
    say: Say,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Write one file, or shards of at most `max_shard_bytes` (a larger tensor stands alone).

    The first `silent_tokens` rows of the embeddings are zero: their logit is 0, some other token's
    is above it, and so greedy decoding never ends early by a mark.
    The same seed gives the same bytes with the same version of numpy, however it is sharded.
    """
    shards = _shards(tensors, dtype, max_shard_bytes)
    names = [WEIGHTS]
    if len(shards) > 1:
        names = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
        _write_index(folder, dict(zip(names, shards, strict=True)), dtype)
    residuals = sum(tensor.role is Role.RESIDUAL for tensor in tensors)
    for name, shard in zip(names, shards, strict=True):
        say(f"writing {name}: {sum(_size(tensor, dtype) for _, tensor in shard) / 1e6:,.0f} MB")
        with (folder / name).open("wb") as file:
            file.write(_header([tensor for _, tensor in shard], dtype))
            for place, tensor in shard:
                rng = np.random.Generator(np.random.SFC64([seed, place]))
                for values in _values(tensor, rng, residuals, silent_tokens):
                    file.write(_encode(values, dtype))


def _shards(tensors: Sequence[DenseTensor], dtype: str, max_bytes: int) -> list[Shard]:
    shards: list[list[tuple[int, DenseTensor]]] = [[]]
    filled = 0
    for place, tensor in enumerate(tensors):
        size = _size(tensor, dtype)
        if shards[-1] and filled + size > max_bytes:
            shards.append([])
            filled = 0
        shards[-1].append((place, tensor))
        filled += size
    return list(shards)


def _write_index(folder: Path, shards: Mapping[str, Shard], dtype: str) -> None:
    held = [(tensor, name) for name, shard in shards.items() for _, tensor in shard]
    index = {
        "metadata": {"total_size": sum(_size(tensor, dtype) for tensor, _ in held)},
        "weight_map": {tensor.name: name for tensor, name in held},
    }
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")


def _header(tensors: Sequence[DenseTensor], dtype: str) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        begin, end = end, end + _size(tensor, dtype)
        entries[tensor.name] = {
            "dtype": DTYPES[dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT_BYTES)
    return len(text).to_bytes(8, "little") + text


def _values(
    tensor: DenseTensor, rng: np.random.Generator, residuals: int, silent_tokens: int
) -> Iterator[Floats]:
    for begin in range(0, tensor.elements, CHUNK_ELEMENTS):
        values = _chunk(tensor.role, min(CHUNK_ELEMENTS, tensor.elements - begin), rng, residuals)
        if tensor.role is Role.EMBEDDING:
            values[: max(0, silent_tokens * tensor.shape[1] - begin)] = 0.0
        yield values


def _chunk(role: Role, count: int, rng: np.random.Generator, residuals: int) -> Floats:
    match role:
        case Role.NORM:
            return np.ones(count, dtype=np.float32)
        case Role.BIAS:
            return np.zeros(count, dtype=np.float32)
        case Role.EMBEDDING | Role.PROJECTION | Role.RESIDUAL:
            values = rng.standard_normal(count, dtype=np.float32)
            values *= DEVIATION / (math.sqrt(residuals) if role is Role.RESIDUAL else 1.0)
            return values


def _encode(values: Floats, dtype: str) -> bytes:
    match dtype:
        case "bf16":
            return round_to_bf16(values).astype("<u2").tobytes()
        case "fp16":
            return values.astype("<f2").tobytes()
        case _:
            return values.astype("<f4").tobytes()


def round_to_bf16(values: Floats) -> NDArray[np.uint16]:
    """The upper half of each finite float32, rounded to nearest, ties to even."""
    bits = values.view(np.uint32)
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return ((bits + half) >> np.uint32(16)).astype(np.uint16)


def _size(tensor: DenseTensor, dtype: str) -> int:
    return tensor.elements * ELEMENT_BYTES[dtype]
